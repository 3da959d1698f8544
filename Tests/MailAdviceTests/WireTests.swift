import Foundation
import MailClient
import MailNet
import NIOCore
import NIOPosix
import Testing

@testable import MailAdvice

/// The whole way through the real clients: what a server hears while a mailbox of it is measured.
@Suite("On the wire nothing is said that changes mail") struct WireTests {
  private static func server(_ mailProtocol: MailProtocol, port: Int) -> RemoteServer {
    RemoteServer(
      mailProtocol: mailProtocol, host: "127.0.0.1", port: port, user: "budi",
      security: TransportSecurity(encryption: .none, trust: .system, allowsCleartextLogin: false))
  }

  /// Two mailboxes: INBOX with a message of 90,000 octets (UID 1) and one of 5000 (UID 2), Sent with nothing.
  @Sendable private static func imapAnswer(_ line: String) -> String {
    let words = line.split(separator: " ").map(String.init)
    guard words.count >= 2 else { return "* BAD\r\n" }
    let (tag, verb) = (words[0], words[1].uppercased())
    let done = "\(tag) OK done\r\n"
    switch verb {
    case "CAPABILITY": return "* CAPABILITY IMAP4rev1 QUOTA IDLE CONDSTORE\r\n" + done
    case "LOGIN", "NOOP", "ID": return done
    case "NAMESPACE": return "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" + done
    case "LIST": return "* LIST () \"/\" INBOX\r\n* LIST () \"/\" Sent\r\n" + done
    case "STATUS":
      let count = line.contains("INBOX") ? 2 : 0
      return "* STATUS \(words[2]) (MESSAGES \(count) UNSEEN \(count) UIDNEXT 3 UIDVALIDITY 7)\r\n" + done
    case "GETQUOTAROOT": return "* QUOTAROOT INBOX r\r\n* QUOTA r (STORAGE 93 100)\r\n" + done
    case "EXAMINE":
      return "* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 3] n\r\n"
        + "* OK [HIGHESTMODSEQ 5] m\r\n\(tag) OK [READ-ONLY] done\r\n"
    case "UID" where words[2].uppercased() == "FETCH": return fetched(line) + done
    case "LOGOUT": return "* BYE\r\n" + done
    default: return "\(tag) BAD not here\r\n"
    }
  }

  private static func fetched(_ line: String) -> String {
    if let start = line.range(of: "BODY.PEEK[]<") {
      let numbers = line[start.upperBound...].prefix { $0 != ">" }.split(separator: ".").compactMap { Int($0) }
      let uid = line.contains("FETCH 2 ") ? 2 : 1
      let octets = max(0, min(numbers[1], (uid == 1 ? 90_000 : 5000) - numbers[0]))
      return
        "* \(uid) FETCH (UID \(uid) BODY[]<\(numbers[0])> {\(octets)}\r\n\(String(repeating: "x", count: octets)))\r\n"
    }
    if line.contains("BODYSTRUCTURE") {
      let text = "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 4000 80 NIL NIL NIL NIL)"
      let picture = "(\"IMAGE\" \"PNG\" NIL NIL NIL \"BASE64\" 85000 NIL NIL NIL NIL)"
      return "* 1 FETCH (UID 1 BODYSTRUCTURE (\(text)\(picture) \"MIXED\" NIL NIL NIL NIL))\r\n"
        + "* 2 FETCH (UID 2 BODYSTRUCTURE \(text))\r\n"
    }
    return "* 1 FETCH (UID 1 RFC822.SIZE 90000 INTERNALDATE \"20-Nov-2026 10:00:00 +0000\")\r\n"
      + "* 2 FETCH (UID 2 RFC822.SIZE 5000 INTERNALDATE \"24-Nov-2026 10:00:00 +0000\")\r\n"
  }

  @Test("IMAP: EXAMINE, and FETCH of sizes, dates, structures and peeked pieces only")
  func imap() async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let server = try await LineServer.start(greeting: "* OK ready\r\n", group: group, Self.imapAnswer)
    let report = try await Choose.report(
      on: Self.server(.imap, port: server.port), user: "budi", .password(.value("geheim")), group: group,
      now: Examples.now)
    let heard = try await server.stop()

    let measured = report.measurement
    #expect(measured.account == "budi@127.0.0.1")
    #expect(measured.octets == 95_000)
    #expect(measured.mailboxes.map(\.name) == ["INBOX", "Sent"])
    #expect(measured.content.octets == ContentOctets(headerOctets: 2000, textOctets: 8000, attachmentOctets: 85_000))
    #expect(measured.quota == QuotaFacts(root: "r", resource: "STORAGE", usage: 93 << 10, limit: 100 << 10))
    #expect(measured.line.throughputSampleOctets == 95_000)
    #expect(measured.inbox.messagesOfLast7Days == 2)

    let commands = heard.map { $0.split(separator: " ").dropFirst().joined(separator: " ") }
    let allowed = [
      "CAPABILITY", "LOGIN ", "ID ", "NAMESPACE", "ENABLE ", "LIST ", "LSUB ", "STATUS ", "GETQUOTAROOT ", "EXAMINE ",
      "NOOP", "LOGOUT",
      "UID FETCH 1:* (UID RFC822.SIZE INTERNALDATE)", "UID FETCH 1:2 (UID BODYSTRUCTURE)",
      "UID FETCH 1 (UID BODY.PEEK[]<",
      "UID FETCH 2 (UID BODY.PEEK[]<",
    ]
    #expect(commands.filter { command in !allowed.contains { command.hasPrefix($0) } } == [])
    #expect(commands.contains { $0.hasPrefix("EXAMINE") } && commands.last == "LOGOUT")
    #expect(commands.count { $0.hasPrefix("UID FETCH") } == 5)
  }

  @Test("POP3: CAPA, STAT, LIST, UIDL, TOP, NOOP, and QUIT at the end")
  func pop3() async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let server = try await LineServer.start(greeting: "+OK ready\r\n", group: group) { line in
      switch line.split(separator: " ").first?.uppercased() {
      case "CAPA": return "+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n"
      case "USER", "PASS", "NOOP", "QUIT": return "+OK\r\n"
      case "STAT": return "+OK 2 905000\r\n"
      case "LIST": return "+OK\r\n1 5000\r\n2 900000\r\n.\r\n"
      case "UIDL": return "+OK\r\n1 a\r\n2 b\r\n.\r\n"
      case "TOP":
        let lines = line.split(separator: " ").last.flatMap { Int($0) } ?? 0
        return "+OK\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n"
          + String(repeating: String(repeating: "y", count: 76) + "\r\n", count: lines) + ".\r\n"
      default: return "-ERR not here\r\n"
      }
    }
    let report = try await Choose.report(
      on: Self.server(.pop3, port: server.port), user: "budi@example.org", .password(.value("geheim")), group: group,
      now: Examples.now)
    let heard = try await server.stop()

    #expect(report.measurement.account == "budi@example.org")
    #expect(report.measurement.octets == 905_000)
    #expect(report.measurement.inbox.messagesOfLast7Days == 2)
    let verbs = heard.map { String($0.prefix { $0 != " " }) }
    #expect(Set(verbs).isSubset(of: ["CAPA", "USER", "PASS", "STAT", "LIST", "UIDL", "TOP", "NOOP", "QUIT"]))
    #expect(verbs.last == "QUIT")
    #expect(heard.filter { $0.hasPrefix("TOP") } == ["TOP 1 0", "TOP 2 0", "TOP 2 420", "TOP 1 32"])
    #expect(!report.html().contains("geheim") && !heard.contains { $0.hasPrefix("RETR") || $0.hasPrefix("DELE") })
  }

  @Test("Nobody listens: not offered; somebody who speaks otherwise: unknown")
  func look() async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let server = try await LineServer.start(greeting: "+OK ready\r\n", group: group) { line in
      line == "CAPA" ? "+OK\r\nUIDL\r\nLOGIN-DELAY 900\r\nEXPIRE 30\r\n.\r\n" : "+OK\r\n"
    }
    let timeouts = ClientTimeouts()
    let found = await Choose.look(at: Self.server(.pop3, port: server.port), group: group, timeouts: timeouts)
    #expect(found == ServiceFacts(.pop3, .offered, capabilities: ["UIDL"], expireDays: 30, loginDelaySeconds: 900))
    var impatient = timeouts
    impatient.silence = .milliseconds(500)
    let strange = await Choose.look(at: Self.server(.imap, port: server.port), group: group, timeouts: impatient)
    #expect(strange.availability == .unknown)
    let port = server.port
    _ = try await server.stop()
    let gone = await Choose.look(at: Self.server(.pop3, port: port), group: group, timeouts: timeouts)
    #expect(gone == ServiceFacts(.pop3, .notOffered))
  }
}
