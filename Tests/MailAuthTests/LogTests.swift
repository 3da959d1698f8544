import MailNet
import MailStore
import SASL
import Testing

@testable import MailAuth

@Suite(.timeLimit(.minutes(1)))
struct LogTests {
  @Test func `Each login is one line, with everything but the password`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("sehr-geheim"))
      let connection = try await bench.connection()
      _ = try await bench.login("ana", "sehr-geheim", on: connection)
      _ = try await bench.login("ana", "ganz-falsch", on: connection)
      for mechanism in SASLMechanism.allCases {
        _ = try await bench.exchange(mechanism, "ana", "sehr-geheim", on: connection)
        _ = try await bench.exchange(mechanism, "ana", "ganz-falsch", on: connection)
      }
      let lines = bench.lines.all
      #expect(lines.count == 10)
      #expect(
        lines.first
          == "info login account=ana conn=\(connection.id) listener=imap method=LOGIN peer=\(connection.peer) tls=no")
      #expect(lines.dropFirst().first?.contains("notice login failed account=ana") == true)
      #expect(lines.dropFirst().first?.contains("reason=wrong credentials") == true)
      #expect(lines.count { $0.contains("method=SCRAM-SHA-256") } == 2)
      #expect(!lines.contains { $0.contains("geheim") || $0.contains("falsch") })
    }
  }

  @Test func `A name can't write lines of its own`() async throws {
    try await AuthBench.with { bench in
      _ = try await bench.login("ana\r\ninfo login account=root \u{202E}", "x")
      _ = try await bench.login(String(repeating: "ä", count: 1000), "x")
      let lines = bench.lines.all
      #expect(lines.count == 2)
      #expect(lines.allSatisfy { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\u{202E}" } })
      #expect(lines.allSatisfy { $0.count < 300 })
    }
  }
}
