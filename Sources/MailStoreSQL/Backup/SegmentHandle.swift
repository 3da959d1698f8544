import BlobStore
import NIOCore

/// A pack that lies in several files, one behind the other, as one file that can be read.
final class SegmentHandle: FileHandle {
  let path: String
  private let segments: [(start: Int64, end: Int64, handle: any FileHandle)]

  /// `segments` in order and without gaps.
  init(path: String, _ segments: [(start: Int64, end: Int64, handle: any FileHandle)]) {
    self.path = path
    self.segments = segments
  }

  /// A pack of a generation.
  convenience init(_ pack: BackupManifest.Pack, in folder: String) throws(BlobError) {
    var segments: [(start: Int64, end: Int64, handle: any FileHandle)] = []
    for segment in pack.segments {
      let start = segments.last?.end ?? 0
      let handle = try PosixFileSystem().open("\(folder)/\(segment.name)", .read)
      segments.append((start, start + segment.octets, handle))
    }
    self.init(path: "\(folder)/packs/\(PackFile.name(pack.number))", segments)
  }

  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
    var done = 0
    for segment in segments where segment.end > offset + Int64(done) && done < buffer.count {
      let at = offset + Int64(done)
      guard at >= segment.start else { break }
      let wanted = Int(min(Int64(buffer.count - done), segment.end - at))
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + wanted])
      let count = try segment.handle.pread(into: part, at: at - segment.start)
      done += count
      if count < wanted { break }
    }
    return done
  }

  func size() throws(BlobError) -> Int64 { segments.last?.end ?? 0 }
  func close() { for segment in segments { segment.handle.close() } }

  // A backup is only read.
  private func refuse(_ operation: String) -> BlobError { .io(operation: operation, path: path, errno: 0) }
  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError) { throw refuse("write") }
  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError) { throw refuse("write") }
  func fdatasync() throws(BlobError) { throw refuse("sync") }
  func truncate(to size: Int64) throws(BlobError) { throw refuse("truncate") }
  func map(size: Int) throws(BlobError) -> any FileMapping { throw refuse("map") }
}
