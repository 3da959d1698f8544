import MailNet
import Synchronization

/// Messages that the server would not take lately. A daemon does not send them again with every pass; a run of its own
/// tries each once.
final class UploadRefusals: Sendable {
  private struct Key: Hashable {
    var mailbox: Int64
    var base: String
  }
  private struct Refusal {
    var until: Int64
    var reason: String
  }
  private let refused = Mutex<[Key: Refusal]>([:])

  /// Why the server would not take it, as long as it is not tried again.
  func reason(_ base: String, in mailbox: Int64, now: Int64) -> String? {
    let key = Key(mailbox: mailbox, base: base)
    return refused.withLock { refused in
      guard let known = refused[key] else { return nil }
      if known.until > now { return known.reason }
      refused[key] = nil
      return nil
    }
  }

  func note(_ base: String, in mailbox: Int64, now: Int64, _ reason: String) {
    refused.withLock { refused in
      if refused.count >= SyncLimits.refusals { refused = refused.filter { $0.value.until > now } }
      guard refused.count < SyncLimits.refusals else { return }
      refused[Key(mailbox: mailbox, base: base)] = Refusal(until: now + SyncLimits.refusalSeconds, reason: reason)
    }
  }
}

/// While a pass sends: once the quota is full, only what is smaller than what was refused is tried.
struct QuotaMark: Sendable {
  private var limit = Int64.max
  private(set) var reason = ""

  func allows(_ size: Int64) -> Bool { size < limit }

  mutating func take(_ error: any Error, size: Int64) {
    // RFC 9208 §5.3; RFC 5530 §3.
    guard let error = error as? ClientError, case .refused(_, "OVERQUOTA"?, _) = error.kind, size < limit else {
      return
    }
    limit = size
    reason = error.sentence
  }
}
