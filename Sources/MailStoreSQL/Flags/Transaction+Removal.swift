import MailStore

/// Messages that go, many at once.
extension Transaction {
  /// UIDs that one statement looks at: a mask has an octet for each.
  private static let maskedUIDs: UID = 8192
  private static let spared: UInt8 = 0xFF
  /// Sets of keywords up to which each has a statement of its own; each looks at the whole span.
  private static let keywordSets = 8

  /// The first `limit` messages in `runs` that are `meant`, ascending; chunks name them no more. Call `touch` first.
  func takeOut(
    _ runs: [ClosedRange<UID>], of mailbox: MailboxBox, _ account: AccountBox, limit: Int = .max,
    where isMeant: (MessageEntry) -> Bool
  ) throws(StoreError) -> [MessageEntry] {
    // Before a chunk that is emptied lowers it.
    let seal = try seal(of: mailbox, account)
    var gone: [MessageEntry] = []
    try editChunks(runs, of: mailbox, account, isEnough: { gone.count >= limit }) { entries, runs in
      var kept: [MessageEntry] = []
      let before = gone.count
      var next = 0
      Self.select(entries, runs) { range in
        for index in range where gone.count < limit && isMeant(entries[index]) {
          kept += entries[next..<index]
          next = index + 1
          gone.append(entries[index])
        }
      }
      guard gone.count > before else { return false }
      kept += entries[next...]
      entries = kept
      return true
    }
    let rows = try db(
      """
      SELECT uid, flags, keywords, modseq FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ?
      ORDER BY uid
      """)
    for run in runs where run.upperBound > seal && gone.count < limit {
      bind(rows, account.ref(mailbox), max(run.lowerBound, seal + 1), run.upperBound)
      defer { rows.reset() }
      while gone.count < limit, try rows.step() {
        let entry = MessageEntry(rows)
        if isMeant(entry) { gone.append(entry) }
      }
    }
    return gone
  }

  /// Rows go to the expunge log, with the flags of `gone` (ascending). With `keepingContent` they hold on to the bytes until
  /// the purge. Returns the octets of the messages.
  func removeRows(
    _ gone: [MessageEntry], of ref: MailboxRef, keepingContent: Bool
  ) throws(StoreError) -> Int64 {
    let modSeq = modSeq(try account(ref.account))
    var bytes: Int64 = 0
    var rest = gone[...]
    while let first = rest.first {
      let part = rest.prefix { $0.uid - first.uid < Self.maskedUIDs }
      rest = rest.dropFirst(part.count)
      guard let last = part.last else { break }
      let span = first.uid...last.uid
      var mask = [UInt8](repeating: Self.spared, count: Int(last.uid - first.uid) + 1)
      for entry in part { mask[Int(entry.uid - first.uid)] = 0 }
      bytes += try size(span, mask, ref)
      try log(part, span, ref, modSeq, keepingContent: keepingContent)
      try delete(span, mask, ref, expecting: part.count)
    }
    return bytes
  }

  private func size(_ span: ClosedRange<UID>, _ mask: [UInt8], _ ref: MailboxRef) throws(StoreError) -> Int64 {
    let row = try db(
      """
      SELECT COALESCE(SUM(size), 0) FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4
        AND (?5 IS NULL OR substr(?5, uid - ?3 + 1, 1) <> x'FF')
      """)
    bind(row, ref, span.lowerBound, span.upperBound)
    bindMask(row, mask)
    return try row.first { $0.int(0) } ?? 0
  }

  /// One statement for all messages with the same keywords; flags stand in the mask.
  private func log(
    _ gone: ArraySlice<MessageEntry>, _ span: ClosedRange<UID>, _ ref: MailboxRef, _ modSeq: ModSeq,
    keepingContent: Bool
  ) throws(StoreError) {
    let row = try db(
      """
      INSERT INTO expunged (account, mailbox, uid, modseq, expunged, content, flags, keywords, internal, zone, saved, size,
        instance, uidl, retrieved)
      SELECT account, mailbox, uid, ?6, ?7, CASE WHEN ?8 THEN content END,
        instr(x'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F', substr(?5, uid - ?3 + 1, 1)) - 1, ?9,
        internal, zone, saved, size, instance, uidl, retrieved
      FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4
        AND substr(?5, uid - ?3 + 1, 1) <> x'FF' ORDER BY uid
      """)
    var logged = 0
    func log(_ entries: some Sequence<MessageEntry>, _ span: ClosedRange<UID>, _ keywords: UInt64) throws(StoreError) {
      var mask = [UInt8](repeating: Self.spared, count: span.count)
      for entry in entries { mask[Int(entry.uid - span.lowerBound)] = entry.flags.rawValue & 0x1F }
      bind(row, ref, span.lowerBound, span.upperBound)
      mask.withUnsafeBytes { row.bind(5, bytes: $0) }
      row.bind(6, modSeq)
      row.bind(7, now)
      row.bind(8, keepingContent ? 1 : 0)
      row.bind(9, keywords)
      try row.run()
      logged += db.changes
    }
    let sets = Set(gone.lazy.map(\.keywords))
    if sets.count <= Self.keywordSets {
      for keywords in sets { try log(gone.lazy.filter { $0.keywords == keywords }, span, keywords) }
    } else {
      for entry in gone { try log(CollectionOfOne(entry), entry.uid...entry.uid, entry.keywords) }
    }
    try expect(logged, gone.count, ref)
  }

  private func delete(
    _ span: ClosedRange<UID>, _ mask: [UInt8], _ ref: MailboxRef, expecting count: Int
  ) throws(StoreError) {
    let row = try db(
      """
      DELETE FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4
        AND (?5 IS NULL OR substr(?5, uid - ?3 + 1, 1) <> x'FF')
      """)
    bind(row, ref, span.lowerBound, span.upperBound)
    bindMask(row, mask)
    try row.run()
    try expect(db.changes, count, ref)
  }

  /// None where every UID of the span is meant.
  private func bindMask(_ row: SQLStatement, _ mask: [UInt8]) {
    if mask.contains(Self.spared) { mask.withUnsafeBytes { row.bind(5, bytes: $0) } } else { row.bindNull(5) }
  }

  private func expect(_ rows: Int, _ entries: Int, _ ref: MailboxRef) throws(StoreError) {
    guard rows == entries else {
      throw .corrupt(
        what: """
          mailbox \(ref.mailbox) of account \(ref.account): \(entries) messages have flags and \(rows) a row; run \
          'merpati check --repair'
          """)
    }
  }
}
