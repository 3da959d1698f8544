import BlobStore
import MailFormat
public import MailStore
import NIOCore
import Synchronization

extension SQLStore: RepairableStore {
  public func repairOnline(_ options: RepairOptions) async throws(StoreError) -> RepairReport {
    var report = try await upkeep.run { upkeep throws(StoreError) in
      var repair = OnlineRepair(upkeep: upkeep, options: options)
      try repair.run()
      return repair.report
    }
    if options.dryRun {
      report.remaining += try await check().problems
    } else {
      for problem in try await check().problems { report.remaining.append(RepairKinds.onlineAdvice(for: problem)) }
    }
    report.isDryRun = options.dryRun
    return report
  }

  public func scrubStatus() async throws(StoreError) -> ScrubStatus {
    try checkOpen()
    var status = scrubber.status()
    status.searchIndex = searchIndexStatus()
    status.damaged = try await upkeep.run { upkeep throws(StoreError) in try OnlineRepair.damagedMessages(upkeep) }
    return status
  }
}

/// What can be mended under a running store: damaged frames are found, marked, and mended from another copy; messages of
/// frames that no row knows come back. Rows and counters are in the memory of the writer and of sessions, so those wait
/// until the store is closed.
struct OnlineRepair {
  let upkeep: Upkeep
  let options: RepairOptions
  private(set) var report = RepairReport()

  init(upkeep: Upkeep, options: RepairOptions) {
    self.upkeep = upkeep
    self.options = options
  }

  mutating func run() throws(StoreError) {
    upkeep.noteReportedDamage()
    var marked = 0
    for pack in upkeep.packs.packs() {
      if upkeep.isStopping { throw .shuttingDown }
      marked += try verify(pack.number)
    }
    marked += try markMissing()
    if marked > 0 { report.actions.append("damaged frames marked: \(marked)") }
    try mendMarked()
    // Packs with strays are not written anew.
    try placeStrays()
    try mendHeads()
    report.damaged = try Self.damagedMessages(upkeep)
  }

  // MARK: Damage

  private func verify(_ pack: Int64) throws(StoreError) -> Int {
    guard !options.dryRun else { return 0 }
    var offset: Int64? = 0
    var found = 0
    while let start = offset {
      if upkeep.isStopping { throw .shuttingDown }
      let step: ScrubStep
      do throws(BlobError) {
        step = try upkeep.packs.scrub(pack, from: start, bytes: 8 << 20) { _ in }
      } catch {
        // Removed meanwhile, or not readable: the check that follows names it.
        return found
      }
      if step.lacksDictionary { upkeep.noteDamagedHead(pack) }
      for finding in step.findings {
        let range = finding.offset..<finding.offset + finding.bytes
        found += try upkeep.noteDamage(pack, range, "found by a repair").count
        if finding.isFrame { found += try upkeep.noteDeadDamage(pack, finding.offset) }
      }
      offset = step.next
    }
    return found
  }

  /// Blobs of packs that are gone, or that lie behind the end of theirs.
  private func markMissing() throws(StoreError) -> Int {
    guard !options.dryRun else { return 0 }
    let ends = Dictionary(uniqueKeysWithValues: upkeep.packs.packs().map { ($0.number, $0.bytes) })
    let used = try upkeep.reading { db throws(StoreError) in
      var used: [(pack: Int64, end: Int64)] = []
      try db("SELECT pack, MAX(offset + frame) FROM blob GROUP BY pack").forEach { used.append(($0.int(0), $0.int(1))) }
      return used
    }
    var found = 0
    for (pack, end) in used where ends[pack] ?? 0 < end {
      let from = ends[pack].map { max(0, $0 - (64 << 20)) } ?? 0
      found += try upkeep.noteDamage(pack, from..<end, "the pack is missing or cut off").count
    }
    return found
  }

  /// A sentence for each message that is marked.
  static func damagedMessages(_ upkeep: Upkeep) throws(StoreError) -> [String] {
    let blobs = try marked(upkeep)
    var result: [String] = []
    for blob in blobs where result.count < StoreLimits.namedProblems { result += try upkeep.messages(of: blob.id) }
    return result
  }

  private static func marked(_ upkeep: Upkeep) throws(StoreError) -> [Upkeep.PlacedBlob] {
    try upkeep.reading { db throws(StoreError) in
      var result: [Upkeep.PlacedBlob] = []
      let rows = try db(
        """
        SELECT b.id, b.pack, b.offset, b.frame, b.size FROM damaged d JOIN blob b ON b.pack = d.pack AND b.offset = d.offset
        ORDER BY b.pack, b.offset
        """)
      try rows.forEach { row in
        let location = BlobLocation(
          pack: row.int(1), offset: row.int(2), frameLength: row.int(3), rawSize: row.int(4))
        result.append(Upkeep.PlacedBlob(id: row.int(0), location: location))
      }
      return result
    }
  }

  private mutating func mendMarked() throws(StoreError) {
    guard !options.dryRun else { return }
    var mended = 0
    for blob in try Self.marked(upkeep) {
      if try isWhole(blob) {
        try upkeep.writer.writeBlocking { transaction throws(StoreError) in try transaction.unmark(blob.location) }
        report.actions.append("pack \(blob.location.pack) at \(blob.location.offset): whole again")
      } else if try mend(blob) {
        mended += 1
      } else if !options.salvage.isEmpty {
        let name = "blob-\(blob.id).eml"
        if let file = try Salvage.write(blob.location, upkeep.packs, to: options.salvage, name: name) {
          report.salvaged.append(file)
        }
      }
    }
    if mended > 0 { report.actions.append("damaged messages mended: \(mended)") }
  }

  private func isWhole(_ blob: Upkeep.PlacedBlob) throws(StoreError) -> Bool {
    var scratch = BlobScratch()
    return (try? upkeep.packs.read(blob.location, scratch: &scratch)) != nil
  }

  /// From its own chunks where only the header is damaged, or from another message of the same chunks.
  private func mend(_ blob: Upkeep.PlacedBlob) throws(StoreError) -> Bool {
    var bytes = ByteBuffer()
    let packs = upkeep.packs
    let isWhole = try? packs.salvage(blob.location) { piece in
      if case .bytes(let chunk) = piece, bytes.readableBytes < StoreLimits.mendedMessage {
        bytes.writeImmutableBuffer(chunk)
      }
    }
    if isWhole != true || Int64(bytes.readableBytes) != blob.location.rawSize {
      guard let other = try twin(of: blob) else { return false }
      bytes = other
    }
    let prepared = PreparedSQLMessage(
      size: bytes.readableBytes, blob: try blobCall { () throws(BlobError) in try packs.encode(bytes) },
      summary: MessageSummary.make(bytes.readableBytesSpan))
    return try upkeep.writer.writeBlocking { transaction throws(StoreError) in
      try transaction.replaceBlob(blob.id, at: blob.location, by: prepared)
    }
  }

  /// The bytes of another blob whose chunk table is the same.
  private func twin(of blob: Upkeep.PlacedBlob) throws(StoreError) -> ByteBuffer? {
    let places = try upkeep.reading { db throws(StoreError) in
      let rows = try db("SELECT pack, offset, frame, size FROM blob WHERE size = ? AND id <> ?")
      rows.bind(1, blob.location.rawSize)
      rows.bind(2, blob.id)
      var places: [BlobLocation] = []
      try rows.forEach {
        places.append(BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3)))
      }
      return places
    }
    var scratch = BlobScratch()
    for place in places where upkeep.packs.haveSameChunks(blob.location, place) {
      guard (try? upkeep.packs.read(place, scratch: &scratch)) != nil else { continue }
      return scratch.withBytes { span in span.withUnsafeBytes { ByteBuffer(bytes: $0) } }
    }
    return nil
  }

  /// Mail of packs whose dictionary has a damaged copy goes to others.
  private mutating func mendHeads() throws(StoreError) {
    guard !options.dryRun, upkeep.damagedHeads.withLock({ !$0.waiting.isEmpty }) else { return }
    var compaction = CompactionReport()
    do throws(StoreError) {
      try upkeep.rollActivePacks(from: .max)
      try upkeep.compactPacks(&compaction, all: false, onlyDamaged: true)
    } catch {
      // The check that follows names the packs; what else there is to say must not be lost for them.
      if error == .shuttingDown || upkeep.writer.hasFailed != nil || upkeep.packs.hasFailed { throw error }
      report.remaining.append("not all packs could be written anew: \(BackupRun.text(error))")
    }
    if compaction.rewrittenPacks > 0 { report.actions.append("packs written anew: \(compaction.rewrittenPacks)") }
  }

  // MARK: Strays

  private struct Stray: Sendable {
    var pack: Int64
    var range: Range<Int64>
    var isAlarming: Bool
  }

  private mutating func placeStrays() throws(StoreError) {
    let strays = try upkeep.reading { db throws(StoreError) in
      var strays: [Stray] = []
      try db("SELECT pack, offset, bytes, alarming FROM stray ORDER BY pack, offset").forEach {
        strays.append(Stray(pack: $0.int(0), range: $0.int(1)..<$0.int(1) + $0.int(2), isAlarming: $0.int(3) != 0))
      }
      return strays
    }
    guard !strays.isEmpty else { return }
    guard !strays.contains(where: \.isAlarming) else {
      report.remaining.append(
        "messages in packs are known to no row because mail.sqlite is older than its packs: clients must load mailboxes "
          + "anew; stop the server first, then run this again")
      return
    }
    if options.dryRun {
      report.actions.append("strays would be brought back or released: \(strays.count) ranges of packs")
      return
    }
    var counts = (recovered: 0, released: 0)
    for stray in strays {
      if upkeep.isStopping { throw .shuttingDown }
      var frames: [FrameInfo] = []
      _ = try blobCall { () throws(BlobError) in
        try upkeep.packs.scan(stray.pack, verify: true) {
          if stray.range.contains($0.location.offset) { frames.append($0) }
        }
      }
      for frame in frames {
        for owner in frame.owners {
          if try place(frame.location, owner) { counts.recovered += 1 } else { counts.released += 1 }
        }
      }
      try upkeep.writer.writeBlocking { transaction throws(StoreError) in
        transaction.hasWritten = true
        let row = try transaction.db("DELETE FROM stray WHERE pack = ? AND offset = ?")
        row.bind(1, stray.pack)
        row.bind(2, stray.range.lowerBound)
        try row.run()
      }
    }
    if counts.recovered > 0 {
      report.actions.append("messages brought back to the mailbox Recovered: \(counts.recovered)")
    }
    if counts.released > 0 {
      report.actions.append("stray frames released: the account has the same message: \(counts.released)")
    }
  }

  /// False: the account has the message, or there is no such account.
  private func place(_ location: BlobLocation, _ owner: FrameOwner) throws(StoreError) -> Bool {
    guard upkeep.writer.directory.account(owner.account) != nil else { return false }
    var scratch = BlobScratch()
    let packs = upkeep.packs
    guard (try? packs.read(location, scratch: &scratch)) != nil else { return false }
    let hash = scratch.withBytes { VolumeRepair.hash($0) }
    let columns = scratch.withBytes { ContentColumns(MessageSummary.make($0)) }
    let places = try upkeep.reading { db throws(StoreError) in
      let rows = try db(
        """
        SELECT b.pack, b.offset, b.frame, b.size FROM content c JOIN blob b ON b.id = c.blob
        WHERE c.key >= ? AND c.key < ? AND c.size = ?
        """)
      rows.bind(1, ContentKey.base(owner.account))
      rows.bind(2, ContentKey.base(owner.account + 1))
      rows.bind(3, location.rawSize)
      var places: [BlobLocation] = []
      try rows.forEach {
        places.append(BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3)))
      }
      return places
    }
    for place in places where (try? packs.read(place, scratch: &scratch)) != nil {
      if scratch.withBytes({ VolumeRepair.hash($0) }) == hash { return false }
    }
    return try upkeep.writer.writeBlocking { transaction throws(StoreError) in
      try transaction.adopt(frame: location, columns, of: owner)
    }
  }
}

extension Transaction {
  fileprivate func unmark(_ location: BlobLocation) throws(StoreError) {
    hasWritten = true
    let row = try db("DELETE FROM damaged WHERE pack = ? AND offset = ?")
    row.bind(1, location.pack)
    row.bind(2, location.offset)
    try row.run()
  }

  /// The contents of a damaged blob refer to a new one with the same bytes. False: it was moved or let go meanwhile.
  fileprivate func replaceBlob(
    _ old: Int64, at location: BlobLocation, by message: PreparedSQLMessage
  ) throws(StoreError) -> Bool {
    let still = try db("SELECT 1 FROM blob WHERE id = ? AND pack = ? AND offset = ?")
    still.bind(1, old)
    still.bind(2, location.pack)
    still.bind(3, location.offset)
    guard try still.first({ _ in true }) == true else { return false }
    let rows = try db(
      """
      SELECT c.key, m.mailbox, b.name, m.uid, b.uidvalidity, m.internal, m.zone, c.trace, c.chunk,
        c.trace_size FROM content c
      LEFT JOIN message m ON m.account = c.key >> 36 AND m.content = c.key & 68719476735
      LEFT JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox AND b.name IS NOT NULL
      WHERE c.blob = ? GROUP BY c.key
      """)
    rows.bind(1, old)
    var owners: [FrameOwner] = []
    let chunks = ContentChunks(db)
    try rows.forEach { row throws(StoreError) in
      let account = ContentKey.account(row.int(0))
      var trace = row.buffer(7)
      if let chunk = row.optionalInt(8) {
        if try chunks.find(row.int(0), in: chunk, ContentParts(.trace)) {
          trace = chunks.buffer(.trace)
        } else if row.int(9) > 0 {
          throw .corrupt(what: SQLMessageRow.damagedChunk(row.int(0)))
        }
      }
      // A message that is expunged and kept has no mailbox any more; the frame then names none.
      owners.append(
        FrameOwner(
          account: account, accountName: directory.account(account)?.name ?? "", mailbox: max(row.int(1), 1),
          mailboxName: row.text(2), uid: max(row.uid(3), 1), uidValidity: UInt32(truncatingIfNeeded: row.int(4)),
          internalSeconds: row.int(5), zoneMinutes: Int16(truncatingIfNeeded: row.int(6)), trace: trace))
    }
    guard !owners.isEmpty else { return false }
    let id = addBlob(message.blob, owners: owners)
    let move = try db("UPDATE content SET blob = ?2 WHERE blob = ?1")
    move.bind(1, old)
    move.bind(2, id)
    try move.run()
    let gone = try db("DELETE FROM blob WHERE id = ?")
    gone.bind(1, old)
    try gone.run()
    countPack(location.pack, frames: -1, bytes: -location.frameLength)
    return true
  }

  /// A frame that lies in a pack already becomes a message of the mailbox Recovered.
  fileprivate func adopt(
    frame location: BlobLocation, _ columns: ContentColumns, of owner: FrameOwner
  ) throws(StoreError) -> Bool {
    let account = try account(AccountID(owner.account))
    let mailbox: MailboxBox
    if let known = account.mailbox(named: "Recovered"), known.state.isSelectable {
      mailbox = known
    } else {
      reshape(account)
      let info = try createMailbox("Recovered", of: account, specialUse: nil)
      try setSubscribed(true, info.name, of: account)
      guard let made = account.mailbox(named: info.name) else { throw .noSuchMailbox(info.name) }
      mailbox = made
    }
    let size = location.rawSize + Int64(owner.trace.readableBytes)
    try charge(account, bytes: size, messages: 1, ignoringLimits: true)
    let find = try db("SELECT id FROM blob WHERE pack = ? AND offset = ?")
    find.bind(1, location.pack)
    find.bind(2, location.offset)
    let blob: Int64
    if let known = try find.first({ $0.int(0) }) {
      blob = known
      let row = try db("UPDATE blob SET refs = refs + 1 WHERE id = ?")
      row.bind(1, blob)
      try row.run()
    } else {
      blob = nextBlob
      nextBlob += 1
      let row = try db("INSERT INTO blob (id, pack, offset, frame, size, refs) VALUES (?, ?, ?, ?, ?, 1)")
      row.bind(1, blob)
      row.bind(2, location.pack)
      row.bind(3, location.offset)
      row.bind(4, location.frameLength)
      row.bind(5, location.rawSize)
      try row.run()
      countPack(location.pack, frames: 1, bytes: location.frameLength)
      try coverBlobNumbers()
    }
    touch(account)
    let content = account.counters.nextContent
    account.counters.nextContent += 1
    let thread = try ContentRow.thread(of: columns.identifiers, content: content, account: account.id, db)
    try ContentRow.insert(
      columns, key: ContentKey.key(account.id, content), blob: blob, thread: thread, size: location.rawSize,
      trace: owner.trace, db)
    let date = InternalDate(seconds: owner.internalSeconds, zoneMinutes: owner.zoneMinutes)
    let row = NewMessage(date: date, size: size, content: content, instance: nextInstance(account))
    _ = try insert(row, into: mailbox, of: account)
    return true
  }
}
