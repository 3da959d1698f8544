import MailClient

@testable import MailAdvice

/// The three mailboxes of the documentation: docs/choose is made from them.
enum Examples {
  /// 2026-11-25 12:00 UTC
  static let now: Int64 = 1_795_608_000
  static let day: Int64 = 86_400

  static let pop3 = ServiceFacts(.pop3, .offered, capabilities: ["PIPELINING", "SASL PLAIN", "TOP", "UIDL"])

  static func report(_ probe: FakeProbe, pop3: ServiceFacts = pop3, wishes: Wishes = Wishes()) async throws -> Report {
    Report(try await probe.measure(other: pop3), wishes: wishes)
  }

  /// Nine years of photographs and slides, nearly all in the INBOX, on a hosting of 5 GiB.
  static func bigAttachments() async throws -> Report {
    let probe = FakeProbe()
    probe.facts = ServiceFacts(
      .imap, .offered,
      capabilities: ["COMPRESS=DEFLATE", "CONDSTORE", "IDLE", "IMAP4REV1", "LIST-STATUS", "MOVE", "QUOTA", "UIDPLUS"])
    probe.pings = [.milliseconds(41), .milliseconds(38), .milliseconds(38), .milliseconds(39), .milliseconds(38)]
    probe.octetsPerSecond = 2_400_000
    var inbox: [ProbedMessage] = []
    // Oldest first; the age falls so that the last weeks bring about 4 MiB a day.
    for index in 0..<6000 {
      let age = index < 5000 ? 3200 - Int64(index) * 3060 / 5000 : 140 - Int64(index - 5000) * 140 / 1000
      let octets: Int64 =
        switch index % 10 {
        case 0: index < 5000 ? 7_600_000 : 3_600_000
        case 1: index < 5000 ? 700_000 : 1_300_000
        default: 9000 + Int64(index % 7) * 3000
        }
      inbox.append(message(UInt32(index + 1), octets, daysAgo: age))
    }
    var sent: [ProbedMessage] = []
    for index in 0..<1500 {
      let octets: Int64 = index % 12 == 0 ? 2_900_000 : 7000
      sent.append(message(UInt32(index + 1), octets, daysAgo: 3100 - Int64(index) * 3100 / 1500))
    }
    probe.boxes = [
      box("INBOX", inbox, unseen: 212, isInbox: true, content: mixed),
      box("Sent", sent, unseen: 0, content: mixed),
      box("Drafts", [message(1, 14_000, daysAgo: 12)], unseen: 0, content: mixed),
      box("Trash", [], unseen: 0, content: mixed),
    ]
    let used = probe.boxes.flatMap(\.messages).map(\.octets).total
    probe.quotaFacts = [QuotaFacts(root: "budi", resource: "STORAGE", usage: used, limit: 5 << 30)]
    return try await report(probe)
  }

  /// Mailing lists, filed by rules: a hundred messages a day, all small, hardly any of them in the INBOX.
  static func smallMail() async throws -> Report {
    let probe = FakeProbe()
    probe.account = "wati@lists.example.net"
    probe.facts = ServiceFacts(.imap, .offered, capabilities: ["IDLE", "IMAP4REV1", "QUOTA", "UIDPLUS"])
    probe.pings = [.milliseconds(12)]
    probe.octetsPerSecond = 9_000_000
    func list(_ name: String, _ count: Int, days: Int64, size: Int64, isInbox: Bool = false, unseen: Int)
      -> FakeProbe.Box
    {
      let messages = (0..<count).map { index in
        message(
          UInt32(index + 1), size + Int64(index % 11) * size / 8, daysAgo: days - Int64(index) * days / Int64(count))
      }
      return box(name, messages, unseen: unseen, isInbox: isInbox) { message in
        let header = min(message.octets / 2, 2700)
        return ContentOctets(headerOctets: header, textOctets: message.octets - header)
      }
    }
    probe.boxes = [
      list("INBOX", 2100, days: 500, size: 6000, isInbox: true, unseen: 31),
      list("Lists/kernel", 24_000, days: 400, size: 6200, unseen: 19_034),
      list("Lists/debian-devel", 11_000, days: 620, size: 5600, unseen: 4210),
      list("Lists/swift", 5200, days: 700, size: 7300, unseen: 12),
      list("Archive", 3900, days: 900, size: 5100, unseen: 0),
    ]
    let used = probe.boxes.flatMap(\.messages).map(\.octets).total
    probe.quotaFacts = [QuotaFacts(root: "wati", resource: "STORAGE", usage: used, limit: 500 << 20)]
    return try await report(probe, wishes: Wishes(devices: 2))
  }

  static func empty() async throws -> Report {
    let probe = FakeProbe()
    probe.account = "new@mail.example.org"
    probe.facts = ServiceFacts(
      .imap, .offered, capabilities: ["CONDSTORE", "IDLE", "IMAP4REV1", "MOVE", "QRESYNC", "QUOTA", "UIDPLUS"])
    probe.boxes = [box("INBOX", [], unseen: 0, isInbox: true) { _ in nil }]
    probe.quotaFacts = [QuotaFacts(root: "new", resource: "STORAGE", usage: 0, limit: 1 << 30)]
    return try await report(probe)
  }

  static func message(_ id: UInt32, _ octets: Int64, daysAgo: Int64) -> ProbedMessage {
    // An hour aside, so that no message stands exactly on the edge of a day.
    ProbedMessage(id: id, octets: octets, seconds: now - daysAgo * day - 3600)
  }

  static func box(
    _ name: String, _ messages: [ProbedMessage], unseen: Int?, isInbox: Bool = false,
    content: @escaping (ProbedMessage) -> ContentOctets?
  ) -> FakeProbe.Box {
    FakeProbe.Box(
      listing: ProbedMailbox(
        name: name, isInbox: isInbox, messages: messages.count, unseen: unseen, octets: messages.map(\.octets).total),
      messages: messages, content: content)
  }

  /// Large messages are attachments but for a little, small ones text.
  private static func mixed(_ message: ProbedMessage) -> ContentOctets {
    let header = min(message.octets, 3400)
    let rest = message.octets - header
    let text = message.octets < 100_000 ? rest : min(rest, 6000)
    return ContentOctets(headerOctets: header, textOctets: text, attachmentOctets: rest - text)
  }
}
