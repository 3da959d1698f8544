import Foundation
import MailNet
import MailStore
import NIOCore
import SASL
import Testing

@testable import MailAuth

@Suite(.timeLimit(.minutes(1)))
struct DelayTests {
  @Test func `Failures of an address slow its answers down, doubling up to a bound`() async throws {
    try await AuthBench.with { bench in
      let account = bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      for _ in 0..<7 { #expect(try await bench.login("ana", "falsch") == .failed(.wrongCredentials)) }
      #expect(bench.time.slept == [1, 2, 4, 8, 15, 15].map { .seconds($0) })
      // The owner gets in, after the delay.
      #expect(try await bench.login("ana", "geheim") == .success(account))
      #expect(bench.time.slept.last == .seconds(15))
    }
  }

  @Test func `A login that succeeds halves the failures, time does too`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      for _ in 0..<4 { _ = try await bench.login("ana", "falsch") }
      for _ in 0..<4 { _ = try await bench.login("ana", "geheim") }
      // Four failures, then two, then one, then none.
      #expect(bench.time.slept == [1, 2, 4, 8, 2, 1].map { .seconds($0) })
      _ = try await bench.login("ana", "falsch")
      _ = try await bench.login("ana", "falsch")
      bench.time.pass(.seconds(301))
      _ = try await bench.login("ana", "falsch")
      #expect(bench.time.slept.suffix(2) == [.seconds(1), .seconds(1)])
      bench.time.pass(.seconds(3600))
      let naps = bench.time.slept.count
      _ = try await bench.login("ana", "geheim")
      #expect(bench.time.slept.count == naps)
      #expect(bench.authenticator.delays.count == 0)
    }
  }

  @Test func `Failures by SCRAM and by name count like those by password`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      _ = try await bench.exchange(.scramSHA256, "ana", "falsch")
      _ = try await bench.exchange(.plain, "nobody", "geheim")
      _ = try await bench.exchange(.scramSHA1, "nobody", "geheim")
      #expect(bench.time.slept == [.seconds(1), .seconds(2)])
      _ = try await bench.exchange(.login, "ana", "geheim")
      #expect(bench.time.slept.last == .seconds(4))
    }
  }

  @Test func `Attempts at once from one address wait one behind the other, up to the bound`() throws {
    let delays = FailureDelays(AuthSettings(allowCleartext: false))
    let peer = try address("192.0.2.1")
    let now = ContinuousClock.now
    delays.failed(peer, now: now)
    delays.failed(peer, now: now)
    let waits = (0..<9).map { _ in delays.delay(for: peer, now: now) }
    #expect(waits == [2, 4, 6, 8, 10, 12, 14, 15, 15].map { .seconds($0) })
    // Whoever comes when the line is gone waits as long as the failures say.
    #expect(delays.delay(for: peer, now: now.advanced(by: .seconds(60))) == .seconds(2))
    #expect(delays.delay(for: try address("192.0.2.2"), now: now) == .zero)
  }

  @Test func `The failures of one IPv6 network are one`() throws {
    let delays = FailureDelays(AuthSettings(allowCleartext: false))
    let now = ContinuousClock.now
    delays.failed(try address("2001:db8::1"), now: now)
    #expect(delays.delay(for: try address("2001:db8::2"), now: now) == .seconds(1))
    #expect(delays.delay(for: try address("2001:db8:0:1::2"), now: now) == .zero)
  }

  @Test func `The table of addresses is bounded`() throws {
    let delays = FailureDelays(AuthSettings(allowCleartext: false))
    let now = ContinuousClock.now
    for number in 0..<(FailureDelays.capacity * 3) {
      delays.failed(try address("10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"), now: now)
    }
    #expect(delays.count <= FailureDelays.capacity)
    let last = FailureDelays.capacity * 3 - 1
    let latest = try address("10.\(last >> 16 & 255).\(last >> 8 & 255).\(last & 255)")
    #expect(delays.delay(for: latest, now: now) == .seconds(1))
  }

  @Test func `A unix socket has no address to count against`() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("ma-\(UUID().uuidString.prefix(8))").path
    try await AuthBench.with(trustsLoopback: false, unixSocket: path) { bench in
      let account = bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      for _ in 0..<3 { _ = try await bench.login("ana", "falsch") }
      #expect(try await bench.login("ana", "geheim") == .success(account))
      #expect(bench.time.slept == [])
    }
  }

  private func address(_ text: String) throws -> PeerAddress {
    PeerAddress(try SocketAddress(ipAddress: text, port: 1))
  }
}
