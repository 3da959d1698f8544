public import MailStore
import NIOCore

extension SQLStore {
  public func annotations(of account: AccountID) async throws(StoreError) -> [MailboxID?: [Annotation]] {
    _ = try await published(account)
    return try await readers.run { reader throws(StoreError) in
      let row = try reader.db(
        "SELECT mailbox, entry, value FROM annotation WHERE account = ? AND uid = 0 ORDER BY mailbox, entry")
      row.bind(1, account.rawValue)
      var found: [MailboxID?: [Annotation]] = [:]
      try row.forEach { row in
        let mailbox = row.int(0) == 0 ? nil : MailboxID(row.int(0))
        found[mailbox, default: []].append(Annotation(row.text(1), row.buffer(2)))
      }
      return found
    }
  }

  public func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of account: AccountID, limits: AnnotationLimits,
    by authors: [WatchID]
  ) async throws(StoreError) -> Bool {
    try await writer.write { transaction throws(StoreError) in
      try transaction.setAnnotations(changes, in: mailbox, of: account, limits: limits, by: authors)
    }
  }
}

extension Transaction {
  /// Private entries are those of the account's owner: `viewer` says whose they are, 0 stands for all.
  fileprivate func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of id: AccountID, limits: AnnotationLimits,
    by authors: [WatchID]
  ) throws(StoreError) -> Bool {
    let account = try account(id)
    if let mailbox, account.mailboxes[mailbox.rawValue]?.state.isSelectable != true { throw .mailboxGone }
    let place = mailbox?.rawValue ?? 0
    guard try changesAnything(changes, place, of: account) else { return true }
    var entries: [String: Int] = [:]
    let rows = try db(
      "SELECT entry, COALESCE(LENGTH(value), 0) FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0")
    rows.bind(1, account.id)
    rows.bind(2, place)
    try rows.forEach { entries[$0.text(0)] = Int($0.int(1)) }
    let (count, octets) = (entries.count, Self.octets(entries))
    for change in changes { entries[change.entry] = change.value?.readableBytes }
    let added = Self.octets(entries) - octets
    guard entries.count <= max(limits.entries, count) else { return false }
    if added > 0 {
      let sum = try db(
        "SELECT COALESCE(SUM(LENGTH(entry) + COALESCE(LENGTH(value), 0)), 0) FROM annotation WHERE account = ?")
      sum.bind(1, account.id)
      guard (try sum.first { $0.int(0) } ?? 0) + Int64(added) <= Int64(limits.octets) else { return false }
    }
    let modSeq = modSeq(account)
    hasWritten = true
    if let box = account.mailboxes[place] {
      // RFC 7162 §3.2: the mailbox's HIGHESTMODSEQ is raised, though no message has changed.
      touch(box, of: account)
      change(box, of: account) { _ in }
    }
    let remove = try db("DELETE FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0 AND entry = ?")
    let insert = try db(
      "INSERT INTO annotation (account, mailbox, uid, viewer, entry, value, modseq) VALUES (?, ?, 0, ?, ?, ?, ?)")
    for change in changes {
      remove.bind(1, account.id)
      remove.bind(2, place)
      remove.bind(3, change.entry)
      try remove.run()
      guard let value = change.value else { continue }
      insert.bind(1, account.id)
      insert.bind(2, place)
      insert.bind(3, change.entry.hasPrefix("/private/") ? account.id : 0)
      insert.bind(4, change.entry)
      insert.bind(5, value)
      insert.bind(6, modSeq)
      try insert.run()
    }
    note(changes.map { AnnotationName(mailbox, $0.entry) }, of: account.id, by: authors)
    return true
  }

  /// They go with their mailbox, so that they count no more.
  func removeAnnotations(of ref: MailboxRef) throws(StoreError) {
    let row = try db("DELETE FROM annotation WHERE account = ? AND mailbox = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    try row.run()
  }

  private func changesAnything(
    _ changes: [AnnotationChange], _ place: Int64, of account: AccountBox
  ) throws(StoreError) -> Bool {
    let row = try db("SELECT value FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0 AND entry = ?")
    for change in changes {
      row.bind(1, account.id)
      row.bind(2, place)
      row.bind(3, change.entry)
      if try row.first({ $0.buffer(0) }) != change.value { return true }
    }
    return false
  }

  private static func octets(_ entries: [String: Int]) -> Int {
    entries.reduce(0) { $0 + $1.key.utf8.count + $1.value }
  }
}
