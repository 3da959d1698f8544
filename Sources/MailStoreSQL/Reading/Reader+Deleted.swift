import MailFormat
import MailStore

/// A deleted message whose bytes are there.
struct DeletedRow: Sendable {
  var mailbox: Int64
  var uid: UID
  var size: Int64
}

extension Reader {
  /// Rows of the expunge log that hold on to a content, and the messages of deleted mailboxes. `?2` since, `?3` a name.
  private static let deleted: StaticString = """
    SELECT mailbox, uid, size, deleted, dead, name, internal, zone, content FROM (
      SELECT e.mailbox, e.uid, e.size, e.expunged AS deleted, m.name IS NULL AS dead,
        COALESCE(m.name, m.former_name, '') AS name, e.internal, e.zone, e.content
      FROM expunged e JOIN mailbox m ON m.account = e.account AND m.id = e.mailbox
      WHERE e.account = ?1 AND e.content IS NOT NULL
      UNION ALL
      SELECT g.mailbox, g.uid, g.size, COALESCE((
          SELECT MAX(p.expunged) FROM purge p
          WHERE p.account = m.account AND p.mailbox = m.id AND p.modseq = m.died), 0), 1,
        COALESCE(m.former_name, ''), g.internal, g.zone, g.content
      FROM mailbox m JOIN message g ON g.account = m.account AND g.mailbox = m.id
      WHERE m.account = ?1 AND m.name IS NULL)
    WHERE deleted >= ?2 AND (?3 IS NULL OR name = ?3)
    ORDER BY deleted DESC, mailbox, uid
    """

  /// All that are meant, and the first `limit` of them in words.
  func deleted(
    of account: AccountID, _ filter: DeletedFilter, limit: Int
  ) throws(StoreError) -> (rows: [DeletedRow], messages: [DeletedMessage]) {
    try db.reading { () throws(StoreError) in
      let name = filter.mailbox.map(Names.canonical)
      let wanted = filter.uids.map(Set.init)
      var rows: [DeletedRow] = []
      var messages: [DeletedMessage] = []
      let list = try db(Self.deleted)
      let headers = try db("SELECT headers, chunk FROM content WHERE key = ?")
      list.bind(1, account.rawValue)
      list.bind(2, filter.since ?? 0)
      list.bind(3, name)
      try list.forEach { row throws(StoreError) in
        let uid = row.uid(1)
        if let wanted, !wanted.contains(uid) { return }
        rows.append(DeletedRow(mailbox: row.int(0), uid: uid, size: row.int(2)))
        guard messages.count < limit else { return }
        let key = ContentKey.key(account.rawValue, row.int(8))
        headers.bind(1, key)
        let (subject, from) =
          try headers.first { text throws(StoreError) in
            var bytes = text.blob(0)
            if let chunk = text.optionalInt(1), try chunks.find(key, in: chunk, ContentParts(.headers)) {
              bytes = chunks.bytes(.headers)
            }
            return (Self.field("Subject", bytes), Self.field("From", bytes))
          } ?? ("", "")
        messages.append(
          DeletedMessage(
            mailbox: row.text(5), mailboxDeleted: row.int(4) != 0, uid: uid, deleted: row.int(3),
            date: InternalDate(seconds: row.int(6), zoneMinutes: Int16(truncatingIfNeeded: row.int(7))),
            size: row.int(2), subject: subject, from: from))
      }
      return (rows, messages)
    }
  }

  private static func field(_ name: String, _ bytes: UnsafeRawBufferPointer) -> String {
    let span = RawSpan(_unsafeBytes: bytes)
    guard let value = HeaderFields.firstValue(name, of: span, header: 0..<span.byteCount) else { return "" }
    return String(HeaderFields.decodedValue(span, value).prefix(StoreLimits.listedFieldCharacters))
  }

  func kept(of account: AccountID) throws(StoreError) -> QuotaUsage {
    try db.reading { () throws(StoreError) in
      let row = try db(
        """
        SELECT COUNT(*), COALESCE(SUM(size), 0) FROM (
          SELECT size FROM expunged WHERE account = ?1 AND content IS NOT NULL
          UNION ALL SELECT g.size FROM mailbox m JOIN message g ON g.account = m.account AND g.mailbox = m.id
          WHERE m.account = ?1 AND m.name IS NULL)
        """)
      row.bind(1, account.rawValue)
      return try row.first { QuotaUsage(bytes: $0.int(1), messages: $0.int(0)) } ?? QuotaUsage()
    }
  }
}
