import MailClient
import NIOCore

/// Tells how far the work is, a few times a second at most. One task at a time.
final class TransferProgress {
  private let report: JobReporter
  private let account: String
  private var mailbox: String?
  private var done = 0
  private var total: Int?
  private var isTotalKnown = false
  private var bytes: Int64 = 0
  private var last = NIODeadline.uptimeNanoseconds(0)

  init(_ report: @escaping JobReporter, account: String) {
    self.report = report
    self.account = account
  }

  private func say(_ kind: JobEvent.Kind, _ text: String? = nil) {
    report(
      JobEvent(kind, account: account, mailbox: mailbox, done: done, total: total, bytes: bytes, text: text))
  }

  /// `total`: messages of all mailboxes, where known.
  func started(total: Int?) {
    self.total = total
    isTotalKnown = total != nil
    say(.started)
  }

  func enter(_ mailbox: String?) { self.mailbox = mailbox }

  func advance(messages: Int, bytes: Int64) {
    done += messages
    self.bytes += bytes
    tick()
  }

  /// A mailbox was opened. Counts where the total was not known from the beginning.
  func found(_ messages: Int) { if !isTotalKnown { total = (total ?? 0) + messages } }

  private func tick() {
    let now = NIODeadline.now()
    guard now - last >= .milliseconds(250) else { return }
    last = now
    say(.progress)
  }

  func warn(_ text: String) { say(.warning, text) }

  func finished(_ report: TransferReport) {
    mailbox = nil
    say(report.isClean ? .finished : .failed, report.stopped)
  }
}
