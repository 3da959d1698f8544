public import MailStore
import NIOCore

extension SQLStore {
  public func annotations(
    of account: AccountID, as viewer: AccountID
  ) async throws(StoreError) -> [MailboxID?: [Annotation]] {
    _ = try await published(account)
    return try await readers.run { reader throws(StoreError) in
      let row = try reader.db(
        """
        SELECT mailbox, entry, value FROM annotation a WHERE account = ? AND uid = 0 AND viewer IN (0, ?)
          AND (mailbox = 0 OR EXISTS (
            SELECT 1 FROM mailbox m WHERE m.account = a.account AND m.id = a.mailbox AND m.name IS NOT NULL))
        ORDER BY mailbox, entry
        """)
      row.bind(1, account.rawValue)
      row.bind(2, viewer.rawValue)
      var found: [MailboxID?: [Annotation]] = [:]
      try row.forEach { row in
        let mailbox = row.int(0) == 0 ? nil : MailboxID(row.int(0))
        found[mailbox, default: []].append(Annotation(row.text(1), row.buffer(2)))
      }
      return found
    }
  }

  public func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of account: AccountID, as viewer: AccountID,
    limits: AnnotationLimits, by authors: [WatchID]
  ) async throws(StoreError) -> Bool {
    try await writer.write { transaction throws(StoreError) in
      try transaction.setAnnotations(changes, in: mailbox, of: account, as: viewer, limits: limits, by: authors)
    }
  }
}

extension Transaction {
  /// Private entries are those of whoever set them: `viewer` in the row says whose they are, 0 stands for all. What others
  /// keep privately is counted apart, so that nobody can use up what the owner has.
  fileprivate func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of id: AccountID, as viewer: AccountID,
    limits: AnnotationLimits, by authors: [WatchID]
  ) throws(StoreError) -> Bool {
    let account = try account(id)
    if let mailbox, account.mailboxes[mailbox.rawValue]?.state.isSelectable != true { throw .mailboxGone }
    let place = mailbox?.rawValue ?? 0
    guard try changesAnything(changes, place, of: account, as: viewer) else { return true }
    let (own, others) = (
      changes.filter { viewer == id || !$0.isPrivate }, changes.filter { viewer != id && $0.isPrivate }
    )
    for (part, counted) in [(own, (0, account.id)), (others, (viewer.rawValue, viewer.rawValue))] where !part.isEmpty {
      guard try hasRoom(for: part, at: place, of: account.id, counted, limits) else { return false }
    }
    let modSeq = modSeq(account)
    hasWritten = true
    if let box = account.mailboxes[place] {
      // RFC 7162 §3.2: the mailbox's HIGHESTMODSEQ is raised, though no message has changed.
      touch(box, of: account)
      change(box, of: account) { _ in }
    }
    let remove = try db(
      "DELETE FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0 AND viewer = ? AND entry = ?")
    let insert = try db(
      "INSERT INTO annotation (account, mailbox, uid, viewer, entry, value, modseq) VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)")
    for change in changes {
      for statement in [remove, insert] {
        statement.bind(1, account.id)
        statement.bind(2, place)
        statement.bind(3, change.isPrivate ? viewer.rawValue : 0)
        statement.bind(4, change.entry)
      }
      try remove.run()
      guard let value = change.value else {
        insert.reset()
        continue
      }
      insert.bind(5, value)
      insert.bind(6, modSeq)
      try insert.run()
    }
    if !own.isEmpty { note(AnnotatedPlace(mailbox, of: id, own, by: authors)) }
    if !others.isEmpty { note(AnnotatedPlace(mailbox, of: id, others, of: viewer, by: authors)) }
    return true
  }

  /// `counted`: whose entries count together.
  private func hasRoom(
    for changes: [AnnotationChange], at place: Int64, of account: Int64, _ counted: (Int64, Int64),
    _ limits: AnnotationLimits
  ) throws(StoreError) -> Bool {
    var entries: [String: Int] = [:]
    let rows = try db(
      """
      SELECT entry, COALESCE(LENGTH(value), 0) FROM annotation
      WHERE account = ? AND mailbox = ? AND uid = 0 AND viewer IN (?, ?)
      """)
    rows.bind(1, account)
    rows.bind(2, place)
    rows.bind(3, counted.0)
    rows.bind(4, counted.1)
    try rows.forEach { entries[$0.text(0)] = Int($0.int(1)) }
    let (count, octets) = (entries.count, Self.octets(entries))
    for change in changes { entries[change.entry] = change.value?.readableBytes }
    let added = Self.octets(entries) - octets
    guard entries.count <= max(limits.entries, count) else { return false }
    guard added > 0 else { return true }
    // Those of a deleted mailbox wait for undelete or the reaper, and count no more.
    let sum = try db(
      """
      SELECT COALESCE(SUM(LENGTH(CAST(entry AS BLOB)) + COALESCE(LENGTH(value), 0)), 0) FROM annotation a
      WHERE account = ?1 AND viewer IN (?2, ?3) AND (mailbox = 0 OR EXISTS (
        SELECT 1 FROM mailbox m WHERE m.account = ?1 AND m.id = a.mailbox AND m.name IS NOT NULL))
      """)
    sum.bind(1, account)
    sum.bind(2, counted.0)
    sum.bind(3, counted.1)
    let usage = try sum.first { $0.int(0) } ?? 0
    guard usage + Int64(added) <= Int64(limits.octets) else { return false }
    // What viewers keep for themselves is not the owner's to pay for.
    let quota = QuotaLimits(of: directory.account(account), default: settings.defaultQuota)
    if counted.1 == account, let limit = quota.annotationBytes, usage + Int64(added) > limit {
      throw .overQuota(OverQuota(resource: .annotations, limit: limit, usage: usage))
    }
    return true
  }

  /// What belonged to a deleted mailbox comes back with its messages, to the mailbox that was made anew for them.
  func adoptAnnotations(of mailbox: Int64, by target: MailboxBox, of account: AccountBox) throws(StoreError) {
    let rows = try db(
      "SELECT entry FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0 AND viewer IN (0, ?)")
    rows.bind(1, account.id)
    rows.bind(2, mailbox)
    rows.bind(3, account.id)
    var own: [AnnotationChange] = []
    try rows.forEach { own.append(AnnotationChange($0.text(0), nil)) }
    let move = try db("UPDATE annotation SET mailbox = ?3, modseq = ?4 WHERE account = ?1 AND mailbox = ?2 AND uid = 0")
    move.bind(1, account.id)
    move.bind(2, mailbox)
    move.bind(3, target.state.id)
    move.bind(4, modSeq(account))
    try move.run()
    if !own.isEmpty { note(AnnotatedPlace(MailboxID(target.state.id), of: AccountID(account.id), own, by: [])) }
  }

  private func changesAnything(
    _ changes: [AnnotationChange], _ place: Int64, of account: AccountBox, as viewer: AccountID
  ) throws(StoreError) -> Bool {
    let row = try db(
      "SELECT value FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0 AND viewer = ? AND entry = ?")
    for change in changes {
      row.bind(1, account.id)
      row.bind(2, place)
      row.bind(3, change.isPrivate ? viewer.rawValue : 0)
      row.bind(4, change.entry)
      if try row.first({ $0.buffer(0) }) != change.value { return true }
    }
    return false
  }

  private static func octets(_ entries: [String: Int]) -> Int {
    entries.reduce(0) { $0 + $1.key.utf8.count + $1.value }
  }
}
