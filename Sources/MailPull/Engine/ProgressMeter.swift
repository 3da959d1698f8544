import MailClient

/// Tells how far an account is, a few times a second.
struct ProgressMeter {
  private let account: String
  private let time: PullTime
  private let report: JobReporter?
  private var last: Duration?
  var done = 0
  var total: Int?
  var bytes: Int64 = 0
  var bytesTotal: Int64?

  init(account: String, time: PullTime, report: JobReporter?) {
    self.account = account
    self.time = time
    self.report = report
  }

  mutating func advance(messages: Int, octets: Int64) {
    done += messages
    bytes += octets
    guard let report else { return }
    let now = time.elapsed()
    if let last, now - last < PullLimits.progressPause { return }
    last = now
    report(event(.progress, nil))
  }

  func tell(_ kind: JobEvent.Kind, _ text: String?) { report?(event(kind, text)) }

  private func event(_ kind: JobEvent.Kind, _ text: String?) -> JobEvent {
    JobEvent(
      kind, account: account, done: done, total: total, bytes: bytes, bytesTotal: bytesTotal, text: text)
  }
}
