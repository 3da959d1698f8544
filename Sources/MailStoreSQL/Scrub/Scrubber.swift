import BlobStore
import Logging
import MailStore

/// Reads every frame of every pack, slowly, round after round, and looks through the database once a round: damage is
/// found while there still is a backup that is not older than it.
///
/// A thread of its own at the lowest priority. It sleeps after every read for as long as the rate wants, takes what it
/// read out of the system's cache, holds one chunk in memory, and remembers in the database where it was.
final class Scrubber: Sendable {
  private struct State {
    var status = ScrubStatus()
    var isStopped = false
  }

  private let upkeep: Upkeep
  private let state = Monitor(State())
  private let thread = BackgroundThread("store-scrub", niceness: 19)

  init(upkeep: Upkeep) { self.upkeep = upkeep }

  private var settings: StoreSettings { upkeep.settings }
  private var packs: PackStore { upkeep.packs }

  /// Does nothing when the rate is 0.
  func start() throws(StoreError) {
    try loadStatus()
    guard settings.scrubRate > 0 else { return }
    try thread.start { [self] in main() }
  }

  /// Ends after the read under way. Blocks. The writer must still be running: the place is noted.
  func stop() {
    state.broadcast { $0.isStopped = true }
    thread.join()
  }

  func status() -> ScrubStatus {
    var status = state.withLock { $0.status }
    status.totalBytes = packs.packs().reduce(0) { $0 + $1.bytes }
    return status
  }

  // MARK: What is remembered

  private func loadStatus() throws(StoreError) {
    let values = try upkeep.reading { db throws(StoreError) in
      var values: [String: Int64] = [:]
      try db("SELECT name, value FROM volume_state WHERE name LIKE 'scrub\\_%' ESCAPE '\\'").forEach {
        values[$0.text(0)] = $0.int(1)
      }
      return values
    }
    state.withLock { state in
      state.status.rate = settings.scrubRate
      state.status.roundBegun = values["scrub_begun"] ?? 0
      state.status.roundEnded = values["scrub_ended"] ?? 0
      state.status.databaseChecked = values["scrub_database"] ?? 0
      state.status.databaseIsSound = values["scrub_unsound"] ?? 0 == 0
      guard state.status.roundBegun > 0 else { return }
      let place = (values["scrub_pack"] ?? 0, values["scrub_offset"] ?? 0)
      state.status.doneBytes = packs.packs().reduce(0) { sum, pack in
        sum + (pack.number < place.0 ? pack.bytes : pack.number == place.0 ? min(place.1, pack.bytes) : 0)
      }
    }
  }

  private func note(_ values: [(name: String, value: Int64)]) throws(StoreError) {
    try upkeep.writer.writeBlocking { transaction throws(StoreError) in
      transaction.hasWritten = true
      let row = try transaction.db(
        "INSERT INTO volume_state (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")
      for (name, value) in values {
        row.bind(1, name)
        row.bind(2, value)
        try row.run()
      }
    }
  }

  private func place() throws(StoreError) -> (pack: Int64, offset: Int64) {
    try upkeep.reading { db throws(StoreError) in
      let row = try db(
        """
        SELECT COALESCE((SELECT value FROM volume_state WHERE name = 'scrub_pack'), 0),
          COALESCE((SELECT value FROM volume_state WHERE name = 'scrub_offset'), 0)
        """)
      return try row.first { ($0.int(0), $0.int(1)) } ?? (0, 0)
    }
  }

  // MARK: The thread

  private func main() {
    while sleep(milliseconds: 0) {
      do throws(StoreError) {
        let status = state.withLock { $0.status }
        let isDue = status.roundBegun > 0 || settings.now() >= status.roundEnded + Int64(settings.scrubInterval)
        if isDue { try round() }
      } catch {
        if error != .shuttingDown { upkeep.logger.error("scrubbing: \(error)") }
      }
      // Nothing is due, or it could not be done: not again at once.
      if !sleep(milliseconds: 10_000) { return }
    }
  }

  /// False: the store is closing.
  private func sleep(milliseconds: Int) -> Bool {
    let deadline = Clock.milliseconds() + Int64(milliseconds)
    while true {
      let left = Int(deadline - Clock.milliseconds())
      if left <= 0 { return !state.withLock { $0.isStopped } }
      if state.wait(milliseconds: left, { $0.isStopped ? true : nil }) == true { return false }
    }
  }

  private func round() throws(StoreError) {
    if state.withLock({ $0.status.roundBegun }) == 0 {
      let now = settings.now()
      try checkDatabase()
      try note([("scrub_begun", now), ("scrub_pack", 0), ("scrub_offset", 0)])
      state.withLock {
        $0.status.roundBegun = now
        $0.status.doneBytes = 0
      }
    }
    var (number, offset) = try place()
    var noted = Clock.milliseconds()
    while true {
      // Packs that come into being meanwhile have higher numbers and are met at the end.
      guard let pack = packs.packs().first(where: { $0.number >= number }) else { break }
      if pack.number != number { offset = 0 }
      number = pack.number
      let next = try step(number, offset)
      guard sleep(milliseconds: 0) else {
        try note([("scrub_pack", number), ("scrub_offset", next ?? Int64.max)])
        return
      }
      if let next { offset = next } else { number += 1 }
      guard Clock.milliseconds() - noted > StoreLimits.scrubNoteInterval * 1000 else { continue }
      noted = Clock.milliseconds()
      try note([("scrub_pack", number), ("scrub_offset", next ?? 0)])
    }
    let now = settings.now()
    try note([("scrub_begun", 0), ("scrub_ended", now)])
    state.withLock {
      $0.status.roundBegun = 0
      $0.status.roundEnded = now
    }
    upkeep.logger.info("scrubbed all packs")
  }

  /// Where to go on in the pack; nil: it is done.
  private func step(_ pack: Int64, _ offset: Int64) throws(StoreError) -> Int64? {
    var owed: Double = 0
    let step: ScrubStep
    do throws(BlobError) {
      step = try packs.scrub(pack, from: offset, bytes: min(StoreLimits.scrubStep, max(settings.scrubRate, 64 << 10))) {
        bytes in
        owed += Double(bytes) * 1000 / Double(settings.scrubRate)
        guard owed >= 20 else { return }
        _ = sleep(milliseconds: Int(owed))
        owed = 0
      }
    } catch {
      switch error {
      // Compaction has removed it; its frames are in another one.
      case .missing: return nil
      default:
        upkeep.logger.error("scrubbing pack \(pack): \(error)")
        return nil
      }
    }
    if step.lacksDictionary { upkeep.noteDamagedHead(pack) }
    for finding in step.findings {
      _ = try upkeep.noteDamage(pack, finding.offset..<finding.offset + finding.bytes, "found by the scrubber")
    }
    if let error = step.failure {
      upkeep.logger.error("scrubbing pack \(pack): \(error)")
      return nil
    }
    let end = step.next ?? packs.packs().first { $0.number == pack }?.bytes ?? offset
    state.withLock { $0.status.doneBytes += max(0, end - offset) }
    return step.next
  }

  private func checkDatabase() throws(StoreError) {
    let verdict: String
    do throws(StoreError) {
      let db = try SQLConnection.reader(path: upkeep.database)
      defer { db.close() }
      verdict = try db("PRAGMA quick_check(1)").first { $0.text(0) } ?? "ok"
    } catch {
      guard case .corrupt(let what) = error else { throw error }
      verdict = what
    }
    let isSound = verdict == "ok"
    if !isSound {
      upkeep.logger.critical(
        "\(upkeep.database) is damaged: \(verdict); stop the server and run 'merpati check --repair'")
    }
    let now = settings.now()
    try note([("scrub_database", now), ("scrub_unsound", isSound ? 0 : 1)])
    state.withLock {
      $0.status.databaseChecked = now
      $0.status.databaseIsSound = isSound
    }
  }
}
