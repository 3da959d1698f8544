import ArgumentParser
import Foundation
import LocalMail
import MailSync
import MerpatiServer
import NIOPosix

struct PullUndo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "undo", abstract: "Bring back what 'pull imap' deleted: from the quarantine of a Maildir.",
    discussion:
      "Without an option the quarantine is listed. In sync mode the next run sends what is back to the server again.")

  @Argument(help: ArgumentHelp("The Maildir that was given as maildir:DIR.", valueName: "dir")) var directory: String
  @Option(help: ArgumentHelp("Bring back what was deleted in the last so many hours.", valueName: "hours"))
  var since: Double?
  @Option(help: ArgumentHelp("Bring back this one; may be given again.", valueName: "number")) var message: [Int64] = []
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await Terminal.run {
      let path = Places.absolute(directory)
      guard FileManager.default.fileExists(atPath: path) else {
        throw Refusal(code: .noInput, sentence: "\(path): no such folder")
      }
      let quarantine = try Quarantine.open(
        tree: MaildirTree(root: path), threads: NIOThreadPool.singleton)
      defer { quarantine.close() }
      let rows: [QuarantinedMessage]
      let isRestored = since != nil || !message.isEmpty
      if let since {
        rows = try await quarantine.undo(since: Int64(Date().timeIntervalSince1970 - since * 3600))
      } else if !message.isEmpty {
        rows = try await quarantine.restore(ids: message)
      } else {
        rows = try await quarantine.list()
      }
      try show(rows, isRestored: isRestored)
    }
  }

  private func show(_ rows: [QuarantinedMessage], isRestored: Bool) throws {
    struct Row: Encodable {
      var number: Int64
      var mailbox: String
      var deleted: Int64
      var octets: Int64
    }
    if json {
      return try Terminal.json(
        rows.map { Row(number: $0.id, mailbox: $0.folder.joined(separator: "/"), deleted: $0.at, octets: $0.size) })
    }
    guard !rows.isEmpty else { return print(isRestored ? "nothing to bring back" : "the quarantine is empty") }
    let now = Int64(Date().timeIntervalSince1970)
    Terminal.table(
      ["NUMBER", "MAILBOX", "DELETED", "SIZE"],
      rows.map { [String($0.id), $0.folder.joined(separator: "/"), Text.date($0.at, now: now), Text.size($0.size)] },
      right: [0, 3])
    if isRestored { Terminal.note("\(rows.count) messages are back") }
  }
}
