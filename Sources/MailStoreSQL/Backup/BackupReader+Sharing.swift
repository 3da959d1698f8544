public import MailStore

/// What mailboxes of a backup have beside their messages.
extension BackupReader {
  public struct KeptAnnotation: Sendable, Hashable {
    /// Who keeps it for himself in a mailbox of somebody else; nil: the owner's, and what all see.
    public var viewer: AccountID?
    public var annotation: Annotation
  }

  /// Whom a mailbox was shared with.
  public func accessList(of mailbox: Int64) throws(StoreError) -> [AccessEntry] {
    // A backup of an older version has no lists.
    guard try db("SELECT 1 FROM sqlite_schema WHERE name = 'access'").first({ _ in true }) != nil else { return [] }
    return try AccessTable.list(of: MailboxRef(account: account.id, mailbox: MailboxID(mailbox)), db)
  }

  /// Of a mailbox; 0: of the account itself.
  public func annotations(of mailbox: Int64) throws(StoreError) -> [KeptAnnotation] {
    let rows = try db(
      "SELECT viewer, entry, value FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0 ORDER BY viewer, entry"
    )
    rows.bind(1, account.id.rawValue)
    rows.bind(2, mailbox)
    var found: [KeptAnnotation] = []
    try rows.forEach { row in
      let viewer = row.int(0) == 0 || row.int(0) == account.id.rawValue ? nil : AccountID(row.int(0))
      found.append(KeptAnnotation(viewer: viewer, annotation: Annotation(row.text(1), row.buffer(2))))
    }
    return found
  }
}
