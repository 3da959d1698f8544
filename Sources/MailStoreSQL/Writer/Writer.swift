import BlobStore
import Logging
import MailStore
import Synchronization

/// The one that writes. Jobs that arrive while a commit is under way share the next one (group commit, design §4,
/// Durability).
///
/// One thread at a time has the right to write, as `Queue.isTaken` says: mostly the writer's own, which does whatever is
/// queued. A thread of the store that brings a job while nobody writes and nothing is queued commits it itself
/// (`carryOut`), which saves it from waking another. Below, "the writer's thread" is the one that has the right.
///
/// `@unchecked`: `queue`, `failure` and the immutable rest are safe from any thread; `transaction`, `directoryDB` and the
/// other variables are touched only by the thread that has the right to write, which is given and taken under the queue's
/// lock, and by `close` after the end of all of them.
final class Writer: @unchecked Sendable {
  enum Work {
    /// Shares a commit with others.
    case write(WriteJob)
    /// Has the thread to itself between two commits.
    case alone(@Sendable (Writer) -> Void)
  }

  private struct Queue {
    var work: [Work] = []
    var isClosed = false
    /// A thread is writing.
    var isTaken = false
    /// Something was written since the writer rested, and how often the right to write was given.
    var isWarm = false
    var turns = 0

    mutating func take() {
      isTaken = true
      isWarm = true
      turns &+= 1
    }
  }

  private enum Turn {
    case work
    case closed
    /// Another thread has written: from now on it may become quiet.
    case warmed
  }

  let transaction: Transaction
  let directoryDB: SQLConnection
  let directory: DirectoryCache
  let packs: PackStore
  let cache: MailCache
  let access: AccessCache
  let views: ViewRegistry
  let marks: Marks
  private let logger: Logger
  private let queue = Monitor(Queue())
  /// Why nothing is acknowledged any more.
  private let failure = Mutex<StoreError?>(nil)
  /// Why the directory is changed no more: what became of its last commit is not known. The writer's thread only.
  private(set) var directoryFailure: StoreError?
  /// The writer's thread only.
  private var checkpointFails = false
  private var thread: StoreThread?
  private var work: [Work] = []
  /// The batch of `carryOut`.
  private var own: [WriteJob] = []

  init(
    db: SQLConnection, directoryDB: SQLConnection, directory: DirectoryCache, packs: PackStore, cache: MailCache,
    access: AccessCache, views: ViewRegistry, marks: Marks, freeSpace: FreeSpace, settings: StoreSettings,
    logger: Logger
  ) throws(StoreError) {
    self.marks = marks
    transaction = try Transaction(
      db: db, settings: settings, directory: directory, views: views, freeSpace: freeSpace)
    self.directoryDB = directoryDB
    self.directory = directory
    self.packs = packs
    self.cache = cache
    self.access = access
    self.views = views
    self.logger = logger
  }

  func start() throws(StoreError) {
    thread = StoreThread("store-writer") { [self] in main() }
    if thread == nil { throw .io(operation: "start a thread", path: "store-writer", errno: 0) }
  }

  // MARK: Any thread

  /// One transaction; returns when it is on disk and published. `isShort`: see `WriteJob.joinsLate`.
  func write<Value: Sendable>(
    isShort: Bool = false, _ body: @escaping TypedWriteJob<Value>.Body
  ) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
      let job = TypedWriteJob(isShort: isShort, body, continuation)
      if !enqueue(.write(job)) { job.finish(.shuttingDown) }
    }
    return try result.get()
  }

  /// Runs on the writer's thread between two commits.
  func alone<Value: Sendable>(
    _ body: @escaping @Sendable (Writer) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
      let accepted = enqueue(
        .alone { writer in
          let result: Result<Value, StoreError>
          do throws(StoreError) { result = .success(try body(writer)) } catch { result = .failure(error) }
          continuation.resume(returning: result)
        })
      if !accepted { continuation.resume(returning: .failure(.shuttingDown)) }
    }
    return try result.get()
  }

  func enqueue(_ work: Work) -> Bool {
    var accepted = false
    queue.signalIf { queue in
      guard !queue.isClosed else { return false }
      queue.work.append(work)
      accepted = true
      // Whoever writes just now looks at the queue when he is done.
      return !queue.isTaken
    }
    return accepted
  }

  /// A job of one of the store's own threads, which may block: commits it here and now if nobody is writing, else leaves
  /// it to the next commit. False: refused, and not finished.
  func carryOut(_ job: WriteJob) -> Bool {
    var accepted = false
    var isOurs = false
    var wasCold = false
    queue.signalIf { queue in
      guard !queue.isClosed else { return false }
      accepted = true
      // Behind others it waits for its turn, and whatever runs alone is for the writer's own thread.
      isOurs = !queue.isTaken && queue.work.isEmpty
      wasCold = !queue.isWarm
      if isOurs { queue.take() } else { queue.work.append(.write(job)) }
      return !queue.isTaken
    }
    guard isOurs else { return accepted }
    own.append(job)
    commit(&own)
    queue.signalIf { queue in
      queue.isTaken = false
      return !queue.work.isEmpty || queue.isClosed || wasCold
    }
    return true
  }

  /// Not taken up yet.
  var waitingJobs: Int { queue.withLock { $0.work.count } }

  var hasFailed: StoreError? { failure.withLock { $0 } }

  /// Finishes what is queued, then ends the thread. Blocks.
  func close() {
    queue.broadcast { $0.isClosed = true }
    thread?.join()
    thread = nil
  }

  // MARK: The writer's thread

  private func main() {
    var isWarm = false
    var turns = 0
    while true {
      let turn =
        isWarm
        ? queue.wait(milliseconds: StoreLimits.quiet) { nextTurn(&$0, isWarm: true) }
        : queue.wait { nextTurn(&$0, isWarm: false) }
      switch turn {
      case .work: break
      case .closed: return
      case .warmed:
        isWarm = true
        continue
      case nil:
        isWarm = !restIfQuiet(since: &turns)
        continue
      }
      isWarm = true
      var batch: [WriteJob] = []
      for item in work {
        switch item {
        case .write(let job):
          batch.append(job)
          if batch.count >= StoreLimits.jobsPerCommit { commit(&batch) }
        case .alone(let body):
          commit(&batch)
          body(self)
        }
      }
      commit(&batch)
      work.removeAll(keepingCapacity: true)
      queue.withLock { $0.isTaken = false }
    }
  }

  private func nextTurn(_ queue: inout Queue, isWarm: Bool) -> Turn? {
    if queue.isTaken { return nil }
    if queue.work.isEmpty { return queue.isClosed ? .closed : queue.isWarm && !isWarm ? .warmed : nil }
    // Swapped, so that both arrays keep their memory.
    swap(&queue.work, &work)
    queue.take()
    return .work
  }

  /// Gives up memory unless somebody has written since the last look, which `turns` tells. True: it has.
  private func restIfQuiet(since turns: inout Int) -> Bool {
    let isQuiet = queue.withLock { queue in
      guard !queue.isTaken, queue.work.isEmpty, queue.turns == turns else {
        turns = queue.turns
        return false
      }
      queue.isTaken = true
      queue.isWarm = false
      return true
    }
    guard isQuiet else { return false }
    rest()
    queue.withLock { $0.isTaken = false }
    return true
  }

  /// On the writer's thread, between two commits.
  func rest() {
    transaction.rest()
    directoryDB.releaseMemory()
    marks.db.releaseMemory()
    work = []
    own = []
  }

  /// One transaction on the writer's thread, for work that runs alone.
  func inTransaction<Value: Sendable>(
    _ body: @escaping (Transaction) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    let job = LocalJob(body)
    var batch: [WriteJob] = [job]
    commit(&batch)
    guard let value = job.value, job.error == nil else { throw job.error ?? .shuttingDown }
    return value
  }

  /// Nothing is acknowledged after this: what the disk holds is not known any more (a later fsync would report success
  /// for pages the kernel has dropped).
  func poison(_ error: StoreError) {
    let isFirst = failure.withLock { failure in
      defer { failure = failure ?? error }
      return failure == nil
    }
    guard isFirst else { return }
    logger.critical("a write could not be made durable; the store refuses writes until it is opened again: \(error)")
    transaction.settings.onFailure(error)
  }

  /// The volume is a file of its own: mail comes and goes on.
  func failDirectory(_ error: StoreError) {
    guard directoryFailure == nil else { return }
    directoryFailure = error
    logger.critical(
      "a change of the accounts could not be made durable; they cannot be changed until the next start: \(error)")
    transaction.settings.onFailure(error)
  }

  /// What the packs refuse after a failed sync of theirs, the rows refuse as well.
  func poisonIfPacksFailed(_ error: StoreError) {
    if packs.hasFailed { poison(error) }
  }

  private func commit(_ batch: inout [WriteJob]) {
    guard !batch.isEmpty else { return }
    defer { batch.removeAll(keepingCapacity: true) }
    if let error = hasFailed {
      for job in batch { job.finish(error) }
      return
    }
    var outcomes: [StoreError?] = []
    outcomes.reserveCapacity(batch.count)
    let publication: Publication?
    do throws(StoreError) {
      try transaction.db("BEGIN IMMEDIATE").run()
      // Alone there is nobody whose changes would have to stay.
      let isTogether = batch.count == 1 || batch.allSatisfy(\.isRepeatable)
      // Tidying up that comes upon damage ends the transaction, and only these are begun anew without it.
      transaction.maySeal = isTogether
      if isTogether {
        outcomes = try runTogether(batch)
      } else {
        for job in batch { outcomes.append(try attempt(job)) }
      }
      publication = try makeDurable(&batch, &outcomes)
    } catch {
      rollBack()
      for (index, job) in batch.enumerated() {
        job.finish(index < outcomes.count ? outcomes[index] ?? error : error)
      }
      return
    }
    // Design §4, Durability: the order is blob bytes synced, rows synced (both in `makeDurable`), then views and the
    // change feed, and only then does anybody hear OK. So a session that is told of a message can read it, and whoever
    // hears OK finds his change in every view.
    if let publication {
      cache.publish(publication)
      if !publication.shared.isEmpty { access.publish(publication.shared) }
      views.publish(publication, cache: cache, access: access)
    }
    for (job, outcome) in zip(batch, outcomes) { job.finish(outcome) }
    if publication != nil { checkpoint() }
  }

  /// For a backup, on the writer's thread. A failed sync of the marks counts as one of the rows: what they hold is not known.
  func beginMarkEpoch() throws(StoreError) -> Int64 {
    do throws(StoreError) { return try marks.beginEpoch() } catch {
      if error.isFailedSync { poison(error) }
      throw error
    }
  }

  /// After the answers, so that nobody waits for it but the next commit.
  private func checkpoint() {
    do throws(StoreError) {
      try transaction.db.checkpointIfDue()
      if checkpointFails { logger.notice("the WAL is carried over again") }
      checkpointFails = false
    } catch {
      checkpointFailed(error)
    }
  }

  /// The WAL keeps what could not be carried over, unless it was the sync that failed: see `SQLConnection.checkpointIfDue`.
  func checkpointFailed(_ error: StoreError) {
    if error.isFailedSync { return poison(error) }
    if !checkpointFails { logger.error("the WAL cannot be carried over, and grows: \(error)") }
    checkpointFails = true
  }

  /// Runs jobs without a savepoint each. When one of several fails, all is done again with savepoints.
  private func runTogether(_ batch: [WriteJob]) throws(StoreError) -> [StoreError?] {
    let mark = transaction.mark()
    transaction.sealingFailed = false
    do throws(StoreError) {
      for job in batch {
        transaction.beginJob()
        try job.run(transaction)
        transaction.keepJob()
      }
      return Array(repeating: nil, count: batch.count)
    } catch {
      // What came of tidying up older rows is nobody's failure: without that the same job is done.
      let isTidying = transaction.sealingFailed
      transaction.sealingFailed = false
      guard batch.count > 1 || isTidying else {
        // On a full disk and the like SQLite rolls the transaction back by itself.
        guard transaction.db.isInTransaction else { throw error }
        transaction.takeBack(to: mark)
        transaction.end()
        // Nothing is left to commit.
        return [error]
      }
      rollBack()
      var outcomes: [StoreError?] = []
      try transaction.db("BEGIN IMMEDIATE").run()
      for job in batch { outcomes.append(try attempt(job)) }
      return outcomes
    }
  }

  /// Runs one job in its own savepoint: a failing one rolls back alone. Throws only when the whole commit is lost.
  func attempt(_ job: WriteJob) throws(StoreError) -> StoreError? {
    transaction.beginJob()
    let mark = transaction.mark()
    try transaction.db("SAVEPOINT job").run()
    do throws(StoreError) {
      try job.run(transaction)
      try transaction.db("RELEASE job").run()
      transaction.keepJob()
      return nil
    } catch {
      transaction.takeBack(to: mark)
      // On a full disk and the like SQLite rolls the whole transaction back by itself.
      guard transaction.db.isInTransaction else { throw error }
      try transaction.db("ROLLBACK TO job").run()
      try transaction.db("RELEASE job").run()
      return error
    }
  }

  /// Jobs of the queue that may join the commit under way. They pass others there: commands of different sessions, which have
  /// no order among them.
  func takeLate() -> [WriteJob] {
    var late: [WriteJob] = []
    queue.withLock { queue in
      guard !queue.work.isEmpty else { return }
      queue.work.removeAll { item in
        guard case .write(let job) = item, job.joinsLate, late.count < StoreLimits.jobsPerCommit else { return false }
        late.append(job)
        return true
      }
    }
    return late
  }

  private func rollBack() {
    if transaction.db.isInTransaction { try? transaction.db("ROLLBACK").run() }
    transaction.abandon()
    // Frames that no row will refer to.
    packs.forgetUnsynced()
  }
}

/// A job whose result is taken from it after the commit, by the writer's thread itself.
private final class LocalJob<Value>: WriteJob {
  private let body: (Transaction) throws(StoreError) -> Value
  var value: Value?
  var error: StoreError?
  init(_ body: @escaping (Transaction) throws(StoreError) -> Value) { self.body = body }
  override func run(_ transaction: Transaction) throws(StoreError) { value = try body(transaction) }
  override func finish(_ error: StoreError?) { self.error = error }
}
