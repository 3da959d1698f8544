import MailStore

/// Rows of the directory. Used on the writer's thread, and while opening.
enum AccountTable {
  static func load(_ db: SQLConnection, into cache: DirectoryCache) throws(StoreError) {
    // A backup is read as it was made.
    let isNew = try db("SELECT 1 FROM pragma_table_info('account') WHERE name = 'quota_mailboxes'")
    let rows =
      try isNew.first { _ in true } == nil
      ? try db(
        """
        SELECT id, name, enabled, credentials, generation, quota_bytes, quota_messages, expire, created, NULL, NULL
        FROM account
        """)
      : try db(
        """
        SELECT id, name, enabled, credentials, generation, quota_bytes, quota_messages, expire, created,
          quota_mailboxes, quota_annotations
        FROM account
        """)
    try rows.forEach { cache.set(account($0)) }
  }

  private static func account(_ row: SQLStatement) -> Account {
    Account(
      id: AccountID(row.int(0)), name: row.text(1), isEnabled: row.int(2) != 0, credentials: row.text(3),
      credentialsGeneration: row.int(4),
      quota: QuotaLimits(
        bytes: row.optionalInt(5), messages: row.optionalInt(6), mailboxes: row.optionalInt(9),
        annotationBytes: row.optionalInt(10)),
      pop3Expire: POP3Expire(days: row.int(7)), created: row.int(8))
  }

  /// Returns the permanent number. It is above every one that this directory has given out, and above `floor`: the
  /// directory may be older than the mail.
  static func insert(
    _ account: NewAccount, name: String, created: Int64, above floor: Int64, _ db: SQLConnection
  ) throws(StoreError) -> Int64 {
    let row = try db(
      """
      INSERT INTO account (id, name, credentials, quota_bytes, quota_messages, expire, created, quota_mailboxes,
        quota_annotations)
      VALUES (1 + MAX(?7, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'account'), 0)), ?1, ?2, ?3, ?4, ?5, ?6,
        ?8, ?9)
      RETURNING id
      """)
    row.bind(1, name)
    row.bind(2, account.credentials)
    row.bind(3, account.quota.bytes)
    row.bind(4, account.quota.messages)
    row.bind(5, account.pop3Expire.days)
    row.bind(6, created)
    row.bind(7, floor)
    row.bind(8, account.quota.mailboxes)
    row.bind(9, account.quota.annotationBytes)
    defer { row.reset() }
    guard try row.step() else { throw .database(message: "the account was given no number") }
    let id = row.int(0)
    // An INSERT with RETURNING is complete when it says there is no further row.
    while try row.step() {}
    return id
  }

  static func update(_ account: Account, _ db: SQLConnection) throws(StoreError) {
    let row = try db(
      """
      UPDATE account SET name = ?2, enabled = ?3, credentials = ?4, generation = ?5, quota_bytes = ?6,
        quota_messages = ?7, expire = ?8, quota_mailboxes = ?9, quota_annotations = ?10 WHERE id = ?1
      """)
    row.bind(1, account.id.rawValue)
    row.bind(2, account.name)
    row.bind(3, account.isEnabled ? 1 : 0)
    row.bind(4, account.credentials)
    row.bind(5, account.credentialsGeneration)
    row.bind(6, account.quota.bytes)
    row.bind(7, account.quota.messages)
    row.bind(8, account.pop3Expire.days)
    row.bind(9, account.quota.mailboxes)
    row.bind(10, account.quota.annotationBytes)
    try row.run()
  }

  static func delete(_ id: Int64, _ db: SQLConnection) throws(StoreError) {
    let row = try db("DELETE FROM account WHERE id = ?")
    row.bind(1, id)
    try row.run()
  }
}

extension POP3Expire {
  /// As in the row: -1 never, 0 on retrieve, else days.
  var days: Int64 {
    switch self {
    case .never: -1
    case .onRetrieve: 0
    case .days(let days): Int64(max(days, 1))
    }
  }

  init(days: Int64) {
    self = days < 0 ? .never : days == 0 ? .onRetrieve : .days(Int(days))
  }
}
