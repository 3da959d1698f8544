public import MailStore

extension SQLStore {
  public func copy(
    _ uids: [UID], from ref: MailboxRef, to name: String
  ) async throws(StoreError) -> AssignedUIDs {
    let uids = ascending(uids)
    // RFC 9051 §6.4.7: all or nothing, so one transaction; one that takes long would keep the deliveries of all waiting.
    guard uids.count <= StoreLimits.copiedMessages else {
      throw .tooManyMessages(limit: StoreLimits.copiedMessages)
    }
    return try await writer.write { transaction throws(StoreError) in
      try transaction.copy(uids, from: ref, to: name)
    }
  }

  public func move(
    _ uids: [UID], from ref: MailboxRef, to name: String
  ) async throws(StoreError) -> AssignedUIDs {
    let uids = ascending(uids)
    let first = uids.prefix(StoreLimits.rowsPerMove)
    let result = try await writer.write { transaction throws(StoreError) in
      let (account, source) = try transaction.mailbox(ref)
      let target = try transaction.target(name, in: account)
      return try transaction.move(first, from: source, to: target, of: account)
    }
    return await move(uids[first.endIndex...], from: ref, after: result)
  }

  /// RFC 6851 §3.3: each message must be moved or stay, the set need not be of one piece. So a long MOVE is done in parts,
  /// and the deliveries of others go between them. What failed after the first part stands in the result.
  func move(_ uids: ArraySlice<UID>, from ref: MailboxRef, after first: AssignedUIDs) async -> AssignedUIDs {
    var result = first
    // By its number: another mailbox may have got the name meanwhile.
    let target = MailboxRef(account: ref.account, mailbox: first.destination)
    var rest = uids
    while !rest.isEmpty {
      let slice = rest.prefix(StoreLimits.rowsPerMove)
      rest = rest[slice.endIndex...]
      do throws(StoreError) {
        let part = try await writer.write { transaction throws(StoreError) in
          let (account, source) = try transaction.mailbox(ref)
          let (_, target) = try transaction.mailbox(target)
          guard target.state.isSelectable else { throw .notSelectable(target.state.name) }
          return try transaction.move(slice, from: source, to: target, of: account)
        }
        result.source += part.source
        result.assigned += part.assigned
      } catch {
        result.failure = error
        return result
      }
    }
    return result
  }
}

/// COPY and MOVE write rows, never bytes (design §4).
extension Transaction {
  struct SourceRow {
    var uid: UID
    var message: NewMessage
  }

  /// Rows read before the first is written, so that a mailbox may be copied into itself; a part at a time keeps memory
  /// bounded.
  static let rowsAtOnce = 4096
  /// What a copy takes on the disk, roughly.
  static let rowOctets: Int64 = 256

  /// All or nothing (RFC 9051 §6.4.7).
  func copy(_ uids: [UID], from ref: MailboxRef, to name: String) throws(StoreError) -> AssignedUIDs {
    let (account, source) = try mailbox(ref)
    let target = try target(name, in: account)
    try freeSpace.take(Int64(uids.count) * Self.rowOctets)
    var result = AssignedUIDs(
      destination: MailboxID(target.state.id), uidValidity: target.state.uidValidity, assigned: [])
    var keywords = KeywordMap()
    for start in stride(from: 0, to: uids.count, by: Self.rowsAtOnce) {
      let wanted = uids[start..<min(start + Self.rowsAtOnce, uids.count)]
      let rows = try rows(try entries(wanted, of: source, account), in: ref)
      guard !rows.isEmpty else { continue }
      try charge(account, bytes: rows.reduce(0) { $0 + $1.message.size }, messages: Int64(rows.count))
      var copies: [NewMessage] = []
      copies.reserveCapacity(rows.count)
      var instance = takeInstances(rows.count, account)
      for row in rows {
        var message = row.message
        message.keywords = try map(message.keywords, &keywords, from: source, to: target, of: account)
        // A copy is an instance of its own: it gets its own UIDL and was never retrieved.
        message.instance = instance
        instance += 1
        message.uidl = nil
        message.retrieved = nil
        copies.append(message)
        result.source.append(row.uid)
      }
      try addReferences(toContents: copies.lazy.map(\.content), of: account)
      result.assigned += try insert(copies, into: target, of: account)
    }
    return result
  }

  /// UIDLs are kept, and the quota is not asked, since nothing is added.
  func move(
    _ uids: ArraySlice<UID>, from source: MailboxBox, to target: MailboxBox, of account: AccountBox
  ) throws(StoreError) -> AssignedUIDs {
    let ref = account.ref(source)
    var result = AssignedUIDs(
      destination: MailboxID(target.state.id), uidValidity: target.state.uidValidity, assigned: [])
    var keywords = KeywordMap()
    for start in stride(from: uids.startIndex, to: uids.endIndex, by: Self.rowsAtOnce) {
      touch(source, of: account)
      let runs = UIDRuns.consecutive(uids[start..<min(start + Self.rowsAtOnce, uids.endIndex)])
      let gone = try takeOut(runs, of: source, account) { _ in true }
      let rows = try rows(gone, in: ref)
      guard !rows.isEmpty else { continue }
      var moved: [NewMessage] = []
      moved.reserveCapacity(rows.count)
      for row in rows {
        var message = row.message
        message.keywords = try map(message.keywords, &keywords, from: source, to: target, of: account)
        moved.append(message)
        result.source.append(row.uid)
      }
      // Gone first: with the mailbox itself as target, chunks may be made of what is there.
      let bytes = try removeRows(gone, of: ref, keepingContent: false)
      uncount(gone, bytes: bytes, source)
      try removeMarks(gone, source, account)
      change(source, of: account) { $0.expunged += gone.map(\.uid) }
      result.assigned += try insert(moved, into: target, of: account)
    }
    return result
  }

  /// The rows of `entries` (ascending), which have the flags.
  func rows(_ entries: [MessageEntry], in ref: MailboxRef) throws(StoreError) -> [SourceRow] {
    guard let first = entries.first?.uid, let last = entries.last?.uid else { return [] }
    var result: [SourceRow] = []
    result.reserveCapacity(entries.count)
    let statement = try db(
      """
      SELECT uid, internal, zone, size, content, instance, uidl, retrieved
      FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid
      """)
    // One walk where most between the first and the last are meant.
    let isDense = Int(last - first) <= entries.count * 4 + 64
    var next = 0
    for run in isDense ? [first...last] : UIDRuns.consecutive(entries.lazy.map(\.uid)) {
      bind(statement, ref, run.lowerBound, run.upperBound)
      try statement.forEach { row in
        let uid = row.uid(0)
        guard next < entries.count, entries[next].uid == uid else { return }
        let entry = entries[next]
        next += 1
        result.append(
          SourceRow(
            uid: uid,
            message: NewMessage(
              flags: entry.flags, keywords: entry.keywords,
              date: InternalDate(seconds: row.int(1), zoneMinutes: Int16(truncatingIfNeeded: row.int(2))),
              size: row.int(3), content: row.int(4), instance: row.int(5), uidl: row.optionalText(6),
              retrieved: row.optionalInt(7))))
      }
    }
    guard result.count == entries.count else {
      throw .corrupt(
        what: """
          mailbox \(ref.mailbox) of account \(ref.account): \(entries.count) messages have flags and \(result.count) a \
          row; run 'merpati check --repair'
          """)
    }
    return result
  }

  /// Keyword bits of one mailbox in another; most messages have the same few.
  struct KeywordMap {
    var known: [UInt64: UInt64] = [0: 0]
  }

  func map(
    _ bits: UInt64, _ known: inout KeywordMap, from source: MailboxBox, to target: MailboxBox, of account: AccountBox
  ) throws(StoreError) -> UInt64 {
    if source === target { return bits }
    if let result = known.known[bits] { return result }
    let names = source.state.keywords.indices.filter { bits & (1 << UInt64($0)) != 0 }.map { source.state.keywords[$0] }
    let result = try keywordBits(names, in: target, of: account, adding: true)
    known.known[bits] = result
    return result
  }
}
