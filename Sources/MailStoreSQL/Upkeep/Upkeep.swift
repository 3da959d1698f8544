import BlobStore
import Logging
import MailStore
import Synchronization

/// One thread that clears up behind the others: lets go of expunged messages' bytes, rewrites packs, gives disk back,
/// and verifies. Its tasks run one after the other, so a check never meets a compaction.
///
/// It writes through the writer in small steps, so that nobody's delivery waits for a whole round.
final class Upkeep: Sendable {
  typealias Task = @Sendable (Upkeep) -> Void

  private struct Queue {
    var tasks: [Task] = []
    var isStopped = false
  }

  private enum Step {
    case task(Task)
    case round
    case stop
  }

  let writer: Writer
  let packs: PackStore
  let cache: MailCache
  let pins: PinRegistry
  let ages: AgeKeeper
  let database: String
  let settings: StoreSettings
  let damage: DamageReports
  let logger: Logger
  private let queue = Monitor(Queue())
  private let thread = BackgroundThread("store-upkeep")
  private let stopping = Atomic(false)
  private let nextTrim = Atomic<Int64>(0)
  /// When training a dictionary may be tried again, on the even clock.
  let nextTraining = Atomic<Int64>(0)
  /// Packs with a damaged copy of their dictionary: those told of, those whose mail is to be written to another, and those of which
  /// that has not been done, be it that it failed.
  let damagedHeads = Mutex((told: Set<Int64>(), waiting: Set<Int64>(), unsaved: Set<Int64>()))

  init(
    writer: Writer, packs: PackStore, cache: MailCache, pins: PinRegistry, ages: AgeKeeper, database: String,
    settings: StoreSettings, damage: DamageReports, logger: Logger
  ) {
    self.writer = writer
    self.packs = packs
    self.cache = cache
    self.pins = pins
    self.ages = ages
    self.database = database
    self.settings = settings
    self.damage = damage
    self.logger = logger
  }

  func start() throws(StoreError) {
    try thread.start { [self] in main() }
    damage.onReport { [queue] in queue.signal { if !$0.isStopped { $0.tasks.append { $0.noteReportedDamage() } } } }
    wakeForTraining(after: packs.wantedSamples)
  }

  /// When so much mail has come without a dictionary.
  func wakeForTraining(after octets: Int) {
    guard settings.upkeepInterval > 0 else { return }
    packs.onEnoughMail(octets) { [queue] in
      queue.signal { if !$0.isStopped { $0.tasks.append { $0.trainForNewMail() } } }
    }
  }

  /// Ends after the step under way. Blocks.
  func stop() {
    stopping.store(true, ordering: .releasing)
    queue.broadcast { $0.isStopped = true }
    thread.join()
  }

  /// A round stops at the next step.
  var isStopping: Bool { stopping.load(ordering: .acquiring) }

  func run<Value: Sendable>(
    _ body: @escaping @Sendable (Upkeep) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
      var accepted = false
      queue.signal {
        guard !$0.isStopped else { return }
        accepted = true
        $0.tasks.append { upkeep in
          let result: Result<Value, StoreError>
          do throws(StoreError) {
            // What is still queued at the end is told so at once.
            if upkeep.isStopping { throw .shuttingDown }
            result = .success(try body(upkeep))
          } catch { result = .failure(error) }
          continuation.resume(returning: result)
        }
      }
      if !accepted { continuation.resume(returning: .failure(.shuttingDown)) }
    }
    return try result.get()
  }

  private func main() {
    let interval = Int64(settings.upkeepInterval > 0 ? settings.upkeepInterval * 1000 : 3_600_000)
    var nextRound = Clock.milliseconds() + interval
    while true {
      // However many tasks come in between, the round has its turn.
      let rest = Int(max(nextRound - Clock.milliseconds(), 0))
      let step = queue.wait(milliseconds: rest) { queue -> Step? in
        if rest == 0, !queue.isStopped { return .round }
        if !queue.tasks.isEmpty { return .task(queue.tasks.removeFirst()) }
        return queue.isStopped ? .stop : nil
      }
      switch step {
      case .task(let task): task(self)
      case .stop:
        saveFloors()
        // Or the time since the last note would look like time in which nobody was there.
        do throws(StoreError) { try noteDate() } catch {
          if error != .shuttingDown { logger.warning("upkeep: the date could not be noted: \(error)") }
        }
        return
      case .round, nil:
        saveFloors()
        if settings.upkeepInterval > 0 { backgroundRound() }
        nextRound = Clock.milliseconds() + interval
      }
    }
  }

  private func backgroundRound() {
    do throws(StoreError) {
      var report = CompactionReport()
      try noteDate()
      try purge(&report)
      let now = Clock.milliseconds()
      if now >= nextTrim.load(ordering: .relaxed) {
        nextTrim.store(now + StoreLimits.expungeLogTrimInterval * 1000, ordering: .relaxed)
        try trimExpungeLog()
      }
      trainInBackground(isAsked: false)
      noteDamagedHeads()
      try rollActivePacks(from: StoreLimits.rolledPackBytes)
      try compactAndVacuum(&report, all: false)
      if report != CompactionReport() {
        logger.info(
          "upkeep",
          metadata: [
            "purged": "\(report.purgedMessages)", "rewritten": "\(report.rewrittenPacks)",
            "removed": "\(report.removedPacks)",
          ])
      }
    } catch {
      // The next round tries again; a store that is closing or has failed says so itself.
      if error != .shuttingDown { logger.error("upkeep: \(error)") }
    }
  }

  /// What the next process has to know of the date.
  private func noteDate() throws(StoreError) {
    guard ages.isDue else { return }
    try writer.writeBlocking { [ages] transaction throws(StoreError) in
      transaction.hasWritten = true
      try ages.save(transaction.db)
    }
  }

  /// Purges and compacts all there is (see `MailStore.compact`).
  func compact() throws(StoreError) -> CompactionReport {
    var report = CompactionReport()
    let before = diskUsage()
    try purge(&report)
    try trimExpungeLog()
    trainInBackground(isAsked: true)
    noteDamagedHeads()
    try rollActivePacks(from: 1)
    try compactAndVacuum(&report, all: true)
    report.freedBytes = max(0, before - diskUsage())
    return report
  }

  /// The database gives back what it can, also when the packs cannot.
  private func compactAndVacuum(_ report: inout CompactionReport, all: Bool) throws(StoreError) {
    do throws(StoreError) { try compactPacks(&report, all: all) } catch {
      try vacuum(all: all)
      throw error
    }
    try vacuum(all: all)
  }

  /// Octets of packs and database files.
  private func diskUsage() -> Int64 {
    packs.packs().reduce(0) { $0 + $1.bytes } + FileSizes.of(database) + FileSizes.of("\(database)-wal")
  }

  /// `\Recent` floors of sessions: at worst a crash shows a message as recent a second time.
  func saveFloors() {
    let floors = cache.takeRaisedFloors()
    guard !floors.isEmpty else { return }
    _ = try? writer.writeBlocking { transaction throws(StoreError) in
      transaction.hasWritten = true
      let row = try transaction.db("UPDATE mailbox SET recent_floor = ?3 WHERE account = ?1 AND id = ?2")
      for (ref, floor) in floors {
        row.bind(1, ref.account.rawValue)
        row.bind(2, ref.mailbox.rawValue)
        row.bind(3, floor)
        try row.run()
        try transaction.accountIfAny(ref.account.rawValue)?.mailboxes[ref.mailbox.rawValue]?.state.recentFloor = floor
      }
    }
  }

  /// Mailboxes for accounts whose making was cut short, and an end to mail whose account was being removed. Mail without
  /// an account that nobody removed is kept: then the directory is an older one, or damaged.
  func reconcileAccounts(_ directory: DirectoryCache) throws(StoreError) {
    try writer.aloneBlocking { [logger] writer throws(StoreError) in
      var states: [(id: Int64, state: Int64)] = []
      let rows = try writer.transaction.db("SELECT account, state FROM account_state ORDER BY account")
      try rows.forEach { states.append(($0.int(0), $0.int(1))) }
      let known = Set(states.map(\.id))
      for account in directory.all() where !known.contains(account.id.rawValue) {
        try writer.provision(account.id.rawValue)
      }
      for (id, state) in states {
        switch (state, directory.account(id) != nil) {
        case (0, true), (1, false): break
        case (2, false): try writer.bury(AccountID(id))
        // The removal came to nothing.
        case (2, true): try writer.setRemoving(false, id)
        case (1, true):
          logger.critical(
            "account \(id) was removed, and an older directory has it again: it gets mailboxes when its mail is cleared away"
          )
        default:
          logger.critical("account \(id) has mail and is not in the directory; its mail is kept, out of reach")
        }
      }
    }
  }

  // MARK: Giving disk back

  /// Free pages of the database go back to the file system, in steps between which others write.
  func vacuum(all: Bool) throws(StoreError) {
    while !isStopping {
      let free = try writer.aloneBlocking { writer throws(StoreError) in
        let db = writer.transaction.db
        let free = try db.pragma("freelist_count")
        // In the background only when it is worth it: pages that are free now are used by the next deliveries.
        guard free > (all ? 0 : Self.freePagesKept) else { return Int64(0) }
        if let error = writer.hasFailed { throw error }
        // A transaction of its own, outside the writer's commits: its sync counts as much as theirs.
        do throws(StoreError) { try db.execute("PRAGMA incremental_vacuum(\(Self.vacuumStep))") } catch {
          if error.isFailedSync { writer.poison(error) }
          throw error
        }
        return free
      }
      if free <= Self.vacuumStep { break }
    }
    guard all else { return }
    // Not when somebody reads for longer than a moment; then the WAL is cut at the next occasion. The writer must not
    // wait for readers.
    try? writer.aloneBlocking { writer throws(StoreError) in
      if let error = writer.hasFailed { throw error }
      do throws(StoreError) { try writer.transaction.db.truncateWAL() } catch { writer.checkpointFailed(error) }
    }
  }

  private static let vacuumStep: Int64 = 1000
  private static let freePagesKept: Int64 = 4096
}
