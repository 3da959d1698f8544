import BlobStore
import FuzzKit
import NIOCore
import Synchronization

/// A disk of some files in memory.
final class MemoryFileSystem: FileSystem {
  private let files: Mutex<[String: MemoryBytes]>

  init(_ files: [String: ByteBuffer]) { self.files = Mutex(files.mapValues { MemoryBytes($0) }) }

  func open(_ path: String, _ mode: OpenMode) throws(BlobError) -> any FileHandle {
    let found = files.withLock { files -> MemoryBytes? in
      if mode == .createNew { files[path] = MemoryBytes() }
      return files[path]
    }
    guard let found else { throw .missing(what: path) }
    return MemoryHandle(path, found)
  }

  func rename(_ path: String, to target: String) throws(BlobError) {
    files.withLock { $0[target] = $0.removeValue(forKey: path) }
  }
  func unlink(_ path: String) throws(BlobError) { files.withLock { $0[path] = nil } }
  func syncDirectory(_ path: String) throws(BlobError) {}
  func list(_ directory: String) throws(BlobError) -> [String] {
    let prefix = directory + "/"
    return files.withLock { files in
      files.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        .filter { !$0.contains("/") }
    }
  }
  func createDirectory(_ path: String) throws(BlobError) -> Bool { false }
  func size(of path: String) throws(BlobError) -> Int64? { files.withLock { $0[path]?.size } }
}

private final class MemoryHandle: FileHandle {
  let path: String
  private let bytes: MemoryBytes

  init(_ path: String, _ bytes: MemoryBytes) {
    self.path = path
    self.bytes = bytes
  }

  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
    bytes.read(into: buffer, at: offset)
  }
  func pwrite(_ source: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError) { bytes.write(source, at: offset) }
  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError) {
    var offset = offset
    for buffer in buffers {
      buffer.withUnsafeReadableBytes { bytes.write($0, at: offset) }
      offset += Int64(buffer.readableBytes)
    }
  }
  func fdatasync() throws(BlobError) {}
  func truncate(to size: Int64) throws(BlobError) { bytes.truncate(to: size) }
  func size() throws(BlobError) -> Int64 { bytes.size }
  func map(size: Int) throws(BlobError) -> any FileMapping {
    throw .io(operation: "map", path: path, errno: 0)
  }
  func close() {}
}
