import IMAPCore

extension RemoteWorker {
  /// What became of messages that the owner moved here.
  struct MoveResult: Sendable {
    /// Old UID to new; empty where the server does not tell.
    var uids: [UInt32: UInt32] = [:]
    /// Old UIDs of those that are moved.
    var moved: Set<UInt32> = []
    /// Why the server would not; then they go the long way.
    var refusal: String?
  }

  func move(_ uids: [UInt32], from source: KnownMailbox, to target: String) async throws -> MoveResult {
    try await guarding {
      let remote = try await open(source)
      var result = MoveResult()
      for start in stride(from: 0, to: uids.count, by: SyncLimits.setElements) {
        let slice = Array(uids[start..<min(start + SyncLimits.setElements, uids.count)])
        do {
          result.uids.merge(try await remote.move(slice, to: target)) { $1 }
          result.moved.formUnion(slice)
        } catch  where error.isRefusal {
          result.refusal = error.sentence
          return result
        }
      }
      return result
    }
  }
}
