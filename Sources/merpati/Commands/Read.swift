import ArgumentParser
import Foundation
import IMAPClient
import MailBrowse
import MailClient
import MailNet
import MailSync
import MerpatiServer
import NIOCore
import NIOPosix

struct ReadMail: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read", abstract: "Read one message, or one part of it, without downloading the rest.",
    discussion: """
      Without an option the headers, the text and the list of attachments are shown; only the text part travels. \
      --part gives one part's content as a file: merpati read imaps://user@host/INBOX 4211 --part 2 > photo.jpg

      maildir:DIR reads from what 'merpati pull imap --mode headers' keeps: what was read before is at home; anything else \
      is fetched from the server it came from, that part alone, and kept.
      """)

  @Argument(
    help: ArgumentHelp(
      "imaps://user@host/MAILBOX, imap://, maildir:DIR, or with --config an account", valueName: "place")
  )
  var place: String
  @Argument(help: "The message's UID, as 'merpati list' shows it.") var uid: UInt32
  @OptionGroup var options: PlaceOptions
  @OptionGroup var remote: RemoteOptions
  @Option(help: ArgumentHelp("This part's content, transfer encoding undone.", valueName: "n")) var part: String?
  @Flag(help: "As it is stored: the whole message, or with --part the part as it travels.") var raw = false
  @Flag(help: "Only the header, as it is stored.") var header = false
  @Flag(help: "Mark the message as read.") var markSeen = false
  @Flag(help: "Print what the message is as JSON: envelope, flags, parts with their octets.") var json = false

  func run() async throws {
    try await Terminal.run {
      guard !(header && (raw || part != nil)), !(json && (raw || header || part != nil)) else {
        throw Refusal.usage("--header, --part or --raw, and --json exclude each other")
      }
      let reading =
        try part.map { Reading.part(try Reading.path($0), raw: raw) } ?? (raw ? .raw : header ? .header : nil)
      switch try await MailPlace.find(place, options, remote) {
      case .replica(let kept):
        defer { kept.replica.close() }
        guard !markSeen else {
          throw Refusal.usage("--mark-seen is the server's business: give its URL in place of \(place)")
        }
        try await read(MessageReading.open(kept.replica, mailbox: kept.mailbox), reading)
        noteOctets(kept.replica.octetsReceived)
      case .server(let server): try await readOnline(server, reading)
      }
    }
  }

  private func readOnline(_ place: MailPlace.Server, _ reading: Reading?) async throws {
    guard place.server.mailProtocol == .imap else {
      throw Refusal.usage(
        "POP3 knows whole messages only; use an imap:// or imaps:// URL, or 'merpati pull pop3 --keep' for all of them")
    }
    let client = try await IMAPClient.connect(
      to: place.server, group: MultiThreadedEventLoopGroup.singleton, timeouts: .init())
    do {
      try await client.logIn(user: place.user, place.credential, compress: true)
      try await read(MessageReading.open(client, mailbox: place.mailbox, markSeen: markSeen), reading)
      noteOctets(client.counters.received)
      await client.logOut()
    } catch {
      await client.abandon()
      throw error
    }
  }

  private func read(_ message: MessageReading, _ reading: Reading?) async throws {
    guard let reading else { return try await show(message) }
    try await message.read(uid, reading, markSeen: markSeen) { try $0.withUnsafeReadableBytes(Terminal.put) }
  }

  private func noteOctets(_ octets: Int64) {
    if isatty(STDERR_FILENO) == 1 { Terminal.note("\(Text.size(octets)) travelled") }
  }

  private func show(_ reading: MessageReading) async throws {
    let overview = try await reading.overview(uid)
    if json {
      struct Output: Encodable {
        var message: ListedMessage
        var to: [String]
        var cc: [String]
        var parts: [MessageOverview.Part]
      }
      return try Terminal.json(
        Output(message: overview.message, to: overview.to, cc: overview.cc, parts: overview.parts))
    }
    let text = try await reading.text(of: overview, markSeen: markSeen)
    let message = overview.message
    func line(_ name: String, _ value: String) { if !value.isEmpty { print(Text.left(name, 9) + value) } }
    line("From", message.from == message.fromAddress ? message.from : "\(message.from) <\(message.fromAddress)>")
    line("To", overview.to.joined(separator: ", "))
    line("Cc", overview.cc.joined(separator: ", "))
    line("Date", message.date.map { Text.date($0, now: Int64(Date().timeIntervalSince1970)) } ?? "")
    line("Subject", message.subject)
    line("Flags", message.flags.joined(separator: " "))
    print("")
    print(text)
    guard !message.attachments.isEmpty else { return }
    print("")
    Terminal.table(
      ["PART", "SIZE", "TYPE", "NAME"],
      message.attachments.map { [$0.part, Text.size($0.decodedOctets), $0.type, $0.name ?? "–"] }, right: [1])
  }
}
