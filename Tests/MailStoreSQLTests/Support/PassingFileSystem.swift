import BlobStore
import NIOCore

/// The real disk, where `before` may hold a call up or refuse it.
protocol PassingFileSystem: FileSystem {
  func before(_ call: FileCall, _ path: String) throws(BlobError)
}

enum FileCall { case read, write, sync }

extension PassingFileSystem {
  private var real: PosixFileSystem { PosixFileSystem() }

  func open(_ path: String, _ mode: OpenMode) throws(BlobError) -> any FileHandle {
    PassingFile(try real.open(path, mode), self)
  }
  func rename(_ path: String, to target: String) throws(BlobError) { try real.rename(path, to: target) }
  func unlink(_ path: String) throws(BlobError) { try real.unlink(path) }
  func syncDirectory(_ path: String) throws(BlobError) { try real.syncDirectory(path) }
  func list(_ directory: String) throws(BlobError) -> [String] { try real.list(directory) }
  func createDirectory(_ path: String) throws(BlobError) -> Bool { try real.createDirectory(path) }
  func size(of path: String) throws(BlobError) -> Int64? { try real.size(of: path) }
}

private final class PassingFile: FileHandle {
  private let real: any FileHandle
  private let disk: any PassingFileSystem

  init(_ real: any FileHandle, _ disk: any PassingFileSystem) {
    self.real = real
    self.disk = disk
  }

  var path: String { real.path }
  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
    try disk.before(.read, path)
    return try real.pread(into: buffer, at: offset)
  }
  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError) {
    try disk.before(.write, path)
    try real.pwrite(bytes, at: offset)
  }
  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError) {
    try disk.before(.write, path)
    try real.pwritev(buffers, at: offset)
  }
  func fdatasync() throws(BlobError) {
    try disk.before(.sync, path)
    try real.fdatasync()
  }
  func truncate(to size: Int64) throws(BlobError) { try real.truncate(to: size) }
  func size() throws(BlobError) -> Int64 { try real.size() }
  func map(size: Int) throws(BlobError) -> any FileMapping { try real.map(size: size) }
  func close() { real.close() }
}
