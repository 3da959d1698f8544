import BlobStore
import NIOCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The real disk, whose syncs of files wait until the test lets them go.
final class HeldFileSystem: FileSystem {
  private struct State {
    var isHolding = false
    /// Syncs that may pass though all are held.
    var passes = 0
    var waiting = 0
  }

  private let real = PosixFileSystem()
  private let state = Mutex(State())

  func hold() { state.withLock { $0.isHolding = true } }
  func letOneGo() { state.withLock { $0.passes += 1 } }
  func release() { state.withLock { $0.isHolding = false } }

  /// Until so many syncs are held.
  func waitUntilHeld(_ count: Int) async throws {
    while state.withLock({ $0.waiting < count }) { try await Task.sleep(for: .milliseconds(2)) }
  }

  fileprivate func pass() {
    state.withLock { $0.waiting += 1 }
    while true {
      let mayPass = state.withLock { state in
        guard state.isHolding else { return true }
        guard state.passes > 0 else { return false }
        state.passes -= 1
        return true
      }
      if mayPass { break }
      usleep(1000)
    }
    state.withLock { $0.waiting -= 1 }
  }

  func open(_ path: String, _ mode: OpenMode) throws(BlobError) -> any FileHandle {
    HeldFile(try real.open(path, mode), self)
  }
  func rename(_ path: String, to target: String) throws(BlobError) { try real.rename(path, to: target) }
  func unlink(_ path: String) throws(BlobError) { try real.unlink(path) }
  func syncDirectory(_ path: String) throws(BlobError) { try real.syncDirectory(path) }
  func list(_ directory: String) throws(BlobError) -> [String] { try real.list(directory) }
  func createDirectory(_ path: String) throws(BlobError) -> Bool { try real.createDirectory(path) }
  func size(of path: String) throws(BlobError) -> Int64? { try real.size(of: path) }
}

private final class HeldFile: FileHandle {
  private let real: any FileHandle
  private let disk: HeldFileSystem

  init(_ real: any FileHandle, _ disk: HeldFileSystem) {
    self.real = real
    self.disk = disk
  }

  var path: String { real.path }
  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
    try real.pread(into: buffer, at: offset)
  }
  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError) {
    try real.pwrite(bytes, at: offset)
  }
  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError) { try real.pwritev(buffers, at: offset) }
  func fdatasync() throws(BlobError) {
    disk.pass()
    try real.fdatasync()
  }
  func truncate(to size: Int64) throws(BlobError) { try real.truncate(to: size) }
  func size() throws(BlobError) -> Int64 { try real.size() }
  func map(size: Int) throws(BlobError) -> any FileMapping { try real.map(size: size) }
  func close() { real.close() }
}
