import ArgumentParser
import Foundation
import IMAPClient
import IMAPCore
import MailBrowse
import MailClient
import MailNet
import MailSync
import MerpatiServer
import NIOCore
import NIOPosix
import POP3Client

struct ListMail: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show a mailbox as a table, from headers only: on a server, or as last pulled.",
    discussion: """
      Nothing is downloaded but headers and structure, nothing changes on the server, no message becomes read. Without a \
      mailbox in the URL INBOX is shown. Over pop3:// headers come by TOP; attachments cannot be seen that way.

      maildir:DIR shows what 'merpati pull imap URL --to maildir:DIR --mode headers' brought, without any network; so does \
      the name of an account with mode headers, behind --config FILE.
      """)

  @Argument(
    help: ArgumentHelp(
      "imaps://user@host/MAILBOX, imap://, pop3s://, pop3://, maildir:DIR, or with --config an account",
      valueName: "place"))
  var place: String
  @OptionGroup var options: PlaceOptions
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
      let filter = try self.filter()
      switch try await MailPlace.find(place, options, remote) {
      case .replica(let kept):
        defer { kept.replica.close() }
        if mailboxes { return try showMailboxes(await kept.replica.mailboxes().map(Row.init)) }
        try print(
          await MailboxTable.read(kept.replica, mailbox: kept.mailbox, newest: all ? nil : number, filter))
      case .server(let server) where server.server.mailProtocol == .imap: try await showIMAP(server, filter)
      case .server(let server): try await showPOP3(server, filter)
      }
    }
  }

  private func showIMAP(_ place: MailPlace.Server, _ filter: ListFilter) async throws {
    let client = try await IMAPClient.connect(
      to: place.server, group: MultiThreadedEventLoopGroup.singleton, timeouts: .init())
    do {
      try await client.logIn(user: place.user, place.credential, compress: true)
      if mailboxes {
        try showMailboxes(await client.mailboxes(status: true).map(Row.init))
      } else {
        let selection = ListSelection(newest: all ? nil : number, key: filter.key)
        try print(await MailboxTable.read(client, mailbox: place.mailbox, selection))
      }
      await client.logOut()
    } catch {
      await client.abandon()
      throw error
    }
  }

  private func showPOP3(_ place: MailPlace.Server, _ filter: ListFilter) async throws {
    guard !mailboxes, filter.isEmpty, options.mailbox == nil else {
      throw Refusal.usage("POP3 has one mailbox and no search; use an imap:// or imaps:// URL")
    }
    let client = try await POP3Client.connect(
      to: place.server, group: MultiThreadedEventLoopGroup.singleton, timeouts: .init())
    do {
      try await client.logIn(user: place.user, place.credential)
      try print(await MailboxTable.read(client, ListSelection(newest: all ? nil : number)))
      // Without QUIT: TOP may count as reading on servers that delete what was read.
      await client.abandon()
    } catch {
      await client.abandon()
      throw error
    }
  }

  private func filter() throws -> ListFilter {
    var filter = ListFilter()
    filter.unseen = unseen
    filter.from = from
    filter.subject = subject
    filter.since = try since.map(Self.day)
    return filter
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
    let now = Int64(Date().timeIntervalSince1970)
    if table.messages.isEmpty {
      Terminal.say(table.exists == 0 ? "\(table.mailbox) is empty" : "\(table.mailbox): nothing matches")
      return noteAge(table, now)
    }
    let width = Terminal.width
    let uidWidth = table.messages.map { String($0.uid).count }.max() ?? 1
    let fixed = uidWidth + 2 + 2 + 12 + 2 + 9 + 2
    let fromWidth = max(12, min(24, (width - fixed) / 3))
    let subjectWidth = max(16, width - fixed - fromWidth - 2)
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
    noteAge(table, now)
  }

  /// Of what is at home.
  private func noteAge(_ table: MailboxTable, _ now: Int64) {
    if let asOf = table.asOf { Terminal.note("as pulled on \(Text.date(asOf, now: now))") }
    if let missing = table.withoutHeader {
      Terminal.note("\(missing) more are known whose headers have not come yet: run 'merpati pull' again")
    }
  }

  private struct Row: Codable {
    var mailbox: String
    var messages: Int?
    var unseen: Int?
    var octets: Int64?
    var attributes: [String]?

    init(_ box: RemoteMailbox) {
      mailbox = box.name
      (messages, unseen, octets) = (box.status?.messages, box.status?.unseen, box.status?.size)
      attributes = box.attributes.sorted()
    }

    init(_ box: ReplicaMailbox) {
      mailbox = box.name
      (messages, unseen, octets) = (box.messages, box.unseen, box.octets)
    }
  }

  private func showMailboxes(_ rows: [Row]) throws {
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
