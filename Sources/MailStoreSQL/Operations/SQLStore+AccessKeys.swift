public import MailStore
import NIOCore

/// Keys of URLAUTH (RFC 4467 §2.2). They belong to a mailbox, whatever its name, and go with it.
extension SQLStore {
  public func accessKey(_ use: AccessKeyUse, of ref: MailboxRef) async throws(StoreError) -> [UInt8]? {
    guard case .read = use else {
      return try await writer.write { transaction throws(StoreError) in try transaction.accessKey(use, of: ref) }
    }
    return try await readers.run { reader throws(StoreError) in try Self.readAccessKey(ref, reader.db) }
  }

  public func removeAccessKeys(of account: AccountID) async throws(StoreError) {
    try await writer.write { transaction throws(StoreError) in
      let account = try transaction.account(account)
      transaction.hasWritten = true
      let row = try transaction.db("DELETE FROM access_key WHERE account = ?")
      row.bind(1, account.id)
      try row.run()
    }
  }

  fileprivate static func readAccessKey(_ ref: MailboxRef, _ db: SQLConnection) throws(StoreError) -> [UInt8]? {
    let row = try db("SELECT key FROM access_key WHERE account = ? AND mailbox = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    return try row.first { Array($0.blob(0)) }
  }
}

extension Transaction {
  func accessKey(_ use: AccessKeyUse, of ref: MailboxRef) throws(StoreError) -> [UInt8]? {
    _ = try mailbox(ref)
    let old = try SQLStore.readAccessKey(ref, db)
    let new: [UInt8]
    switch use {
    case .read: return old
    case .orElse(let key):
      if let old { return old }
      new = key
    case .replace(let key): new = key
    }
    hasWritten = true
    let row = try db("INSERT OR REPLACE INTO access_key (account, mailbox, key) VALUES (?, ?, ?)")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    row.bind(3, ByteBuffer(bytes: new))
    try row.run()
    return new
  }

  /// The mailbox is gone.
  func removeAccessKey(of ref: MailboxRef) throws(StoreError) {
    let row = try db("DELETE FROM access_key WHERE account = ? AND mailbox = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    try row.run()
  }
}
