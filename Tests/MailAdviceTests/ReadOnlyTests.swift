import IMAPClient
import IMAPCore
import MailClient
import MailStore
import MailTestKit
import NIOCore
import POP3Client
import Testing

@testable import MailAdvice

@Suite("Nothing is changed by measuring") struct ReadOnlyTests {
  private func imap() -> RecordingIMAP {
    let session = RecordingIMAP()
    func message(_ uid: UInt32, _ size: Int64) -> FetchedMessage {
      var message = FetchedMessage(sequence: uid, uid: uid)
      message.size = size
      message.internalDate = IMAPDateTime(seconds: Examples.now - 86_400)
      var text = BodyStructureValue(type: "text", subtype: "plain")
      text.octets = 1000
      var picture = BodyStructureValue(type: "image", subtype: "jpeg")
      picture.octets = size - 1500
      var mixed = BodyStructureValue(type: "multipart", subtype: "mixed")
      mixed.children = [text, picture]
      message.structure = mixed
      return message
    }
    session.boxes = [
      ("INBOX", .init(messages: [message(1, 100_000), message(2, 400_000)], bodies: [1: 100_000, 2: 400_000])),
      ("Sent", .init(messages: [message(9, 5000)], bodies: [9: 5000])),
      ("Empty", .init()), ("Group", .init(attributes: ["\\noselect"])), ("All", .init(attributes: ["\\all"])),
    ]
    return session
  }

  @Test("IMAP: the exact commands of a measurement")
  func imapCommands() async throws {
    let session = imap()
    let report = try await Choose.report(on: IMAPProbe(session, account: "a@b"), now: Examples.now)
    let noops = Array(repeating: "NOOP", count: AdviceLimits.roundTrips)
    #expect(
      session.commands
        == ["GETQUOTAROOT INBOX", "LIST STATUS"]
        + ["EXAMINE INBOX", "UID FETCH RFC822.SIZE INTERNALDATE", "EXAMINE Sent", "UID FETCH RFC822.SIZE INTERNALDATE"]
        + ["EXAMINE INBOX", "UID FETCH BODYSTRUCTURE", "EXAMINE Sent", "UID FETCH BODYSTRUCTURE"] + noops
        + [
          "EXAMINE INBOX", "UID FETCH BODY.PEEK[]<0.32768>", "UID FETCH BODY.PEEK[]<32768.65536>",
          "UID FETCH BODY.PEEK[]<98304.131072>", "UID FETCH BODY.PEEK[]<229376.170624>",
          "UID FETCH BODY.PEEK[]<0.100000>", "EXAMINE Sent", "UID FETCH BODY.PEEK[]<0.5000>", "LOGOUT",
        ])
    #expect(report.measurement.octets == 505_000)
    #expect(
      report.measurement.content.octets
        == ContentOctets(headerOctets: 1500, textOctets: 3000, attachmentOctets: 500_500))
    #expect(report.measurement.quotas.map(\.resource) == ["STORAGE", "MESSAGE"])
    #expect(report.measurement.quota?.limit == 4000)
    #expect(report.measurement.mailboxes.map(\.name) == ["INBOX", "Sent", "Empty"])
  }

  @Test("IMAP: no item that can be fetched sets \\Seen")
  func imapItems() {
    for item in [IMAPReadItem.size, .internalDate, .structure, .peek(offset: 0, count: 1)] {
      #expect(!item.fetchItem.setsSeen)
    }
  }

  @Test("IMAP: of a mailbox beyond the bound only the newest UIDs are asked for")
  func imapNewest() async throws {
    let session = imap()
    session.uidNext = 3
    let probe = IMAPProbe(session, account: "a@b")
    let inbox = try #require(try await probe.mailboxes().first)
    var uids: [UInt32] = []
    try await probe.messages(of: inbox, limit: 1) { uids.append($0.id) }
    #expect(uids == [2])
  }

  private func pop3() -> RecordingPOP3 {
    let session = RecordingPOP3()
    session.capabilities.top = true
    session.capabilities.uidl = true
    session.sizes = [2000, 900_000, 3000]
    session.header = { number in
      "Received: from a by b;\r\n Mon, \(20 + number) Nov 2026 12:00:00 +0000\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\n"
    }
    return session
  }

  @Test("POP3: the exact commands of a measurement")
  func pop3Commands() async throws {
    let session = pop3()
    let report = try await Choose.report(on: POP3Probe(session, account: "a@b"), now: Examples.now)
    let noops = Array(repeating: "NOOP", count: AdviceLimits.roundTrips)
    #expect(
      session.commands
        == ["STAT", "LIST", "UIDL", "TOP 1 0", "TOP 2 0", "TOP 3 0"] + noops
        + ["TOP 2 420", "TOP 3 19", "TOP 1 12", "QUIT"])
    let measured = report.measurement
    #expect(measured.octets == 905_000)
    #expect(measured.inbox.messagesOfLast7Days == 3)
    // Headers are told from the rest; the rest is not told apart.
    let header = Int64(session.header(1).utf8.count)
    #expect(measured.content.octets.attachmentOctets == 0 && measured.content.octets.textOctets == 0)
    #expect(measured.content.headerOctetsPerMessage == Double(header))
    #expect(measured.unseenMessages == nil)
    #expect(measured.pop3.has("UIDL") && measured.imap.availability == .unknown)
  }

  @Test("POP3: where looking may count as retrieving, nothing is looked at", arguments: [0, 7])
  func pop3Expire(days: Int) async throws {
    let session = pop3()
    session.capabilities.expireDays = days
    let report = try await Choose.report(on: POP3Probe(session, account: "a@b"), now: Examples.now)
    #expect(!session.commands.contains { $0.hasPrefix("TOP") })
    #expect(report.measurement.octets == 905_000)
    #expect(report.measurement.notes.contains { $0.contains("EXPIRE") })
    #expect(report.measurement.line.octetsPerSecond == nil)
    #expect(report.measurement.content.octets == ContentOctets(unsplitOctets: 905_000))
  }

  @Test("POP3: of many messages a few headers are read, and the dates between them reckoned")
  func pop3Sample() async throws {
    let session = pop3()
    session.sizes = Array(repeating: 1000, count: 5000)
    session.header = { number in
      // One message an hour.
      let hours = Examples.now / 3600 - Int64(5000 - number)
      let (year, month, day) = CivilDate.date(ofSeconds: hours * 3600)
      return
        "Date: \(day) \(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month - 1]) "
        + "\(year) \(hours % 24):00:00 +0000\r\n\r\n"
    }
    let probe = POP3Probe(session, account: "a@b")
    var dates: [Int64] = []
    try await probe.messages(of: ProbedMailbox(name: "INBOX", isInbox: true), limit: 1_000_000) {
      dates.append($0.seconds ?? 0)
    }
    #expect(session.commands.count { $0.hasPrefix("TOP") } == AdviceLimits.topSample)
    #expect(dates.count == 5000)
    #expect(probe.remarks.contains("Dates were read in 200 of 5,000 headers; those between are reckoned."))
    for (index, seconds) in dates.enumerated() {
      #expect(abs(seconds - (Examples.now - Int64(4999 - index) * 3600)) <= 3600)
    }
  }

  @Test("A message's date is that of its last Received, else its Date")
  func headerDates() {
    func date(_ header: String) -> Int64? { POP3Probe.date(of: ByteBuffer(string: header)) }
    #expect(
      date("Received: by x; Thu, 1 Jan 1970 00:01:00 +0000\r\nReceived: by y; Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\n")
        == 60)
    #expect(date("Received: nonsense\r\nDate: Thu, 1 Jan 1970 00:02:00 +0000\r\n\r\n") == 120)
    #expect(date("Received: by x;\r\nDate: Thu, 1 Jan 1970 00:02:00 +0000\r\n\r\n") == 120)
    #expect(date("Subject: none\r\n\r\n") == nil)
    #expect(date("") == nil)
  }

  // MARK: Store

  private func store() async throws -> (FakeStore, Account) {
    let store = FakeStore()
    let account = try await store.addAccount(
      NewAccount(name: "budi", credentials: "", quota: QuotaLimits(bytes: 100_000, messages: 50), pop3Expire: .days(14))
    )
    let mail = """
      Subject: picture\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
      --b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAAAAAAAAAAAAAAAAAA\r\n--b--\r\n
      """
    for (name, body) in [("INBOX", mail), ("INBOX", "Subject: plain\r\n\r\nonly text\r\n"), ("Sent", mail)] {
      let incoming = store.newIncomingMessage()
      try await incoming.append(ByteBuffer(string: body))
      let prepared = try await incoming.finish()
      _ = try await store.append(
        [AppendedMessage(message: prepared, date: InternalDate(seconds: Examples.now - 86_400))], to: name,
        of: account.id)
    }
    return (store, account)
  }

  @Test("A store is measured, and stays as it was: UIDNEXT, MODSEQ, counters and \\Recent")
  func storeStays() async throws {
    let (store, account) = try await store()
    let before = try await store.mailboxes(of: account.id).mailboxes
    let report = try await Choose.report(on: store, account, now: Examples.now)
    #expect(try await store.mailboxes(of: account.id).mailboxes == before)
    let open = try await store.openMailbox("INBOX", of: account.id) {}
    #expect(open.peekRecent() == 1...2)
    open.close()

    let measured = report.measurement
    #expect(measured.messages == 3)
    #expect(measured.octets == before.map(\.bytes).total)
    #expect(measured.inbox.messages == 2)
    #expect(measured.unseenMessages == 3)
    #expect(
      measured.quotas == [
        QuotaFacts(root: "budi", resource: "STORAGE", usage: measured.octets, limit: 100_000),
        QuotaFacts(root: "budi", resource: "MESSAGE", usage: 3, limit: 50),
      ])
    // Two pictures of 20 octets; two hellos and a line of text.
    #expect(measured.content.octets.attachmentOctets == 40)
    #expect(measured.content.octets.textOctets == 5 + 5 + 11)
    #expect(measured.content.octets.octets == measured.octets)
    #expect(measured.pop3.expireDays == 14)
    #expect(measured.line.roundTripSeconds == nil)
    #expect(report.costs(of: .pop3Keep30)?.isPossible == false)
    #expect(report.costs(of: .pop3Keep7)?.isPossible == true)
  }
}

@Suite struct StructureTests {
  private func part(_ type: String, _ subtype: String, _ octets: Int64, _ disposition: String? = nil)
    -> BodyStructureValue
  {
    var part = BodyStructureValue(type: type, subtype: subtype)
    part.octets = octets
    part.disposition = disposition
    return part
  }

  @Test("Text is what is shown; attached text, pictures and forwarded messages are attachments")
  func kinds() {
    var alternative = BodyStructureValue(type: "multipart", subtype: "alternative")
    alternative.children = [part("text", "plain", 100), part("text", "html", 300)]
    var forwarded = part("message", "rfc822", 5000)
    forwarded.children = [part("text", "plain", 4000)]
    var mixed = BodyStructureValue(type: "multipart", subtype: "mixed")
    mixed.children = [
      alternative, part("text", "csv", 700, "attachment"), part("image", "png", 2000, "inline"), forwarded,
    ]
    #expect(
      mixed.content(ofMessage: 9000) == ContentOctets(headerOctets: 900, textOctets: 400, attachmentOctets: 7700))
  }

  @Test("A structure that claims more than the message holds is cut to it")
  func lies() {
    let lie = part("image", "png", .max)
    #expect(lie.content(ofMessage: 500) == ContentOctets(attachmentOctets: 500))
    var both = BodyStructureValue(type: "multipart", subtype: "mixed")
    both.children = [
      part("text", "plain", 400), part("image", "png", .max), part("image", "png", .max), part("a", "b", -7),
    ]
    #expect(both.content(ofMessage: 500) == ContentOctets(textOctets: 400, attachmentOctets: 100))
  }
}
