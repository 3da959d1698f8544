import LocalMail
import MailClient
import MailNet

/// Runs a sync again and again: when the server tells of something (NOTIFY for all mailboxes, else IDLE on INBOX), when a
/// local folder changes, and every `interval` for what neither tells of.
///
/// The server is listened to on a connection of its own, so that waiting is never cut off by work. Local changes are found by
/// looking at the modification times of the folders every `localPoll`. What a pass itself changes may bring one more pass,
/// which finds nothing. After an error it waits, twice as long each time; nothing is ever asked in a loop without a pause.
public struct SyncDaemon: Sendable {
  let engine: SyncEngine
  let sleep: @Sendable (Duration) async throws -> Void

  public init(_ engine: SyncEngine) {
    self.init(engine) { try await Task.sleep(for: $0) }
  }

  init(_ engine: SyncEngine, sleep: @escaping @Sendable (Duration) async throws -> Void) {
    self.engine = engine
    self.sleep = sleep
  }

  /// Until its task is cancelled; returns then.
  /// - each: called after every pass.
  /// - Throws: what waiting can't cure: a lost root, a login that is refused, a certificate that is not trusted.
  public func run(each: @escaping @Sendable (SyncReport) -> Void = { _ in }) async throws {
    // One signal waits at most: a pass sees everything that came before it began.
    let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    signal.yield()
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await passes(signals, each) }
        group.addTask { try await listen { signal.yield() } }
        group.addTask {
          while true {
            try await sleep(engine.settings.interval)
            signal.yield()
          }
        }
        if engine.settings.mode == .sync { group.addTask { try await watchFolders { signal.yield() } } }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch {
      if error is CancellationError || Task.isCancelled { return }
      throw error
    }
  }

  private func passes(_ signals: AsyncStream<Void>, _ each: @Sendable (SyncReport) -> Void) async throws {
    // Connections stay open from pass to pass.
    let job = engine.job()
    let workers = engine.makeWorkers(job)
    var backoff = Backoff()
    do {
      for await _ in signals {
        while true {
          do {
            let report = try await SyncPass.complete(job: job, workers: workers)
            backoff.reset()
            each(report)
            break
          } catch  where error.isTemporary {
            job.progress.say(.warning, error.sentence)
            for worker in workers { await worker.disconnect() }
            try await sleep(backoff.next())
          }
        }
        // Changes come in flocks.
        try await sleep(SyncLimits.afterPass)
      }
      try Task.checkCancellation()
    } catch {
      for worker in workers { await worker.disconnect() }
      if !(error is CancellationError), !Task.isCancelled { job.progress.say(.failed, error.sentence) }
      throw error
    }
  }

  private func listen(_ signal: @Sendable () -> Void) async throws {
    let worker = RemoteWorker(engine.job())
    var backoff = Backoff()
    while true {
      do {
        try await worker.waitForNews()
        backoff.reset()
        signal()
      } catch {
        await worker.disconnect()
        try Task.checkCancellation()
        // The passes decide what ends the daemon; here it is only listened.
        try await sleep(backoff.next())
        // What happened meanwhile was not heard.
        signal()
      }
    }
  }

  private func watchFolders(_ signal: @Sendable () -> Void) async throws {
    var last = try? await engine.local.changeStamp()
    while true {
      try await sleep(engine.settings.localPoll)
      // A root that cannot be read is the passes' business.
      let now = try? await engine.local.changeStamp()
      if now != last { signal() }
      last = now
    }
  }
}

/// Waiting times after errors: doubled each time, with a random part so that many clients of a server don't come at once.
struct Backoff: Sendable {
  private var failures = 0

  mutating func reset() { failures = 0 }

  mutating func next() -> Duration {
    let factor = 1 << min(failures, 16)
    failures += 1
    return min(SyncLimits.firstBackoff * factor, SyncLimits.longestBackoff) * Double.random(in: 0.75...1)
  }
}

extension RemoteWorker {
  /// Waits on this connection for news; ends when something has happened, or when the server should be asked anew.
  func waitForNews() async throws {
    try await guarding {
      let remote = try await connection()
      if !isListening {
        if try await !remote.watchAll() { _ = try await select("INBOX", resync: nil) }
        isListening = true
      }
      _ = try await remote.idle(limit: SyncLimits.idle)
    }
  }
}

extension Error {
  /// Trying again later may help.
  fileprivate var isTemporary: Bool {
    if let error = self as? ClientError {
      switch error.kind {
      case .cannotConnect, .timedOut, .disconnected, .protocolViolation, .refused: return true
      default: return false
      }
    }
    // A disk that is full or busy may have room later; so may the state on it.
    if self is LocalMailError { return true }
    switch self as? SyncError {
    case .mailboxChanged, .state: return true
    default: return false
    }
  }
}
