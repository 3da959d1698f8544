import ArgumentParser
import Foundation
import IMAPClient
import IMAPCore
import MailBrowse
import MailClient
import MailNet
import MerpatiServer
import NIOCore
import NIOPosix
import POP3Client

struct ListMail: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show a mailbox on a server as a table, from headers only.",
    discussion: """
      Nothing is downloaded but headers and structure, nothing changes on the server, no message becomes read. Without a \
      mailbox in the URL INBOX is shown. Over pop3:// headers come by TOP; attachments cannot be seen that way.
      """)

  @Argument(help: ArgumentHelp("imaps://user@host/MAILBOX, imap://, pop3s:// or pop3://", valueName: "url")) var url:
    String
  @OptionGroup var remote: RemoteOptions
  @Option(name: .shortAndLong, help: ArgumentHelp("The newest this many.", valueName: "n")) var number = 50
  @Flag(name: .shortAndLong, help: "All messages.") var all = false
  @Flag(help: "Only messages that are not read yet.") var unseen = false
  @Option(help: ArgumentHelp("Only from senders that contain this.", valueName: "text")) var from: String?
  @Option(help: ArgumentHelp("Only with this in the subject.", valueName: "text")) var subject: String?
  @Option(help: ArgumentHelp("Only messages that came on this day or later.", valueName: "yyyy-mm-dd")) var since:
    String?
  @Flag(name: .shortAndLong, help: "Show the mailboxes of the account instead.") var mailboxes = false
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await Terminal.run {
      guard number > 0 else { throw Refusal.usage("--number: \(number) is not above 0") }
      let remote = try Remote(url, self.remote)
      let group = MultiThreadedEventLoopGroup.singleton
      switch remote.server.mailProtocol {
      case .imap:
        let client = try await IMAPClient.connect(to: remote.server, group: group, timeouts: .init())
        do {
          try await client.logIn(user: remote.user, remote.credential, compress: true)
          if mailboxes {
            try await showMailboxes(client)
          } else {
            try await show(client, remote.url.mailbox ?? "INBOX")
          }
          await client.logOut()
        } catch {
          await client.abandon()
          throw error
        }
      case .pop3:
        guard !mailboxes, !unseen, from == nil, subject == nil, since == nil else {
          throw Refusal.usage("POP3 has one mailbox and no search; use an imap:// or imaps:// URL")
        }
        let client = try await POP3Client.connect(to: remote.server, group: group, timeouts: .init())
        do {
          try await client.logIn(user: remote.user, remote.credential)
          try print(await MailboxTable.read(client, ListSelection(newest: all ? nil : number)))
          // Without QUIT: TOP may count as reading on servers that delete what was read.
          await client.abandon()
        } catch {
          await client.abandon()
          throw error
        }
      }
    }
  }

  private func show(_ client: IMAPClient, _ mailbox: String) async throws {
    var keys: [SearchKey] = []
    if unseen { keys.append(.unflag(.seen)) }
    if let from { keys.append(.address(.from, ByteBuffer(string: from))) }
    if let subject { keys.append(.subject(ByteBuffer(string: subject))) }
    if let since { keys.append(.since(try Self.day(since))) }
    let key: SearchKey? = keys.count > 1 ? .and(keys) : keys.first
    try print(
      await MailboxTable.read(client, mailbox: mailbox, ListSelection(newest: all ? nil : number, key: key)))
  }

  static func day(_ text: String) throws -> IMAPDay {
    let fields = text.split(separator: "-").map { Int($0) }
    guard fields.count == 3, let year = fields[0], let month = fields[1], let day = fields[2],
      (1970...9999).contains(year),
      (1...12).contains(month), (1...31).contains(day)
    else { throw Refusal.usage("--since: '\(text)' is not a day such as 2026-11-25") }
    var parts = tm()
    parts.tm_year = Int32(year - 1900)
    parts.tm_mon = Int32(month - 1)
    parts.tm_mday = Int32(day)
    return IMAPDay(Int32(clamping: timegm(&parts) / 86_400))
  }

  private func print(_ table: MailboxTable) throws {
    if json { return try Terminal.json(table) }
    if table.messages.isEmpty {
      Terminal.say(table.exists == 0 ? "\(table.mailbox) is empty" : "\(table.mailbox): nothing matches")
      return
    }
    let width = Terminal.width
    let uidWidth = table.messages.map { String($0.uid).count }.max() ?? 1
    let fixed = uidWidth + 2 + 2 + 12 + 2 + 9 + 2
    let fromWidth = max(12, min(24, (width - fixed) / 3))
    let subjectWidth = max(16, width - fixed - fromWidth - 2)
    let now = Int64(Date().timeIntervalSince1970)
    for message in table.messages {
      let mark = message.flags.contains("Flagged") ? "!" : message.isSeen ? " " : "•"
      let clip = message.attachments.isEmpty ? "" : "📎 "
      Swift.print(
        Text.right(String(message.uid), uidWidth), mark,
        Text.left(message.date.map { Text.date($0, now: now) } ?? "–", 12),
        Text.left(message.from, fromWidth) + " ",
        Text.left(clip + message.subject, subjectWidth) + " ", Text.right(Text.size(message.octets), 9))
    }
    let shown = table.messages.count == table.exists ? "" : " of \(table.exists)"
    Terminal.note(
      "\(table.messages.count)\(shown) messages in \(table.mailbox), \(Text.size(table.octetsListed)); "
        + "\(Text.size(table.octetsReceived)) travelled")
  }

  private func showMailboxes(_ client: IMAPClient) async throws {
    struct Row: Codable {
      var mailbox: String
      var messages: Int?
      var unseen: Int?
      var octets: Int64?
      var attributes: [String]
    }
    let rows = try await client.mailboxes(status: true).map { box in
      Row(
        mailbox: box.name, messages: box.status?.messages, unseen: box.status?.unseen, octets: box.status?.size,
        attributes: box.attributes.sorted())
    }
    if json { return try Terminal.json(rows) }
    Terminal.table(
      ["MAILBOX", "MESSAGES", "UNREAD", "SIZE"],
      rows.map { row in
        [
          row.mailbox, row.messages.map(String.init) ?? "–", row.unseen.map(String.init) ?? "–",
          row.octets.map(Text.size) ?? "–",
        ]
      }, right: [1, 2, 3])
  }
}
