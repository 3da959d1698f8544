import BlobStore
import Logging
import MailStore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Rewriting packs with much dead space. Order (design §4): copy, sync, switch rows, and only then unlink; readers that
/// hold the old pack go on reading it.
extension Upkeep {
  /// Packs still written to are closed when they have dead space worth the while, so that they can be rewritten.
  /// Smaller ones than `minimum` octets are left alone.
  func rollActivePacks(from minimum: Int64) throws(StoreError) {
    let packs = packs
    let share = settings.deadShare
    let damaged = damagedHeads.withLock { $0.waiting }
    // Between two commits: no frame is under way.
    try writer.aloneBlocking { writer throws(StoreError) in
      let kept = try Self.packsWithStrays(writer.transaction.db)
      for pack in packs.packs() where pack.isActive && !kept.contains(pack.number) {
        let isDamaged = damaged.contains(pack.number)
        guard pack.bytes >= minimum || isDamaged else { continue }
        let live = try Self.liveBytes(pack.number, writer.transaction.db)
        if isDamaged || Self.isWorthRewriting(live: live, pack, packs, share: share) {
          packs.roll()
          return
        }
      }
    }
  }

  /// - Parameters:
  ///   - all: also packs that have no dead space, but no dictionary either though there is one by now.
  ///   - onlyDamaged: only those with a damaged copy of their dictionary.
  func compactPacks(
    _ report: inout CompactionReport, all: Bool, onlyDamaged: Bool = false
  ) throws(StoreError) {
    // Copies would only need more room while the old packs have to stay for a backup.
    if pins.packsAreHeld { return }
    let (live, kept) = try writer.aloneBlocking { writer throws(StoreError) in
      var live: [Int64: Int64] = [:]
      let rows = try writer.transaction.db("SELECT id, live_bytes FROM pack")
      try rows.forEach { live[$0.int(0)] = $0.int(1) }
      return (live, try Self.packsWithStrays(writer.transaction.db))
    }
    let there = packs.packs()
    let (damaged, unsaved) = damagedHeads.withLock { heads in
      heads.waiting.formIntersection(there.map(\.number))
      heads.unsaved.formIntersection(there.map(\.number))
      return (heads.waiting, heads.unsaved)
    }
    let wanted =
      onlyDamaged ? damaged : damaged.union(plainPacks(there, all: all)).union(packsOfDictionary(there, live))
    func isDead(_ pack: PackInfo) -> Bool {
      Self.isWorthRewriting(live: live[pack.number] ?? 0, pack, packs, share: settings.deadShare)
    }
    var needed = NeededDictionaries(packs, live: live, neededBy: unsaved)
    // What needs no room comes first, and of what is not damaged that which needs least: a full disk must not keep itself full.
    var turns: [(rank: Int, live: Int64, pack: PackInfo)] = []
    for pack in there where !pack.isActive && !kept.contains(pack.number) {
      guard wanted.contains(pack.number) || !onlyDamaged && isDead(pack) else { continue }
      turns.append((needed.rank(pack.number), live[pack.number] ?? 0, pack))
    }
    turns.sort { ($0.rank, $0.live, $0.pack.number) < ($1.rank, $1.live, $1.pack.number) }
    var failure: StoreError?
    for (_, octets, pack) in turns where !isStopping {
      let isDamaged = damaged.contains(pack.number)
      let isHeld = needed.hold(pack.number)
      if isHeld, !isDamaged { continue }
      do throws(StoreError) {
        var isRemoved = false
        if octets == 0, !isHeld { isRemoved = try removeIfDead(pack.number) }
        if !isRemoved {
          if wanted.contains(pack.number), !isDead(pack),
            !hasRoom(for: octets, above: isDamaged || all ? 0 : settings.freeSpaceFloor)
          {
            if isDamaged || all { throw .io(operation: "write a pack anew", path: packs.directory, errno: ENOSPC) }
            continue
          }
          try rewrite(pack.number)
          if !isHeld { isRemoved = try removeIfDead(pack.number) }
          if isRemoved { report.rewrittenPacks += 1 }
        }
        if isRemoved { report.removedPacks += 1 }
        // What is left there cannot be read.
        if !isStopping {
          needed.forget(pack.number)
          damagedHeads.withLock { heads in
            heads.waiting.remove(pack.number)
            heads.unsaved.remove(pack.number)
          }
        }
      } catch {
        // A pack that cannot be read does not keep the others from their turn.
        failure = failure ?? error
        writer.poisonIfPacksFailed(error)
        if error == .shuttingDown || packs.hasFailed || writer.hasFailed != nil { break }
        // Not round after round on a disk that fails: whoever meets it again tells of it again.
        if !error.isNoRoom {
          damagedHeads.withLock { heads in
            heads.waiting.remove(pack.number)
            heads.told.remove(pack.number)
          }
        }
        logger.error("compaction of pack \(pack.number): \(error)")
      }
    }
    if let failure { throw failure }
  }

  /// A copy that could not be finished would only fill the disk.
  private func hasRoom(for octets: Int64, above floor: Int64) -> Bool {
    guard let free = FreeSpace.ofVolume(packs.directory) else { return true }
    return free - floor >= octets
  }

  /// Packs with frames that no row ever knew of: never unlinked (see `StrayFrames`). Strays are found at opening only, so
  /// the set does not grow meanwhile.
  private static func packsWithStrays(_ db: SQLConnection) throws(StoreError) -> Set<Int64> {
    var packs: Set<Int64> = []
    try db("SELECT DISTINCT pack FROM stray").forEach { packs.insert($0.int(0)) }
    return packs
  }

  private static func isWorthRewriting(
    live: Int64, _ pack: PackInfo, _ packs: PackStore, share: Double
  ) -> Bool {
    func isWorth(_ bytes: Int64) -> Bool { bytes > 0 && Double(bytes - live) > Double(bytes) * share }
    // The dictionary is no dead space while anything is left that needs it. Asked last: it takes a look into the pack.
    return isWorth(pack.bytes) && (live == 0 || isWorth(pack.bytes - packs.headBytes(pack.number)))
  }

  /// Packs of the days before the dictionary that are worth compressing anew. Of its own accord only where they are few, as in
  /// a store that has just got its first. With dictionaries turned off, those that begin with one.
  private func plainPacks(_ there: [PackInfo], all: Bool) -> Set<Int64> {
    guard let dictionary = packs.dictionary else {
      guard all, !packs.settings.usesDictionaries else { return [] }
      return Set(there.filter { !$0.isActive && packs.headBytes($0.number) > 0 }.map(\.number))
    }
    var plain: Set<Int64> = []
    var octets: Int64 = 0
    let most = min(2 * packs.settings.maxPackBytes, StoreLimits.rewrittenPlain)
    for pack in there
    where !pack.isActive && pack.bytes >= 8 * Int64(dictionary.octets) && packs.beginsPlain(pack.number) {
      plain.insert(pack.number)
      octets += pack.bytes
      if !all, octets > most { return [] }
    }
    return plain
  }

  /// Packs that are more dictionary than mail, once they have become several: a start after a compaction leaves one behind.
  private func packsOfDictionary(_ there: [PackInfo], _ live: [Int64: Int64]) -> Set<Int64> {
    guard packs.dictionary != nil else { return [] }
    let small = there.filter { pack in
      !pack.isActive && pack.bytes <= 4 * Int64(DictionaryLimits.octets)
        && packs.headBytes(pack.number) > live[pack.number] ?? 0
    }
    return small.count < StoreLimits.packsOfDictionary ? [] : Set(small.map(\.number))
  }

  private static func liveBytes(_ pack: Int64, _ db: SQLConnection) throws(StoreError) -> Int64 {
    let row = try db("SELECT live_bytes FROM pack WHERE id = ?")
    row.bind(1, pack)
    return try row.first { $0.int(0) } ?? 0
  }

  /// Removes a pack that no row refers to. Between two commits, so that a commit that has written frames to it and not
  /// yet its rows cannot be under way.
  private func removeIfDead(_ pack: Int64) throws(StoreError) -> Bool {
    let packs = packs
    let pins = pins
    return try writer.aloneBlocking { writer throws(StoreError) in
      if let error = writer.hasFailed { throw error }
      if pins.packsAreHeld { return false }
      guard packs.packs().contains(where: { $0.number == pack && !$0.isActive && $0.bytes > 0 }) else { return false }
      let row = try writer.transaction.db("SELECT 1 FROM blob WHERE pack = ? LIMIT 1")
      row.bind(1, pack)
      guard try row.first({ $0.int(0) }) == nil else { return false }
      try blobCall { () throws(BlobError) in try packs.remove(pack) }
      try writer.inTransaction { transaction throws(StoreError) in
        transaction.hasWritten = true
        for row in [
          try transaction.db("DELETE FROM pack WHERE id = ?"), try transaction.db("DELETE FROM damaged WHERE pack = ?"),
        ] {
          row.bind(1, pack)
          try row.run()
        }
      }
      return true
    }
  }

  private func rewrite(_ pack: Int64) throws(StoreError) {
    var offset: Int64 = -1
    var unreadable = 0
    while !isStopping {
      let start = offset
      let blobs = try writer.aloneBlocking { writer throws(StoreError) in
        try Self.blobs(of: pack, after: start, writer.transaction.db)
      }
      guard let last = blobs.last else { break }
      offset = last.location.offset
      var moves: [(id: Int64, from: BlobLocation, to: BlobLocation)] = []
      for blob in blobs {
        do throws(BlobError) {
          moves.append((blob.id, blob.location, try packs.copyFrame(blob.location)))
        } catch {
          // A damaged frame stays where it is, and so does its pack: `check` names it, and a backup may mend it.
          guard case .corrupt = error else { throw StoreError(error) }
          // With no copy of its dictionary left that is every one.
          unreadable += 1
          if unreadable == 1 { logger.error("compaction: \(error)") }
        }
      }
      try blobCall { () throws(BlobError) in try packs.sync(.copied) }
      let done = moves
      try writer.writeBlocking { transaction throws(StoreError) in
        for move in done { try transaction.moveBlob(move.id, from: move.from, to: move.to) }
      }
    }
    guard unreadable > 1 else { return }
    logger.error(
      """
      compaction: \(unreadable) messages of pack \(pack) cannot be read and stay there; 'merpati check --repair' names \
      them and looks for other copies
      """)
  }

  private static func blobs(
    of pack: Int64, after offset: Int64, _ db: SQLConnection
  ) throws(StoreError) -> [(id: Int64, location: BlobLocation)] {
    let rows = try db(
      """
      SELECT id, offset, frame, size FROM blob b WHERE pack = ? AND offset > ?
        AND NOT EXISTS (SELECT 1 FROM damaged d WHERE d.pack = b.pack AND d.offset = b.offset)
      ORDER BY offset LIMIT ?
      """)
    rows.bind(1, pack)
    rows.bind(2, offset)
    rows.bind(3, StoreLimits.compactionSlice)
    var result: [(id: Int64, location: BlobLocation)] = []
    try rows.forEach { row in
      let location = BlobLocation(pack: pack, offset: row.int(1), frameLength: row.int(2), rawSize: row.int(3))
      result.append((row.int(0), location))
    }
    return result
  }
}

extension Transaction {
  /// A blob that was let go meanwhile is not brought back; its copy is dead space in the new pack.
  fileprivate func moveBlob(_ id: Int64, from: BlobLocation, to: BlobLocation) throws(StoreError) {
    noteEnd(to)
    let row = try db("UPDATE blob SET pack = ?, offset = ?, frame = ? WHERE id = ? AND pack = ? AND offset = ?")
    row.bind(1, to.pack)
    row.bind(2, to.offset)
    row.bind(3, to.frameLength)
    row.bind(4, id)
    row.bind(5, from.pack)
    row.bind(6, from.offset)
    try row.run()
    guard db.changes > 0 else { return }
    countPack(from.pack, frames: -1, bytes: -from.frameLength)
    countPack(to.pack, frames: 1, bytes: to.frameLength)
  }
}
