import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The beginning of a big message, beside the state. What is behind `durable` octets came from a run that ended before it
/// could say so, and is cut off.
struct PartialFile: Sendable {
  let path: String

  /// Without a dot before it: else servers of the tree would take it for a mailbox.
  private static let directoryName = "merpati-partial"
  static func directory(of state: SyncState) -> String { "\(state.folder)/\(directoryName)" }

  init(_ partial: PartialMessage, state: SyncState) {
    path = "\(Self.directory(of: state))/\(Self.name(of: partial))"
  }

  static func name(of partial: PartialMessage) -> String { "\(partial.mailbox)-\(partial.uidValidity)-\(partial.uid)" }

  /// Octets that can be kept: `durable`, or 0 when the file is shorter than that.
  func open(keeping durable: Int64) async throws -> Int64 {
    try await blocking { path throws(SyncError) in
      let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
      if mkdir(folder, 0o700) != 0, errno != EEXIST { throw Self.failure(folder) }
      let file = Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
      guard file >= 0 else { throw Self.failure(path) }
      defer { close(file) }
      let size = Int64(lseek(file, 0, SEEK_END))
      let kept = size >= durable ? durable : 0
      guard ftruncate(file, off_t(kept)) == 0, fsync(file) == 0 else { throw Self.failure(path) }
      return kept
    }
  }

  /// Durable when it returns.
  func append(_ bytes: ByteBuffer, at offset: Int64) async throws {
    try await blocking { path throws(SyncError) in
      let file = Glibc.open(path, O_WRONLY | O_CLOEXEC)
      guard file >= 0 else { throw Self.failure(path) }
      defer { close(file) }
      let isWritten = bytes.withUnsafeReadableBytes { buffer in
        var done = 0
        while done < buffer.count {
          let count = pwrite(
            file, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset) + off_t(done))
          if count < 0, errno == EINTR { continue }
          guard count > 0 else { return false }
          done += count
        }
        return true
      }
      guard isWritten, fsync(file) == 0 else { throw Self.failure(path) }
    }
  }

  /// With the header.
  func beginning() async throws -> ByteBuffer {
    try await blocking { path throws(SyncError) in
      try SmallFile.read(path, at: 0, count: SyncLimits.headerOctets)
    }
  }

  func remove() async {
    // What stays is removed by the next pass.
    try? await blocking { path throws(SyncError) in _ = unlink(path) }
  }

  /// Removes files that no message waits for.
  static func tidy(_ state: SyncState) async throws {
    let wanted = Set(try await state.partials().map(name))
    let directory = directory(of: state)
    try await NIOThreadPool.singleton.runIfActive {
      guard let folder = opendir(directory) else { return }
      defer { closedir(folder) }
      while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name.first != ".", !wanted.contains(name) { unlink("\(directory)/\(name)") }
      }
    }
  }

  private func blocking<Value: Sendable>(
    _ body: @escaping @Sendable (String) throws(SyncError) -> Value
  ) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive { [path] in try body(path) }
  }

  private static func failure(_ path: String) -> SyncError { .state(path: path, String(cString: strerror(errno))) }
}
