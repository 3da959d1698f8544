import MailClient
import MailNet
import Synchronization

/// What every part of a pass needs.
struct SyncJob: Sendable {
  let account: String
  let settings: SyncSettings
  let state: SyncState
  let local: any SyncLocal
  let connect: RemoteFactory
  let progress: SyncProgress
  /// Seconds since 1970.
  let now: @Sendable () -> Int64
  let refusals = UploadRefusals()
  let replaced = ReplacedMailboxes()

  /// The server is right, and nothing is written there.
  var isReadOnly: Bool { settings.mode != .sync }
}

/// Counts what is done and tells the reporter a few times a second.
final class SyncProgress: Sendable {
  private struct Counts {
    var done = 0
    var total = 0
    var bytes: Int64 = 0
    var bytesTotal: Int64 = 0
    var last: ContinuousClock.Instant?
  }
  private let counts = Mutex(Counts())
  private let account: String
  private let report: JobReporter?

  init(account: String, report: JobReporter?) {
    self.account = account
    self.report = report
  }

  func expect(_ messages: Int, bytes: Int64) {
    counts.withLock {
      $0.total += messages
      $0.bytesTotal += bytes
    }
  }

  func did(_ messages: Int, bytes: Int64, in mailbox: String) {
    guard let report else { return }
    let event = counts.withLock { counts -> JobEvent? in
      counts.done += messages
      counts.bytes += bytes
      let now = ContinuousClock.now
      if let last = counts.last, now - last < .seconds(1) / SyncLimits.progressPerSecond { return nil }
      counts.last = now
      return JobEvent(
        .progress, account: account, mailbox: mailbox, done: counts.done, total: max(counts.total, counts.done),
        bytes: counts.bytes, bytesTotal: max(counts.bytesTotal, counts.bytes))
    }
    if let event { report(event) }
  }

  func say(_ kind: JobEvent.Kind, mailbox: String? = nil, _ text: String? = nil) {
    guard let report else { return }
    let event = counts.withLock {
      JobEvent(
        kind, account: account, mailbox: mailbox, done: $0.done, total: $0.total, bytes: $0.bytes,
        bytesTotal: $0.bytesTotal, text: text)
    }
    report(event)
  }
}

extension Error {
  /// The server refused a command; the connection is still good.
  var isRefusal: Bool {
    guard let error = self as? ClientError else { return false }
    switch error.kind {
    case .refused, .unsupported: return true
    default: return false
    }
  }

  /// One sentence for reports.
  var sentence: String { "\(self)" }
}

extension Error {
  /// No connection can be had: others would fail the same way.
  var isUnreachable: Bool {
    guard let error = self as? ClientError else { return false }
    switch error.kind {
    case .cannotConnect, .tls, .cleartextRefused, .authenticationFailed, .secretUnavailable, .cancelled: return true
    default: return false
    }
  }
}
