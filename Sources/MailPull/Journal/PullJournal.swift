public import NIOPosix
import Synchronization

/// Which messages of an account are at home in a target: one SQLite file. What it says allows DELE, so every change is on
/// the disk when the call returns. Calls run on a thread of the pool given.
public final class PullJournal: Sendable {
  public let account: String
  public let path: String
  private struct Open {
    var database: JournalDatabase
    var lock: AccountLock
  }
  private let state: Mutex<Open?>
  private let threads: NIOThreadPool
  private let seam: JournalSeam

  /// Opens, or creates, the journal of an account and a target, and locks the account.
  ///
  /// - Parameters:
  ///   - folder: for journals and locks, created if missing; for example `~/.local/state/merpati/pull`.
  ///   - account: the server and the user, for example `pop3s://budi@mail.example.org:995`.
  ///   - target: for example `maildir:/srv/budi/Mail`.
  /// - Throws: `PullError`, `.inUse` when another run works on the account, whatever its target.
  public static func open(
    folder: String, account: String, target: String, threads: NIOThreadPool
  ) async throws -> PullJournal {
    try await open(folder: folder, account: account, target: target, threads: threads, seam: JournalSeam())
  }

  static func open(
    folder: String, account: String, target: String, threads: NIOThreadPool, seam: JournalSeam
  ) async throws -> PullJournal {
    try await threads.runIfActive {
      do {
        return try PullJournal(folder: folder, account: account, target: target, threads: threads, seam: seam)
      } catch { throw PullError.of(error, account: account) }
    }
  }

  private init(folder: String, account: String, target: String, threads: NIOThreadPool, seam: JournalSeam) throws {
    try PullFiles.makeFolder(folder)
    let lock = try AccountLock(path: "\(folder)/\(JournalName.of(account)).lock", account: account)
    path = "\(folder)/\(JournalName.of(account, target)).sqlite"
    let database = try JournalDatabase(path: path)
    try JournalSchema.prepare(database, account: account, target: target)
    state = Mutex(Open(database: database, lock: lock))
    self.account = account
    self.threads = threads
    self.seam = seam
  }

  // MARK: Reading

  /// All that are not gone, in the order they came.
  public func lines() async throws -> [JournalLine] { try await run { try $0.lines() } }

  /// Those whose landing was begun and not settled.
  public func unsettled() async throws -> [JournalEntry] { try await run { try $0.unsettled() } }

  /// Whole entries of these numbers.
  public func entries(_ ids: Set<Int64>) async throws -> [JournalEntry] { try await run { try $0.entries(ids) } }

  /// Entries that are gone from the server and had one of these UIDLs.
  public func gone(uidls: [String]) async throws -> [JournalEntry] { try await run { try $0.gone(uidls: uidls) } }

  /// The message that was to stay when others were last deleted.
  public func witness() async throws -> JournalWitness? { try await run { try $0.witness() } }

  /// The mark of the place that the journal speaks of; nil before the first run.
  public func place() async throws -> String? { try await run { try $0.place() } }

  // MARK: Writing

  /// - forgetting: what is written here came home to another place; all of it is forgotten in the same transaction.
  public func setPlace(_ mark: String, forgetting: Bool = false) async throws {
    try await run(writing: true) { database in
      try database.transaction {
        if forgetting { try database.forgetAll() }
        try database.setPlace(mark)
      }
    }
  }

  /// Makes all changes, in one transaction.
  public func write(_ changes: [JournalChange], at now: Int64) async throws {
    if changes.isEmpty { return }
    try await run(writing: true) { database in
      try database.transaction { for change in changes { try database.apply(change, at: now) } }
    }
  }

  /// Writes what is about to be landed, in one transaction. Returns the new entries' numbers, in order.
  public func intend(_ intents: [JournalIntent], at now: Int64) async throws -> [Int64] {
    if intents.isEmpty { return [] }
    return try await run(writing: true) { database in
      try database.transaction { try intents.map { try database.insert($0, at: now) } }
    }
  }

  /// Forgets what has been gone since before `time`.
  public func prune(goneBefore time: Int64) async throws {
    try await run { try $0.prune(goneBefore: time) }
  }

  /// Lets go of the file and of the account. Idempotent; nothing else works afterwards.
  public func close() async {
    // In a task of its own: the lock is let go of in a cancelled one too.
    await Task { [self] in try? await threads.runIfActive { [self] in state.withLock { $0 = nil } } }.value
  }

  private func run<Value: Sendable>(
    writing: Bool = false, _ body: @escaping @Sendable (JournalDatabase) throws -> Value
  ) async throws -> Value {
    if writing { try seam.before() }
    let value = try await threads.runIfActive { [self] in
      do {
        return try state.withLock { open in
          guard let database = open?.database else {
            throw PullError(.journal(path: path, "it is closed"), account: account)
          }
          return try body(database)
        }
      } catch { throw PullError.of(error, account: account) }
    }
    if writing { try seam.after() }
    return value
  }
}

/// Where tests stop the journal: before a transaction, and after it is on the disk.
struct JournalSeam: Sendable {
  var before: @Sendable () throws -> Void = {}
  var after: @Sendable () throws -> Void = {}
}
