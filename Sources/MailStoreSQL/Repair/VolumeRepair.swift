import BlobStore
import MailFormat
import MailStore
import NIOCore

/// Mends the rows of a volume's database against the frames of its packs. It works on a copy that nobody else has open;
/// what it makes takes the place of the original only when all of it is done.
///
/// Principles: nothing is destroyed because a row is missing; a message comes back rather twice than not at all; and a
/// client is never told that a UID it knows is another message.
final class VolumeRepair {
  let db: SQLConnection
  let packs: PackStore
  let catalog: FrameCatalog
  /// What was saved of a damaged database; nil: it could be read whole.
  let harvested: Harvested?
  /// Nothing at all is left of the database.
  let isLost: Bool
  let options: RepairOptions
  let ceilings: UIDCeilings
  let now: Int64
  /// Names of the accounts in the directory.
  let names: [Int64: String]
  let progress: (RepairProgress) -> Void

  var report = RepairReport()
  var news: [Int64: RepairReport.AccountNews] = [:]
  var scratch = BlobScratch()
  var nextBlob: Int64 = 1
  var nextContent: [Int64: Int64] = [:]
  var nextInstance: [Int64: Int64] = [:]
  var nextUID: [MailboxRef: UID] = [:]
  var modSeqs: [Int64: ModSeq] = [:]
  var lastUIDValidity: [Int64: UInt32] = [:]
  /// Accounts that were removed, and whose mail only waits for the reaper.
  var removed: Set<Int64> = []
  /// Mailboxes whose UIDs clients must not rely on any more.
  var renewed: Set<MailboxRef> = []
  /// Mailboxes whose UIDVALIDITY is new already.
  var fresh: Set<MailboxRef> = []
  /// Mailboxes that gained or lost messages.
  var touched: Set<MailboxRef> = []
  /// Contents whose chunk was damaged or gone, so that nothing is kept of them.
  var lostContents: Set<Int64> = []
  /// Those of them whose trace was not damaged.
  var keptTraces: Set<Int64> = []
  private var counts: [(sentence: String, count: Int)] = []

  init(
    db: SQLConnection, packs: PackStore, catalog: FrameCatalog, harvested: Harvested?, isLost: Bool,
    options: RepairOptions, ceilings: UIDCeilings, names: [Int64: String], now: Int64,
    progress: @escaping (RepairProgress) -> Void
  ) {
    self.db = db
    self.packs = packs
    self.catalog = catalog
    self.harvested = harvested
    self.isLost = isLost
    self.options = options
    self.ceilings = ceilings
    self.names = names
    self.now = now
    self.progress = progress
  }

  /// Mail whose content, row and place are all gone can only be found by its frames, and so can mail that was expunged
  /// long ago: only then are frames that no row knows taken for messages.
  var mayHaveLostFrames: Bool {
    guard let harvested else { return isLost }
    // Contents of which nothing is kept find no frame of their own.
    let hasContents = harvested.isComplete("content") && harvested.isComplete("content_chunk")
    return isLost || !hasContents && !["message", "blob"].contains { harvested.isComplete($0) }
  }

  /// A pack that cannot be read may hold what seems to be lost: then nothing is given up.
  var mayGiveUp: Bool { catalog.unreadable.isEmpty }

  func run() throws(StoreError) {
    try inTransaction { () throws(StoreError) in
      let losses = try FlagSealing.unseal(db)
      try unsealContents()
      try removeImpossibleRows()
      try mendAccounts()
      try mendMailboxes()
      try judgeNumbers()
      try renewFlags(losses)
    }
    try catalog.noteReferences()
    try inTransaction { () throws(StoreError) in
      let waiting = try mendPlaces()
      try findBlobsOfContents()
      try mendLater(waiting)
      try restoreTraces()
    }
    try compareContents()
    try inTransaction { () throws(StoreError) in
      try findContentsOfMessages()
      try placeUnreferencedContents()
      try placeUnusedBlobs()
    }
    if mayHaveLostFrames { try placeLostFrames() }
    try inTransaction { () throws(StoreError) in
      try placeStrays()
      try mendMessageRows()
      try mendNames()
      try mendSharing()
      try mendHeads()
      try mendNumbers()
      try mendCounters()
    }
    // In a database made anew every counter is new; what is worth telling is what came back.
    let told = counts.filter { !isLost || ["messages", "mailboxes", "frames"].contains(where: $0.sentence.contains) }
    for (sentence, count) in told where !(isLost && sentence.hasPrefix("counters")) {
      report.actions.append("\(sentence): \(count)")
    }
    report.accounts = news.sorted { $0.key < $1.key }.map(\.value)
  }

  // MARK: Telling

  /// Counts what was done under one sentence.
  func did(_ sentence: String, _ count: Int = 1) {
    guard count > 0 else { return }
    if let index = counts.firstIndex(where: { $0.sentence == sentence }) {
      counts[index].count += count
    } else {
      counts.append((sentence, count))
    }
  }

  /// Runs a statement that mends the rows its WHERE finds.
  func mend(_ sentence: String, _ sql: StaticString) throws(StoreError) {
    try db(sql).run()
    did(sentence, db.changes)
  }

  func name(_ account: Int64) -> String {
    names[account] ?? ((try? catalog.accountName(account)) ?? nil) ?? "account \(account)"
  }

  func tell(_ account: Int64, _ change: (inout RepairReport.AccountNews) -> Void) {
    change(&news[account, default: RepairReport.AccountNews(name: name(account))])
  }

  func nameDamage(_ sentence: String) {
    if report.damaged.count < StoreLimits.namedProblems { report.damaged.append(sentence) }
  }

  func inTransaction(_ body: () throws(StoreError) -> Void) throws(StoreError) {
    try db("BEGIN").run()
    do throws(StoreError) { try body() } catch {
      if db.isInTransaction { try? db("ROLLBACK").run() }
      throw error
    }
    try db("COMMIT").run()
  }

  /// Rows of a query, read before anything is changed.
  func all<Value>(
    _ statement: SQLStatement, _ body: (SQLStatement) -> Value
  ) throws(StoreError) -> [Value] {
    var result: [Value] = []
    try statement.forEach { result.append(body($0)) }
    return result
  }

  // MARK: Numbers

  /// The MODSEQ of everything that this repair changes in the account.
  func modSeq(_ account: Int64) throws(StoreError) -> ModSeq {
    if let known = modSeqs[account] { return known }
    let row = try db(
      """
      SELECT MAX(COALESCE((SELECT modseq FROM account_state WHERE account = ?1), 0),
        COALESCE((SELECT MAX(highestmodseq) FROM mailbox WHERE account = ?1), 0),
        COALESCE((SELECT MAX(modseq) FROM message WHERE account = ?1), 0),
        COALESCE((SELECT MAX(modseq) FROM viewer WHERE account = ?1), 0),
        COALESCE((SELECT MAX(modseq) FROM expunged WHERE account = ?1), 0))
      """)
    row.bind(1, account)
    // RFC 7162 §3.1.1: 63 bits; a value beyond the middle of them is damage (see `removeImpossibleRows`).
    let value = ModSeq(max(try row.first { $0.int(0) } ?? 0, 0)) + 1
    modSeqs[account] = value
    return value
  }

  func freshUIDValidity(_ account: Int64) throws(StoreError) -> UInt32 {
    let last: UInt32
    if let known = lastUIDValidity[account] {
      last = known
    } else {
      let row = try db(
        """
        SELECT MAX(COALESCE((SELECT last_uidvalidity FROM account_state WHERE account = ?1), 0),
          COALESCE((SELECT MAX(uidvalidity) FROM mailbox WHERE account = ?1), 0),
          COALESCE((SELECT MAX(uidvalidity) FROM scan.owner WHERE account = ?1), 0))
        """)
      row.bind(1, account)
      last = UInt32(clamping: try row.first { $0.int(0) } ?? 0)
    }
    let clock = UInt32(clamping: now)
    // Values beyond the clock by more than an import may bring are damage.
    let value = last > StoreLimits.importedUIDValidity ? clock : max(clock, last + 1)
    lastUIDValidity[account] = value
    return value
  }

  func takeContent(_ account: Int64) throws(StoreError) -> Int64 {
    if let next = nextContent[account] {
      nextContent[account] = next + 1
      return next
    }
    let row = try db(
      """
      SELECT MAX(COALESCE((SELECT next_content FROM account_state WHERE account = ?1), 1),
        1 + COALESCE((SELECT MAX(key) FROM content WHERE key >= ?2 AND key < ?3), ?2) - ?2,
        1 + COALESCE((SELECT MAX(content) FROM message WHERE account = ?1), 0))
      """)
    row.bind(1, account)
    row.bind(2, ContentKey.base(account))
    row.bind(3, ContentKey.base(account + 1))
    let value = try row.first { $0.int(0) } ?? 1
    nextContent[account] = value + 1
    return value
  }

  func takeInstance(_ account: Int64) throws(StoreError) -> Int64 {
    if let next = nextInstance[account] {
      nextInstance[account] = next + 1
      return next
    }
    let row = try db(
      """
      SELECT MAX(COALESCE((SELECT next_instance FROM account_state WHERE account = ?1), 1),
        1 + COALESCE((SELECT MAX(instance) FROM message WHERE account = ?1), 0),
        1 + COALESCE((SELECT MAX(instance) FROM expunged WHERE account = ?1), 0))
      """)
    row.bind(1, account)
    let value = try row.first { $0.int(0) } ?? 1
    nextInstance[account] = value + 1
    return value
  }

  /// A UID that the mailbox has never given out, as far as the rows know.
  func takeUID(_ ref: MailboxRef) throws(StoreError) -> UID {
    if let next = nextUID[ref] {
      nextUID[ref] = next + 1
      return next
    }
    let row = try db(
      """
      SELECT MAX(COALESCE((SELECT uidnext FROM mailbox WHERE account = ?1 AND id = ?2), 1),
        1 + COALESCE((SELECT MAX(uid) FROM message WHERE account = ?1 AND mailbox = ?2), 0),
        1 + COALESCE((SELECT MAX(uid) FROM expunged WHERE account = ?1 AND mailbox = ?2), 0))
      """)
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    let value = UID(clamping: try row.first { $0.int(0) } ?? 1)
    guard value < UID.max - 1 else {
      throw .database(message: "mailbox \(ref.mailbox) of account \(ref.account) has no more UIDs")
    }
    nextUID[ref] = value + 1
    return value
  }
}
