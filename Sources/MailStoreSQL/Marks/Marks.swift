import Logging
import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The high-water mark of one data folder, `DIR/marks.sqlite`. A commit that would give out a number beyond a ceiling, or
/// that takes a message away where none was since the last backup, first waits for the mark to be on the disk.
///
/// `@unchecked`: opened by the thread that opens the store, then used by the writer's thread only.
final class Marks: @unchecked Sendable {
  let db: SQLConnection
  /// Names the store; the volume has the same number.
  private(set) var store: Int64
  /// The next backup gets this one.
  private(set) var epoch: Int64
  /// How often a commit had to wait for a mark.
  private(set) var writes = 0
  private var accounts: [Int64: Ceilings] = [:]
  private var mailboxes: [MailboxRef: UID] = [:]
  /// Noted in this epoch already.
  private var removed: Set<RemovedBlock> = []

  struct RemovedBlock: Hashable {
    var account: Int64
    var mailbox: Int64
    /// -1: the whole mailbox.
    var block: Int64
  }

  private init(_ db: SQLConnection) throws(StoreError) {
    self.db = db
    store = try Self.value("store", db)
    epoch = try Self.value("epoch", db)
  }

  // MARK: Opening

  static func path(_ folder: String) -> String { "\(folder)/marks.sqlite" }

  /// Opens the marks of a folder, and makes them from the volume's rows where they are missing, damaged or another
  /// store's. Backups from before that then count as taken without marks.
  static func open(_ folder: String, volume: SQLConnection, logger: Logger) throws(StoreError) -> Marks {
    let path = path(folder)
    let db: SQLConnection
    do throws(StoreError) { db = try SQLConnection.writer(path: path, migrator: MarksSchema.migrator) } catch {
      guard case .corrupt = error else { throw error }
      let aside = "\(path).damaged"
      for suffix in ["", "-wal", "-shm"] { rename(path + suffix, aside + suffix) }
      logger.error("\(path) is damaged and was set aside as \(aside); a restore from older backups changes UIDVALIDITY")
      db = try SQLConnection.writer(path: path, migrator: MarksSchema.migrator)
    }
    let marks = try Marks(db)
    let known = try volume("SELECT value FROM volume_state WHERE name = 'store_id'").first { $0.int(0) }
    if marks.store != 0, known == marks.store { return marks }
    if known != nil {
      logger.notice(
        "\(path): begun anew, since the volume was restored or its marks are lost; older backups restore without")
    }
    try marks.adopt(volume)
    return marks
  }

  /// Numbers that this store has not given out itself yet, and an identity of its own.
  private func adopt(_ volume: SQLConnection) throws(StoreError) {
    let identity = Int64.random(in: 1...Int64.max)
    try inTransaction { () throws(StoreError) in
      let accounts = try volume(
        "SELECT modseq, next_mailbox, last_uidvalidity, next_content, next_instance, account FROM account_state")
      try accounts.forEach { row throws(StoreError) in
        let counters = AccountCounters(
          modSeq: row.bits(0), nextMailbox: row.int(1), lastUIDValidity: UInt32(truncatingIfNeeded: row.int(2)),
          nextContent: row.int(3), nextInstance: row.int(4))
        var ceilings = Ceilings(above: counters)
        if let old = try self.ceilings(row.int(5)) { ceilings.rise(to: old) }
        try db.setMark(ceilings, of: row.int(5))
      }
      let mailboxes = try volume("SELECT account, id, uidnext FROM mailbox WHERE name IS NOT NULL")
      try mailboxes.forEach { row throws(StoreError) in
        let (sum, isOver) = row.uid(2).addingReportingOverflow(MarkLimits.uids)
        try db.setMark(isOver ? .max : sum, of: row.int(1), account: row.int(0))
      }
      try set("store", identity)
      try set("epoch", epoch + 1)
    }
    store = identity
    epoch += 1
    accounts = [:]
    mailboxes = [:]
    removed = []
    // After the marks: with only one of the two written, all this is done again.
    let row = try volume(
      "INSERT INTO volume_state (name, value) VALUES ('store_id', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    row.bind(1, identity)
    try row.run()
  }

  // MARK: The writer's thread

  /// For a backup: returns its epoch. What is taken away from now on was taken away after it.
  func beginEpoch() throws(StoreError) -> Int64 {
    let next = epoch + 1
    try inTransaction { () throws(StoreError) in try set("epoch", next) }
    removed.removeAll()
    epoch = next
    return next - 1
  }

  /// Before the commit: makes durable what it needs. Most commits need nothing.
  func reserve(for transaction: Transaction) throws(StoreError) {
    var raised: [Int64: Ceilings] = [:]
    for account in transaction.dirtyAccounts {
      if let known = try known(account.id), known.covers(account.counters) { continue }
      var ceilings = Ceilings(above: account.counters)
      if let old = accounts[account.id] { ceilings.rise(to: old) }
      raised[account.id] = ceilings
    }
    var raisedMailboxes: [MailboxRef: UID] = [:]
    for (account, mailbox) in transaction.dirtyMailboxes {
      let ref = account.ref(mailbox)
      if let known = try known(ref), mailbox.state.uidNext <= known { continue }
      let (sum, isOver) = mailbox.state.uidNext.addingReportingOverflow(MarkLimits.uids)
      raisedMailboxes[ref] = isOver ? .max : sum
    }
    let gone = try newlyRemoved(transaction.changes)
    guard !raised.isEmpty || !raisedMailboxes.isEmpty || !gone.isEmpty else { return }
    writes += 1
    try inTransaction { () throws(StoreError) in
      for (account, ceilings) in raised { try db.setMark(ceilings, of: account) }
      for (ref, uidNext) in raisedMailboxes {
        try db.setMark(uidNext, of: ref.mailbox.rawValue, account: ref.account.rawValue)
      }
      for block in gone { try writeRemoved(block) }
    }
    accounts.merge(raised) { $1 }
    mailboxes.merge(raisedMailboxes) { $1 }
    removed.formUnion(gone)
  }

  private func newlyRemoved(
    _ changes: [MailboxRef: [MailboxChange]]
  ) throws(StoreError) -> Set<RemovedBlock> {
    var result: Set<RemovedBlock> = []
    for (ref, list) in changes {
      for change in list where change.isDeletion || !change.expunged.isEmpty {
        var last: Int64 = -2
        for block in change.isDeletion ? [-1] : change.expunged.map({ Int64($0 >> MarkLimits.blockBits) }) {
          guard block != last else { continue }
          last = block
          result.insert(RemovedBlock(account: ref.account.rawValue, mailbox: ref.mailbox.rawValue, block: block))
        }
      }
    }
    if result.isEmpty { return result }
    result.subtract(removed)
    for block in result where try epochOf(block) == epoch {
      removed.insert(block)
      result.remove(block)
    }
    return result
  }

  private func known(_ account: Int64) throws(StoreError) -> Ceilings? {
    if let known = accounts[account] { return known }
    guard let found = try ceilings(account) else { return nil }
    accounts[account] = found
    return found
  }

  private func known(_ ref: MailboxRef) throws(StoreError) -> UID? {
    if let known = mailboxes[ref] { return known }
    let row = try db("SELECT uidnext FROM mailbox_mark WHERE account = ? AND mailbox = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    guard let found = try row.first({ $0.uid(0) }) else { return nil }
    mailboxes[ref] = found
    return found
  }

  // MARK: Rows

  func ceilings(_ account: Int64) throws(StoreError) -> Ceilings? {
    let row = try db(
      "SELECT modseq, next_mailbox, uidvalidity, next_content, next_instance FROM account_mark WHERE account = ?")
    row.bind(1, account)
    return try row.first { Ceilings($0) }
  }

  private func epochOf(_ block: RemovedBlock) throws(StoreError) -> Int64? {
    let row = try db("SELECT epoch FROM removed_mark WHERE account = ? AND mailbox = ? AND block = ?")
    row.bind(1, block.account)
    row.bind(2, block.mailbox)
    row.bind(3, block.block)
    return try row.first { $0.int(0) }
  }

  private func writeRemoved(_ block: RemovedBlock) throws(StoreError) {
    let row = try db("INSERT OR REPLACE INTO removed_mark (account, mailbox, block, epoch) VALUES (?, ?, ?, ?)")
    row.bind(1, block.account)
    row.bind(2, block.mailbox)
    row.bind(3, block.block)
    row.bind(4, epoch)
    try row.run()
  }

  static func value(_ name: String, _ db: SQLConnection) throws(StoreError) -> Int64 {
    let row = try db("SELECT value FROM mark_state WHERE name = ?")
    row.bind(1, name)
    return try row.first { $0.int(0) } ?? 0
  }

  private func set(_ name: String, _ value: Int64) throws(StoreError) {
    let row = try db("INSERT OR REPLACE INTO mark_state (name, value) VALUES (?, ?)")
    row.bind(1, name)
    row.bind(2, value)
    try row.run()
  }

  private func inTransaction(_ body: () throws(StoreError) -> Void) throws(StoreError) {
    try db.transaction(body)
    do throws(StoreError) { try db.checkpointIfDue() } catch {
      // What cannot be carried over stays in the WAL; a failed sync is the writer's to judge.
      if error.isFailedSync { throw error }
    }
  }
}

extension SQLConnection {
  func setMark(_ ceilings: Ceilings, of account: Int64) throws(StoreError) {
    let row = try self(
      """
      INSERT OR REPLACE INTO account_mark (account, modseq, next_mailbox, uidvalidity, next_content, next_instance)
      VALUES (?, ?, ?, ?, ?, ?)
      """)
    row.bind(1, account)
    row.bind(2, ceilings.modSeq)
    row.bind(3, ceilings.nextMailbox)
    row.bind(4, ceilings.uidValidity)
    row.bind(5, ceilings.nextContent)
    row.bind(6, ceilings.nextInstance)
    try row.run()
  }

  func setMark(_ uidNext: UID, of mailbox: Int64, account: Int64) throws(StoreError) {
    let row = try self(
      """
      INSERT INTO mailbox_mark (account, mailbox, uidnext) VALUES (?, ?, ?)
      ON CONFLICT (account, mailbox) DO UPDATE SET uidnext = MAX(uidnext, excluded.uidnext)
      """)
    row.bind(1, account)
    row.bind(2, mailbox)
    row.bind(3, uidNext)
    try row.run()
  }

  /// One transaction, on the disk when it returns.
  func transaction<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
    try self("BEGIN IMMEDIATE").run()
    do throws(StoreError) {
      let value = try body()
      try self("COMMIT").run()
      return value
    } catch {
      if isInTransaction { try? self("ROLLBACK").run() }
      throw error
    }
  }
}
