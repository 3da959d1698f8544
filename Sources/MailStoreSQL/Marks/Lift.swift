import MailStore

/// What a restore does to a volume from a backup, so that no client is told a lie by it (design §4, Durability):
///
/// - Numbers go on above the marks: UIDs, MODSEQs, UIDVALIDITYs, UIDLs and mailbox numbers that were given out after the
///   backup are not given out again.
/// - Every message gets a new MODSEQ and the expunge log begins anew, so a client asking for changes since any MODSEQ it can
///   know hears of all flags and of every UID that is gone (RFC 7162 §3.2.5.1).
/// - Messages among UIDs of which one was taken away after the backup get new UIDs: a client may have seen them go. A
///   mailbox that was deleted meanwhile gets another UIDVALIDITY.
/// - Without the marks (another machine, a lost disk) every mailbox gets another UIDVALIDITY.
struct Lift {
  struct Report: Equatable {
    var mailboxes = 0
    /// Mailboxes that clients read anew.
    var newUIDValidity = 0
    /// Messages with new UIDs in the others.
    var renumbered = 0
  }

  let db: SQLConnection
  /// Of the data folder that is replaced, if they are this store's; opened for writing, already in the new folder.
  let marks: SQLConnection?
  /// Of the backup.
  let epoch: Int64
  let now: Int64
  /// Without marks, UIDVALIDITYs begin above this.
  let uidValidity: UInt32
  private var report = Report()

  init(db: SQLConnection, marks: SQLConnection?, epoch: Int64, now: Int64, uidValidity: UInt32) {
    self.db = db
    self.uidValidity = uidValidity
    self.marks = marks
    self.epoch = epoch
    self.now = now
  }

  /// One transaction on each of the two.
  mutating func run() throws(StoreError) -> Report {
    var accounts: [Int64] = []
    try db("SELECT account FROM account_state WHERE state <> 1 ORDER BY account").forEach { accounts.append($0.int(0)) }
    try begin()
    do throws(StoreError) {
      // Flags that cannot be read are those of delivery: better than no restore. `check` of the backup tells of them.
      _ = try FlagSealing.unseal(db)
      for account in accounts { try lift(account) }
      try liftVolume()
      if let marks { try noteEnd(marks) }
      try db("COMMIT").run()
      if let marks { try marks("COMMIT").run() }
    } catch {
      for connection in [db, marks] where connection?.isInTransaction == true { try? connection?("ROLLBACK").run() }
      throw error
    }
    return report
  }

  private func begin() throws(StoreError) {
    try db("BEGIN IMMEDIATE").run()
    if let marks { try marks("BEGIN IMMEDIATE").run() }
  }

  // MARK: Accounts

  private mutating func lift(_ id: Int64) throws(StoreError) {
    guard let account = try MailTables.loadAccount(id, db) else { return }
    if let ceilings = try ceilings(id) {
      account.counters.rise(above: ceilings)
    } else {
      account.counters.leap(now, above: uidValidity)
    }
    for mailbox in account.mailboxes.values.sorted(by: { $0.state.id < $1.state.id }) {
      try lift(mailbox, of: account)
    }
    try MailTables.update(account, db)
    // Clients hear of these numbers before the first commit does.
    if let marks {
      try marks.setMark(Ceilings(above: account.counters), of: id)
      for mailbox in account.mailboxes.values {
        try marks.setMark(mailbox.state.uidNext, of: mailbox.state.id, account: id)
      }
    }
  }

  private func ceilings(_ account: Int64) throws(StoreError) -> Ceilings? {
    guard let marks else { return nil }
    let row = try marks(
      "SELECT modseq, next_mailbox, uidvalidity, next_content, next_instance FROM account_mark WHERE account = ?")
    row.bind(1, account)
    return try row.first { Ceilings($0) }
  }

  private mutating func lift(_ mailbox: MailboxBox, of account: AccountBox) throws(StoreError) {
    report.mailboxes += 1
    let ref = account.ref(mailbox)
    let before = mailbox.state.uidNext
    let blocks = try removedBlocks(ref)
    if let marked = try markedUIDNext(ref), !blocks.contains(-1) {
      mailbox.state.uidNext = max(before, marked)
      try renumber(blocks, mailbox, ref)
      // Nothing was recent: nothing becomes so.
      if mailbox.state.recentFloor >= before { mailbox.state.recentFloor = mailbox.state.uidNext }
      try noteRemoved(blocks, from: before, mailbox, ref)
    } else {
      report.newUIDValidity += 1
      guard account.counters.lastUIDValidity < UInt32.max else {
        throw .database(message: "account \(account.id) has no more UIDVALIDITY values")
      }
      account.counters.lastUIDValidity = max(UInt32(clamping: now), account.counters.lastUIDValidity + 1)
      mailbox.state.uidValidity = account.counters.lastUIDValidity
      try noteRemoved([-1], from: nil, mailbox, ref)
    }
    mailbox.state.highestModSeq = account.counters.modSeq
    try write(mailbox, of: account)
  }

  private func markedUIDNext(_ ref: MailboxRef) throws(StoreError) -> UID? {
    guard let marks else { return nil }
    let row = try marks("SELECT uidnext FROM mailbox_mark WHERE account = ? AND mailbox = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    return try row.first { $0.uid(0) }
  }

  /// Where a message was taken away after the backup.
  private func removedBlocks(_ ref: MailboxRef) throws(StoreError) -> [Int64] {
    guard let marks else { return [] }
    var result: [Int64] = []
    let rows = try marks(
      "SELECT block FROM removed_mark WHERE account = ? AND mailbox = ? AND epoch > ? ORDER BY block")
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    rows.bind(3, epoch)
    try rows.forEach { result.append($0.int(0)) }
    return result
  }

  private mutating func renumber(
    _ blocks: [Int64], _ mailbox: MailboxBox, _ ref: MailboxRef
  ) throws(StoreError) {
    var uids: [UID] = []
    let find = try db("SELECT uid FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid")
    for block in blocks where block >= 0 {
      find.bind(1, ref.account.rawValue)
      find.bind(2, ref.mailbox.rawValue)
      find.bind(3, block << Int64(MarkLimits.blockBits))
      find.bind(4, (block + 1) << Int64(MarkLimits.blockBits) - 1)
      try find.forEach { uids.append($0.uid(0)) }
    }
    guard !uids.isEmpty else { return }
    guard Int64(mailbox.state.uidNext) + Int64(uids.count) < Int64(UID.max) else {
      throw .database(message: "mailbox \(mailbox.state.id) of account \(ref.account) has no more UIDs")
    }
    let move = try db("UPDATE message SET uid = ?4 WHERE account = ?1 AND mailbox = ?2 AND uid = ?3")
    for uid in uids {
      move.bind(1, ref.account.rawValue)
      move.bind(2, ref.mailbox.rawValue)
      move.bind(3, uid)
      move.bind(4, mailbox.state.uidNext)
      try move.run()
      mailbox.state.uidNext += 1
    }
    report.renumbered += uids.count
  }

  private func write(_ mailbox: MailboxBox, of account: AccountBox) throws(StoreError) {
    let state = mailbox.state
    try MailTables.update(state, account: account.id, db)
    let row = try db(
      """
      UPDATE mailbox SET uidvalidity = ?3, recent_floor = ?4, expunge_floor = ?5 WHERE account = ?1 AND id = ?2
      """)
    row.bind(1, account.id)
    row.bind(2, state.id)
    row.bind(3, state.uidValidity)
    row.bind(4, state.recentFloor)
    row.bind(5, state.highestModSeq)
    try row.run()
    let messages = try db("UPDATE message SET modseq = ?3 WHERE account = ?1 AND mailbox = ?2")
    messages.bind(1, account.id)
    messages.bind(2, state.id)
    messages.bind(3, state.highestModSeq)
    try messages.run()
  }

  // MARK: The volume

  private func liftVolume() throws(StoreError) {
    let keep = try db(
      """
      INSERT INTO volume_state (name, value) VALUES (?1, ?2)
      ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)
      """)
    let highest = try db("SELECT MAX(last_uidvalidity), MAX(account) FROM account_state")
    var (validity, account) = try highest.first { ($0.int(0), $0.int(1)) } ?? (0, 0)
    if let marks {
      let row = try marks("SELECT MAX(uidvalidity), MAX(account) FROM account_mark")
      if let (marked, number) = try row.first({ ($0.int(0), $0.int(1)) }) {
        validity = max(validity, marked)
        account = max(account, number)
      }
    } else {
      validity = max(validity, Int64(uidValidity))
    }
    for (name, value) in [("highest_uidvalidity", validity), ("highest_account", account)] {
      keep.bind(1, name)
      keep.bind(2, value)
      try keep.run()
    }
    // As after an orderly end; the packs hold what the rows know and nothing more.
    try db("UPDATE volume_state SET value = 0 WHERE name = 'is_open'").run()
  }

  // MARK: Marks

  /// What the restore itself takes from clients: messages that came after the backup, and those that were renumbered. A
  /// later restore of another generation must know.
  private func noteRemoved(
    _ blocks: [Int64], from first: UID?, _ mailbox: MailboxBox, _ ref: MailboxRef
  ) throws(StoreError) {
    guard let marks else { return }
    var all = Set(blocks)
    if let first {
      for block in Int64(first >> MarkLimits.blockBits)...Int64(mailbox.state.uidNext >> MarkLimits.blockBits) {
        all.insert(block)
      }
    }
    let row = try marks(
      """
      INSERT OR REPLACE INTO removed_mark (account, mailbox, block, epoch)
      VALUES (?, ?, ?, (SELECT value FROM mark_state WHERE name = 'epoch'))
      """)
    for block in all {
      row.bind(1, ref.account.rawValue)
      row.bind(2, ref.mailbox.rawValue)
      row.bind(3, block)
      try row.run()
    }
  }

  /// Mailboxes that the backup does not have are gone, as if they had been deleted.
  private func noteEnd(_ marks: SQLConnection) throws(StoreError) {
    var there: Set<MailboxRef> = []
    try db("SELECT account, id FROM mailbox WHERE name IS NOT NULL").forEach { row in
      there.insert(MailboxRef(account: AccountID(row.int(0)), mailbox: MailboxID(row.int(1))))
    }
    var gone: [MailboxRef] = []
    try marks("SELECT account, mailbox FROM mailbox_mark").forEach { row in
      let ref = MailboxRef(account: AccountID(row.int(0)), mailbox: MailboxID(row.int(1)))
      if !there.contains(ref) { gone.append(ref) }
    }
    let row = try marks(
      """
      INSERT OR REPLACE INTO removed_mark (account, mailbox, block, epoch)
      VALUES (?, ?, -1, (SELECT value FROM mark_state WHERE name = 'epoch'))
      """)
    for ref in gone {
      row.bind(1, ref.account.rawValue)
      row.bind(2, ref.mailbox.rawValue)
      try row.run()
    }
  }
}

extension AccountCounters {
  fileprivate mutating func rise(above ceilings: Ceilings) {
    modSeq = max(modSeq, ceilings.modSeq) + 1
    nextMailbox = max(nextMailbox, ceilings.nextMailbox)
    lastUIDValidity = max(lastUIDValidity, ceilings.uidValidity)
    nextContent = max(nextContent, ceilings.nextContent)
    nextInstance = max(nextInstance, ceilings.nextInstance)
  }

  /// Without marks the clock decides: numbers begin where no store that was restored at an earlier second can have come
  /// to, however often the same backup was restored (a POP3 client must not see a UIDL for another message).
  fileprivate mutating func leap(_ now: Int64, above uidValidity: UInt32) {
    let now = max(now, 0)
    modSeq = max(modSeq + 1, ModSeq(now) << 20)
    nextMailbox = max(nextMailbox, now << 8)
    // Content numbers have 36 bits: 64 a second since 2020.
    nextContent = max(nextContent, max(0, now - 1_577_836_800) << 6)
    nextInstance = max(nextInstance, now << 20)
    if lastUIDValidity < uidValidity {
      lastUIDValidity = uidValidity
    } else {
      // An import brought one from far ahead of the clock. Near the end the few that are left must do.
      let (sum, isOver) = lastUIDValidity.addingReportingOverflow(UInt32.random(in: 1...MarkLimits.uidValidityScatter))
      if !isOver { lastUIDValidity = sum }
    }
  }
}
