import BlobStore
import NIOCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The real disk, on which so many more writes to packs find room.
final class FullFileSystem: FileSystem {
  private let real = PosixFileSystem()
  private let room = Mutex<Int?>(nil)
  private let reading = Mutex<Int32?>(nil)

  /// Nil: all.
  func leave(_ writes: Int?) { room.withLock { $0 = writes } }

  /// Reading of packs fails with this; nil: no more.
  func failReads(_ errno: Int32?) { reading.withLock { $0 = errno } }

  fileprivate func look(_ path: String) throws(BlobError) {
    let code = reading.withLock { $0 }
    if let code, path.hasSuffix(".pack") { throw .io(operation: "read", path: path, errno: code) }
  }

  fileprivate func take(_ path: String) throws(BlobError) {
    let isFull = room.withLock { room in
      guard let left = room else { return false }
      room = max(left - 1, 0)
      return left == 0
    }
    if isFull, path.hasSuffix(".pack") { throw .io(operation: "write", path: path, errno: ENOSPC) }
  }

  func open(_ path: String, _ mode: OpenMode) throws(BlobError) -> any FileHandle {
    FullFile(try real.open(path, mode), self)
  }
  func rename(_ path: String, to target: String) throws(BlobError) { try real.rename(path, to: target) }
  func unlink(_ path: String) throws(BlobError) { try real.unlink(path) }
  func syncDirectory(_ path: String) throws(BlobError) { try real.syncDirectory(path) }
  func list(_ directory: String) throws(BlobError) -> [String] { try real.list(directory) }
  func createDirectory(_ path: String) throws(BlobError) -> Bool { try real.createDirectory(path) }
  func size(of path: String) throws(BlobError) -> Int64? { try real.size(of: path) }
}

private final class FullFile: FileHandle {
  private let real: any FileHandle
  private let disk: FullFileSystem

  init(_ real: any FileHandle, _ disk: FullFileSystem) {
    self.real = real
    self.disk = disk
  }

  var path: String { real.path }
  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
    try disk.look(path)
    return try real.pread(into: buffer, at: offset)
  }
  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError) {
    try disk.take(path)
    try real.pwrite(bytes, at: offset)
  }
  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError) {
    try disk.take(path)
    try real.pwritev(buffers, at: offset)
  }
  func fdatasync() throws(BlobError) { try real.fdatasync() }
  func truncate(to size: Int64) throws(BlobError) { try real.truncate(to: size) }
  func size() throws(BlobError) -> Int64 { try real.size() }
  func map(size: Int) throws(BlobError) -> any FileMapping { try real.map(size: size) }
  func close() { real.close() }
}
