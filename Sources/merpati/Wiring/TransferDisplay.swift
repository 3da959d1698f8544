import ArgumentParser
import Foundation
import MailClient
import MailTransfer
import MerpatiServer

/// Where `import` takes mail from and `export` puts it.
enum TransferPlace {
  case maildir(String)
  case mbox(String)
  case server(String)

  init(_ text: String) throws {
    if text.contains("://") {
      self = .server(text)
    } else if text.hasPrefix("maildir:"), text.utf8.count > 8 {
      self = .maildir(Places.absolute(String(text.dropFirst(8))))
    } else if text.hasPrefix("mbox:"), text.utf8.count > 5 {
      self = .mbox(Places.absolute(String(text.dropFirst(5))))
    } else {
      throw Refusal.usage("'\(text)': write maildir:DIR, mbox:FILE or imaps://user@host")
    }
  }
}

/// Progress on standard error, the report on standard output; the code says whether all of it is there.
struct TransferDisplay {
  private let json: Bool
  private let display: ProgressDisplay?

  init(json: Bool) {
    self.json = json
    display = isatty(STDERR_FILENO) == 1 && !json ? ProgressDisplay(json: false) : nil
  }

  func report(_ event: JobEvent) {
    var event = event
    // The report says it all.
    if event.event == .finished || event.event == .failed { event.text = nil }
    display?.report(event)
  }

  func show(_ report: TransferReport) throws {
    if json {
      try Terminal.json(Output(report))
    } else {
      Terminal.say(report.text)
    }
    guard !report.isClean else { return }
    throw ExitCode(report.stopped == nil ? EX_DATAERR : EX_TEMPFAIL)
  }

  private struct Output: Encodable {
    var clean: Bool
    var messages: Int
    var octets: Int64
    var transferred: Int
    var present: Int
    var verified: Int
    var stopped: String?
    var problems: [String]
    var mailboxes: [TransferReport.Mailbox]

    init(_ report: TransferReport) {
      clean = report.isClean
      messages = report.messages
      octets = report.bytes
      transferred = report.transferred
      present = report.present
      verified = report.verified
      stopped = report.stopped
      problems = report.problems + report.mailboxes.flatMap { box in box.problems.map { "\(box.name): \($0)" } }
      mailboxes = report.mailboxes
    }
  }
}
