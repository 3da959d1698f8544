public import LocalMail
public import MailClient
import NIOPosix

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `pull imap`: brings the mailboxes of an account and a Maildir++ tree into agreement.
///
/// One engine holds one state; a second one for the same folder is refused while it is open. Everything may be interrupted
/// at any time: the next pass goes on.
public final class SyncEngine: Sendable {
  public let account: String
  public let settings: SyncSettings
  let state: SyncState
  let local: any SyncLocal
  let connect: RemoteFactory
  let report: JobReporter?
  let now: @Sendable () -> Int64

  /// Blocks for some milliseconds.
  /// - account: name in the configuration, or `user@host`; a state made for another account is refused.
  /// - stateFolder: where the state is kept; nil: in the root of the Maildir tree, which is created when it is missing.
  public convenience init(
    account: String, tree: MaildirTree, stateFolder: String?, settings: SyncSettings,
    landing: LandingSettings = LandingSettings(), threads: NIOThreadPool, connect: @escaping RemoteFactory,
    report: JobReporter?
  ) throws {
    if let stateFolder {
      guard mkdir(stateFolder, 0o700) == 0 || errno == EEXIST else {
        throw SyncError.state(path: stateFolder, String(cString: strerror(errno)))
      }
    } else {
      // A root that lost its mount would be made anew here; the mark is in it with the state, so nothing is known then.
      // The state's file is made after the root is durable: where both are there, nothing needs to be flushed again.
      if access("\(tree.root)/\(SyncState.fileName)", F_OK) != 0 { try tree.create() }
      if try !tree.isThere() { try tree.create() }
    }
    var landing = landing
    if landing.owner.isEmpty { landing.owner = "sync" }
    try self.init(
      account: account, stateFolder: stateFolder ?? tree.root, settings: settings,
      local: MaildirLocal(tree: tree, settings: landing, threads: threads), connect: connect, report: report)
  }

  init(
    account: String, stateFolder: String, settings: SyncSettings, local: any SyncLocal,
    connect: @escaping RemoteFactory,
    report: JobReporter?, now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) },
    crash: @escaping CrashPoint = { _ in }
  ) throws {
    self.account = account
    self.settings = settings
    self.local = local
    self.connect = connect
    self.report = report
    self.now = now
    state = try SyncState(folder: stateFolder, account: account, crash: crash)
  }

  /// Ends the engine; its lock is free then. Idempotent.
  public func close() { state.close() }

  deinit { close() }

  /// One pass over all mailboxes, or two where one of them was replaced on the server meanwhile. What a single mailbox or message could not do stands in the report.
  /// - Throws: `ClientError`, `LocalMailError`, `SyncError` where nothing could be done at all.
  public func run() async throws -> SyncReport {
    let job = job()
    let workers = makeWorkers(job)
    do {
      let report = try await SyncPass.complete(job: job, workers: workers)
      for worker in workers { await worker.disconnect() }
      return report
    } catch {
      for worker in workers { await worker.disconnect() }
      report?(JobEvent(.failed, account: account, text: error.sentence))
      throw error
    }
  }

  public var quarantine: Quarantine { Quarantine(state: state, local: local) }

  /// For `--mode headers`.
  public var replica: HeaderReplica { HeaderReplica(state: state, connect: connect) }

  static let serverKey = "server"

  /// Keeps with the headers where they came from, so that parts can be fetched later by naming the folder alone.
  public func remember(_ server: RemoteServer) async throws {
    guard settings.mode == .headers, let text = ReplicaServer(server).text else { return }
    if try await state.info(Self.serverKey) != text { try await state.setInfo(Self.serverKey, text) }
  }

  func job() -> SyncJob {
    SyncJob(
      account: account, settings: settings, state: state, local: local, connect: connect,
      progress: SyncProgress(account: account, report: report), now: now)
  }

  func makeWorkers(_ job: SyncJob) -> [RemoteWorker] {
    (0..<max(1, settings.connections)).map { _ in RemoteWorker(job) }
  }
}
