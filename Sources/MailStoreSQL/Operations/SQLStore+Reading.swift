public import MailStore

extension SQLStore {
  public func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    guard !uids.isEmpty else { return 0 }
    return try await readers.run { reader throws(StoreError) in
      try reader.visit(ref, uids, needs, visitor)
    }
  }

  public func vanished(
    _ range: ClosedRange<UID>, since modSeq: ModSeq, in ref: MailboxRef
  ) async throws(StoreError) -> [UID]? {
    try await readers.run { reader throws(StoreError) in try reader.vanished(range, since: modSeq, in: ref) }
  }

  public func openMessage(_ uid: UID, in ref: MailboxRef) async throws(StoreError) -> (any MessageReader)? {
    let pool = readers
    return try await readers.run { reader throws(StoreError) -> SQLMessageReader? in
      try reader.db.reading { () throws(StoreError) -> SQLMessageReader? in
        guard let key = try reader.content(uid, in: ref) else { return nil }
        return try reader.openContent(key: key, pool: pool)
      }
    }
  }
}
