import BlobStore
import MailStore

/// Verifies every invariant and checksum, in one read transaction, so that it may run while mail comes in. Writes
/// nothing.
struct Checker {
  let db: SQLConnection
  let packs: PackStore
  let accounts: Set<Int64>
  let names: [Int64: String]
  let isStopping: @Sendable () -> Bool
  var report = CheckReport()
  /// A damaged store could name a million things; the first ones are enough to act on.
  private static let problemLimit = StoreLimits.namedProblems

  /// `db` is in a read transaction; `accounts` are those of the directory at its beginning. `isStopping` is asked before
  /// every query and every pack.
  init(
    db: SQLConnection, packs: PackStore, accounts: [Account], isStopping: @escaping @Sendable () -> Bool
  ) {
    self.db = db
    self.packs = packs
    self.accounts = Set(accounts.map(\.id.rawValue))
    names = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id.rawValue, $0.name) })
    self.isStopping = isStopping
  }

  func run() throws(StoreError) -> CheckReport {
    var checker = self
    try checker.survive { (checker) throws(StoreError) in try checker.checkDatabase() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkAccounts() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkMailboxes() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkMessages() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkSharing() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkReferences() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkNumbers() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkPacks() }
    try checker.survive { (checker) throws(StoreError) in try checker.checkContents() }
    try checker.survive { (checker) throws(StoreError) in try checker.nameKnownDamage() }
    return checker.report
  }

  /// A damaged page ends the query that meets it, not the report.
  private mutating func survive(_ body: (inout Checker) throws(StoreError) -> Void) throws(StoreError) {
    if isStopping() { throw .shuttingDown }
    do throws(StoreError) { try body(&self) } catch {
      guard case .corrupt(let what) = error else { throw error }
      note("mail.sqlite: \(what)")
    }
  }

  mutating func note(_ problem: String) {
    if report.problems.count < Self.problemLimit { report.problems.append(problem) }
  }

  /// One problem for each row of a query that finds what must not be.
  mutating func each(
    _ sql: StaticString, _ text: (SQLStatement) -> String
  ) throws(StoreError) {
    var found: [String] = []
    try survive { (checker) throws(StoreError) in
      let rows = try checker.db(sql)
      defer { rows.reset() }
      while found.count < Self.problemLimit, try rows.step() { found.append(text(rows)) }
    }
    for problem in found { note(problem) }
  }

  // MARK: Database

  private mutating func checkDatabase() throws(StoreError) {
    try each("PRAGMA integrity_check(100)") { $0.text(0) }
    report.problems.removeAll { $0 == "ok" }
    for index in report.problems.indices { report.problems[index] = "mail.sqlite: \(report.problems[index])" }
  }

  private mutating func checkAccounts() throws(StoreError) {
    var known: Set<Int64> = []
    let rows = try db("SELECT account FROM account_state WHERE state <> 1")
    try rows.forEach { known.insert($0.int(0)) }
    report.accounts = known.count
    for id in known.subtracting(accounts).sorted() { note("account \(id): it has mail, and is not in the directory") }
    for id in accounts.subtracting(known).sorted() {
      note("account \(id): it is in the directory, and has no mailboxes")
    }
    try each(
      """
      SELECT s.account, s.bytes, COALESCE(SUM(m.bytes), 0), s.messages, COALESCE(SUM(m.messages), 0)
      FROM account_state s LEFT JOIN mailbox m ON m.account = s.account AND m.name IS NOT NULL
      WHERE s.state <> 1 GROUP BY s.account
      HAVING s.bytes <> COALESCE(SUM(m.bytes), 0) OR s.messages <> COALESCE(SUM(m.messages), 0)
      """
    ) {
      """
      account \($0.int(0)): its quota counts \($0.int(1)) octets in \($0.int(3)) messages, its mailboxes \($0.int(2)) \
      octets in \($0.int(4))
      """
    }
    try each(
      """
      SELECT s.account FROM account_state s
      WHERE s.state <> 1 AND NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.account = s.account AND m.name = 'INBOX')
      """
    ) { "account \($0.int(0)): it has no INBOX" }
    try each(
      """
      SELECT s.account, m.id FROM account_state s JOIN mailbox m ON m.account = s.account
      WHERE m.id >= s.next_mailbox OR m.uidvalidity > s.last_uidvalidity
      """
    ) { "account \($0.int(0)): mailbox \($0.int(1)) has a number or UIDVALIDITY that was never given out" }
    try each(
      """
      SELECT s.account, MAX(c.key) FROM account_state s
      JOIN content c ON c.key >= (s.account << 36) AND c.key < ((s.account + 1) << 36)
      GROUP BY s.account HAVING MAX(c.key) - (s.account << 36) >= s.next_content
      """
    ) { "account \($0.int(0)): a content has a number that was never given out" }
  }

  private mutating func checkMailboxes() throws(StoreError) {
    let count = try db("SELECT COUNT(*) FROM mailbox WHERE name IS NOT NULL")
    report.mailboxes = Int(try count.first { $0.int(0) } ?? 0)
    try checkEntries()
    try each(
      """
      SELECT b.account, b.id, MAX(e.uid), MAX(e.modseq)
      FROM mailbox b JOIN expunged e ON e.account = b.account AND e.mailbox = b.id
      WHERE b.name IS NOT NULL GROUP BY b.account, b.id
      HAVING MAX(e.uid) >= b.uidnext OR MAX(e.modseq) > b.highestmodseq
      """
    ) {
      """
      account \($0.int(0)), mailbox \($0.int(1)): the expunge log has UID \($0.int(2)) and MODSEQ \($0.int(3)), beyond \
      those of the mailbox
      """
    }
    try each(
      """
      SELECT b.account, b.id, s.modseq FROM mailbox b JOIN account_state s ON s.account = b.account
      WHERE b.highestmodseq > s.modseq
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)): HIGHESTMODSEQ is beyond the account's \($0.int(2))" }
    try each(
      """
      SELECT b.account, b.id, b.name FROM mailbox b WHERE b.name LIKE '%/%' AND NOT EXISTS (
        SELECT 1 FROM mailbox p WHERE p.account = b.account AND p.name IS NOT NULL
          AND p.name = rtrim(rtrim(b.name, replace(b.name, '/', '')), '/'))
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)) (\($0.text(2))): the name above it is missing" }
  }

  // MARK: Messages and contents

  private mutating func checkMessages() throws(StoreError) {
    let count = try db(
      """
      SELECT COUNT(*) FROM message m JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox
      WHERE b.name IS NOT NULL
      """)
    report.messages = Int(try count.first { $0.int(0) } ?? 0)
    try each(
      """
      SELECT m.account, m.mailbox, COUNT(*) FROM message m
      WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account = m.account AND b.id = m.mailbox)
      GROUP BY m.account, m.mailbox
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)): \($0.int(2)) messages, and no such mailbox" }
    try each(
      """
      SELECT m.account, m.mailbox, m.uid, m.content FROM message m
      LEFT JOIN content c ON c.key = (m.account << 36) + m.content WHERE c.key IS NULL
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)), UID \($0.int(2)): its content \($0.int(3)) is missing" }
    try each(
      """
      SELECT m.account, m.mailbox, m.uid, m.size, c.size + COALESCE(c.trace_size, LENGTH(c.trace), 0) FROM message m
      JOIN content c ON c.key = (m.account << 36) + m.content
      WHERE m.size <> c.size + COALESCE(c.trace_size, LENGTH(c.trace), 0)
      """
    ) {
      "account \($0.int(0)), mailbox \($0.int(1)), UID \($0.int(2)): its size is \($0.int(3)), its content's \($0.int(4))"
    }
    try each(
      """
      SELECT e.account, e.mailbox, e.uid FROM expunged e
      JOIN message m ON m.account = e.account AND m.mailbox = e.mailbox AND m.uid = e.uid
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)), UID \($0.int(2)): it is there, and in the expunge log" }
    try each(
      """
      SELECT m.account, m.instance, COUNT(*) FROM message m
      JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox AND b.name IS NOT NULL
      GROUP BY m.account, COALESCE(m.uidl, m.instance) HAVING COUNT(*) > 1
      """
    ) { "account \($0.int(0)): \($0.int(2)) messages share a UIDL (instance \($0.int(1)))" }
    try each(
      """
      SELECT f.account, f.mailbox, COUNT(*) FROM flag_chunk f
      WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account = f.account AND b.id = f.mailbox)
      GROUP BY f.account, f.mailbox
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)): \($0.int(2)) chunks of flags, and no such mailbox" }
  }

  private mutating func checkReferences() throws(StoreError) {
    // References by rows, against what is counted: `content_extra` counts those beyond the first.
    try each(
      """
      WITH used (key, refs) AS (
        SELECT key, COUNT(*) FROM (
          SELECT (account << 36) + content AS key FROM message
          UNION ALL SELECT (account << 36) + content FROM expunged WHERE content IS NOT NULL)
        GROUP BY key)
      SELECT c.key >> 36, c.key & 68719476735, COALESCE(x.refs, 0) + 1, COALESCE(u.refs, 0)
      FROM content c LEFT JOIN used u ON u.key = c.key LEFT JOIN content_extra x ON x.key = c.key
      WHERE COALESCE(x.refs, 0) + 1 <> COALESCE(u.refs, 0)
      """
    ) {
      """
      account \($0.int(0)), content \($0.int(1)): it counts \($0.int(2)) references, \($0.int(3)) messages refer to it
      """
    }
    try each("SELECT x.key FROM content_extra x LEFT JOIN content c ON c.key = x.key WHERE c.key IS NULL") {
      """
      account \(ContentKey.account($0.int(0))), content \(ContentKey.content($0.int(0))): references are counted, and it \
      is missing
      """
    }
    try each(
      """
      SELECT c.key FROM content c LEFT JOIN blob b ON b.id = c.blob WHERE b.id IS NULL OR b.size <> c.size
      """
    ) {
      """
      account \(ContentKey.account($0.int(0))), content \(ContentKey.content($0.int(0))): its blob is missing or of \
      another size
      """
    }
    try each(
      """
      WITH used (blob, refs) AS (SELECT blob, COUNT(*) FROM content GROUP BY blob)
      SELECT b.id, b.refs, COALESCE(u.refs, 0) FROM blob b LEFT JOIN used u ON u.blob = b.id
      WHERE b.refs <> COALESCE(u.refs, 0)
      """
    ) { "blob \($0.int(0)): it counts \($0.int(1)) references, \($0.int(2)) contents refer to it" }
    try each(
      """
      WITH used (pack, frames, bytes) AS (SELECT pack, COUNT(*), SUM(frame) FROM blob GROUP BY pack)
      SELECT p.id, p.live_frames, p.live_bytes, COALESCE(u.frames, 0), COALESCE(u.bytes, 0)
      FROM pack p LEFT JOIN used u ON u.pack = p.id
      WHERE p.live_frames <> COALESCE(u.frames, 0) OR p.live_bytes <> COALESCE(u.bytes, 0)
      UNION ALL SELECT u.pack, 0, 0, u.frames, u.bytes FROM used u WHERE u.pack NOT IN (SELECT id FROM pack)
      """
    ) {
      """
      pack \($0.int(0)): it counts \($0.int(1)) frames in use with \($0.int(2)) octets; blobs use \($0.int(3)) with \
      \($0.int(4))
      """
    }
  }

  // MARK: Packs

  private mutating func checkPacks() throws(StoreError) {
    // Taken after the transaction has begun: whatever its rows name is there, since nothing is compacted meanwhile.
    let all = packs.packs()
    report.packs = all.count
    var numbers: [Int64] = []
    let rows = try db("SELECT DISTINCT pack FROM blob ORDER BY pack")
    try rows.forEach { numbers.append($0.int(0)) }
    for number in numbers where !all.contains(where: { $0.number == number }) {
      if try isKnownDamage(number) { continue }
      note("pack \(number): the file is missing, and blobs refer to it")
    }
    for pack in all { try survive { (checker) throws(StoreError) in try checker.checkPack(pack) } }
    // What a crash leaves is kept as well, and nothing to worry about.
    try each("SELECT pack, offset, bytes, frames FROM stray WHERE alarming ORDER BY pack, offset") {
      """
      pack \($0.int(0)) at \($0.int(1)): \($0.int(3)) messages in \($0.int(2)) octets are known to no row and are kept: \
      mail.sqlite is older than its packs, or has lost its -wal file
      """
    }
  }

  /// Every frame is read and verified, and every blob of the pack must be one of them.
  private mutating func checkPack(_ pack: PackInfo) throws(StoreError) {
    var expected: [(id: Int64, location: BlobLocation)] = []
    let rows = try db("SELECT id, offset, frame, size FROM blob WHERE pack = ? ORDER BY offset")
    rows.bind(1, pack.number)
    try rows.forEach { row in
      let location = BlobLocation(pack: pack.number, offset: row.int(1), frameLength: row.int(2), rawSize: row.int(3))
      expected.append((row.int(0), location))
    }
    // What is marked is no news: `nameKnownDamage` tells whom it concerns.
    let marked = try marks(pack.number)
    expected.removeAll { marked.contains($0.location.offset) }
    var next = 0
    var problems: [String] = []
    var bytes: Int64 = 0
    let result: ScanResult
    do {
      result = try packs.scan(pack.number, verify: true) { frame in
        while next < expected.count, expected[next].location.offset < frame.location.offset {
          problems.append(Self.missing(expected[next], pack.number))
          next += 1
        }
        // A frame that no row refers to is dead space, or of a commit after this transaction.
        guard next < expected.count, expected[next].location.offset == frame.location.offset else { return }
        bytes += frame.location.rawSize
        if expected[next].location != frame.location { problems.append(Self.missing(expected[next], pack.number)) }
        if frame.owners.isEmpty || frame.owners.contains(where: { $0.account < 1 || $0.mailbox < 1 || $0.uid < 1 }) {
          problems.append("pack \(pack.number) at \(frame.location.offset): the frame does not say whose it is")
        }
        next += 1
      }
    } catch {
      note("pack \(pack.number): \(error)")
      return
    }
    while next < expected.count {
      problems.append(Self.missing(expected[next], pack.number))
      next += 1
    }
    if result.lacksDictionary, !expected.isEmpty {
      problems.append("pack \(pack.number): a copy of its dictionary is damaged")
    }
    for problem in problems { note(problem) }
    // Damage in dead space harms nobody, but says something about the disk; except where a crash has left what it cut
    // short, and where it is known already.
    let cut = try leftByCrash(pack.number)
    for damaged in result.damaged
    where !marked.contains(damaged.frame.location.offset)
      && !cut.contains(where: { $0.contains(damaged.frame.location.offset) })
    {
      note("pack \(pack.number): \(damaged.what)")
    }
    report.blobs += expected.count
    report.blobBytes += bytes
  }

  /// Where the pack has what a crash explains (see `StrayFrames`).
  private func leftByCrash(_ pack: Int64) throws(StoreError) -> [Range<Int64>] {
    var ranges: [Range<Int64>] = []
    let rows = try db("SELECT offset, bytes FROM stray WHERE pack = ? AND NOT alarming")
    rows.bind(1, pack)
    try rows.forEach { ranges.append($0.int(0)..<$0.int(0) + max($0.int(1), 0)) }
    return ranges
  }

  private static func missing(_ blob: (id: Int64, location: BlobLocation), _ pack: Int64) -> String {
    "pack \(pack) at \(blob.location.offset): the frame of blob \(blob.id) is missing or damaged"
  }
}
