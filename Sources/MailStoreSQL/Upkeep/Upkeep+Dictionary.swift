import BlobStore
import Logging
import MailStore
import NIOCore
import Synchronization

/// Dictionaries that packs are compressed with (docs/decisions/045-dictionaries-in-packs.md).
extension Upkeep {
  /// - isAsked: now, though it may have come to nothing a moment ago.
  func trainInBackground(isAsked: Bool) {
    if isAsked { nextTraining.store(0, ordering: .relaxed) }
    do throws(StoreError) { try trainIfDue() } catch {
      // Not in every round, whatever it was.
      putOffTraining(by: DictionaryLimits.retryForMail)
      if error != .shuttingDown { logger.warning("no dictionary could be trained: \(error)") }
    }
  }

  /// Mail has come: training, and the mail that it was trained from is compressed anew at once, while it is little.
  func trainForNewMail() {
    trainInBackground(isAsked: true)
    guard packs.dictionary != nil else { return }
    var report = CompactionReport()
    do throws(StoreError) { try compactPacks(&report, all: false) } catch {
      if error != .shuttingDown { logger.error("upkeep: \(error)") }
    }
  }

  /// Trains a dictionary from the volume's mail where packs begin with none, or with one that is old.
  func trainIfDue() throws(StoreError) {
    guard packs.wantedDictionary > 0, writer.hasFailed == nil, !packs.hasFailed, !isStopping else { return }
    let now = settings.now()
    if let known = packs.dictionary {
      // The date is from the disk.
      let (age, isAncient) = now.subtractingReportingOverflow(known.trained)
      // One from days to come would be new for ever: the clock was wrong when it was made, or is now.
      guard isAncient || age >= DictionaryLimits.days * 86_400 || age < -DictionaryLimits.ahead else { return }
    }
    guard Clock.milliseconds() >= nextTraining.load(ordering: .relaxed) else { return }
    var samples = DictionarySamples(capacity: packs.wantedSamples, message: packs.sampleMessage)
    guard try gather(&samples), samples.count >= DictionaryLimits.leastSamples else {
      // What has come is not committed yet, or is gone already.
      wakeForTraining(after: packs.wantedSamples / 4)
      return putOffTraining(by: DictionaryLimits.retryForMail)
    }
    let trained = samples.train(octets: packs.wantedDictionary, level: packs.settings.level, now: now)
    guard let trained, packs.adopt(trained) else {
      putOffTraining(by: DictionaryLimits.retry)
      logger.debug("a dictionary would save nothing", metadata: ["messages": "\(samples.count)"])
      return
    }
    logger.info(
      "mail is compressed with a dictionary trained from this volume's mail",
      metadata: ["octets": "\(trained.bytes.readableBytes)", "samples": "\(samples.count)"])
  }

  private func putOffTraining(by seconds: Int64) {
    nextTraining.store(Clock.milliseconds() + seconds * 1000, ordering: .relaxed)
  }

  /// Messages from all over the volume. False: there is not enough mail yet.
  private func gather(_ samples: inout DictionarySamples) throws(StoreError) -> Bool {
    let (places, areAll) = try reading { db throws(StoreError) in try Self.places(db, packs) }
    let octets = places.reduce(0) { $0 + min($1.rawSize, Int64(packs.sampleMessage)) }
    // A little less than what wakes this thread: some of that waits for its commit. Of more messages than are looked at,
    // those may be small; but a dictionary from a few would be the worse one for months.
    if octets < packs.wantedSamples / 4 * (areAll ? 3 : 1) { return false }
    for place in places {
      if isStopping { throw .shuttingDown }
      do throws(BlobError) {
        guard try packs.addSample(place, to: &samples) else { return true }
      } catch {
        // Removed meanwhile, or damaged: others will do.
        continue
      }
    }
    return true
  }

  /// Blobs in an order in which those looked at first are from everywhere; and whether these are all.
  private static func places(
    _ db: SQLConnection, _ packs: PackStore
  ) throws(StoreError) -> (places: [BlobLocation], areAll: Bool) {
    let live = try db("SELECT COALESCE(SUM(live_bytes), 0) FROM pack").first { $0.int(0) } ?? 0
    // Compressed it is a third at the least, so no more need be asked.
    guard live >= packs.wantedSamples / 8 else { return ([], true) }
    let ends = try db("SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), -1) FROM blob").first { ($0.int(0), $0.int(1)) }
    guard let (first, last) = ends, last >= first else { return ([], true) }
    // Numbers so far apart are damage.
    let (span, isBeyond) = last.subtractingReportingOverflow(first)
    if isBeyond { return ([], true) }
    let range = UInt64(span) + 1
    let find = try db("SELECT id, pack, offset, frame, size FROM blob WHERE id >= ? ORDER BY id LIMIT 1")
    var seen: Set<Int64> = []
    var places: [BlobLocation] = []
    let tries = min(range, UInt64(StoreLimits.dictionarySamples))
    // Steps of the golden section never come twice near the same place.
    let step = range > 2 ? stepThatMeetsAll(range) : 1
    var at: UInt64 = 0
    for _ in 0..<tries {
      find.bind(1, first + Int64(at))
      if let found = try find.first(Self.place), seen.insert(found.id).inserted, isOfUse(found.place) {
        places.append(found.place)
      }
      at = (at + step) % range
    }
    if tries == range { return (places, true) }
    // Where numbers lie far apart nearly all steps end at the same message: then the newest ones.
    guard places.count < Int(tries) / 2 else { return (places, false) }
    let newest = try db("SELECT id, pack, offset, frame, size FROM blob ORDER BY id DESC LIMIT ?")
    newest.bind(1, StoreLimits.dictionarySamples)
    var count = 0
    try newest.forEach { row in
      count += 1
      let found = Self.place(row)
      if seen.insert(found.id).inserted, isOfUse(found.place) { places.append(found.place) }
    }
    return (places, count < StoreLimits.dictionarySamples)
  }

  private static func place(_ row: SQLStatement) -> (id: Int64, place: BlobLocation) {
    (
      row.int(0),
      BlobLocation(pack: row.int(1), offset: row.int(2), frameLength: row.int(3), rawSize: row.int(4))
    )
  }

  private static func isOfUse(_ place: BlobLocation) -> Bool {
    place.rawSize > 0 && place.rawSize <= StoreLimits.dictionarySample
  }

  /// About 0.618 of `range`, and with no divisor in common with it.
  private static func stepThatMeetsAll(_ range: UInt64) -> UInt64 {
    func divisor(_ one: UInt64, _ two: UInt64) -> UInt64 { two == 0 ? one : divisor(two, one % two) }
    var step = max(range / 1000 * 618 + range % 1000 * 618 / 1000, 1)
    while divisor(range, step) != 1 { step += 1 }
    return step
  }

  // MARK: Damage

  /// A copy of a pack's dictionary is damaged: its mail goes to another pack while the other copy stands. Told once.
  func noteDamagedHead(_ pack: Int64) {
    // A power cut may leave half a head. Then nobody's mail is behind it, and the pack goes as it is.
    guard isInUse(pack) else { return }
    let isNews = damagedHeads.withLock { heads in
      heads.waiting.insert(pack)
      heads.unsaved.insert(pack)
      return heads.told.insert(pack).inserted
    }
    guard isNews else { return }
    logger.critical(
      """
      pack \(pack): a copy of its dictionary is damaged; the pack's mail goes to another one as far as it can be read; look \
      at the disk, and keep the last backup
      """)
  }

  func noteDamagedHeads() { for pack in packs.takeDamagedHeads() { noteDamagedHead(pack) } }

  private func isInUse(_ pack: Int64) -> Bool {
    let found = try? reading { db throws(StoreError) in
      let row = try db("SELECT 1 FROM blob WHERE pack = ? LIMIT 1")
      row.bind(1, pack)
      return try row.first { _ in true } ?? false
    }
    return found ?? true
  }
}
