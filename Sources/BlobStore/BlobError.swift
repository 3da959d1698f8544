/// What reading and writing message bytes can fail with. Every text names the file, and the offset where there is one.
public enum BlobError: Error, Sendable, Hashable {
  /// A system call failed. `errno` is 0 where the system reported success but did less than was asked.
  case io(operation: String, path: String, errno: Int32)
  /// Bytes on disk are not those that were written.
  case corrupt(what: String)
  /// The pack is not there (any more). A reader that looked its location up before a compaction looks it up again.
  case missing(what: String)

  /// The operation of `io` when a directory could not even be opened for its sync.
  static let openDirectory = "open directory"

  /// Nothing was synced yet, so nothing is in doubt: no file descriptor was left, for one.
  var precedesSync: Bool {
    if case .io(Self.openDirectory, _, _) = self { return true }
    return false
  }
}
