import MailStore
import NIOCore
import NIOPosix
import SASL
import Synchronization
import Testing

@testable import MailAuth

/// Keeps what every password was verified against.
private final class Tally: Sendable {
  private let works = Mutex<[PasswordWork]>([])

  var check: PasswordCheck {
    { credentials, password, iterations in
      if let work = credentials.work { self.works.withLock { $0.append(work) } }
      return credentials.verify(password, iterations: iterations)
    }
  }

  /// What was done since the last look, each kind with its number.
  func take() -> [PasswordWork: Int] {
    works.withLock { works in
      defer { works = [] }
      return works.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
  }
}

/// How long a refusal takes depends on what is computed for it; so that is counted, not the time.
@Suite(.timeLimit(.minutes(1)))
struct EqualWorkTests {
  /// "password" in every scheme, cheap and dear.
  static let schemes: [(name: String, stored: String)] = [
    ("ssha", "{SSHA}r9aPijv7+dhPyuKGRJj5NPEgGZtnYXJhbTEyMw=="),
    (
      "sha512crypt",
      "{CRYPT}$6$rounds=1000$garam$HKQP2gyGYkHu8yE6FCcMZmPy.RfoQlu1oDT8wlyhMbUFCOw6OohCajwZg7mZXgeXUIrQmm9uczJ4phTP5K75j/"
    ),
    (
      "sha512crypt5000",
      "{SHA512-CRYPT}$6$garam$tJDQZbNZWsdVCJJrwvspdUfBv1ex544ZZ3TkQK/NccRrj1TjG/29Sc1OqLekrrJIdSB7XC6zCUmicCAkt7Jkg1"
    ),
    (
      "bcrypt",
      "{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm"
    ),
    ("md5crypt", "{MD5-CRYPT}$1$garam$fbyOmsBD3x/WYkgS3euja0"),
  ]

  @Test func `A refusal costs the same for every name, whatever is stored for it`() async throws {
    let tally = Tally()
    try await AuthBench.with(verify: tally.check) { bench in
      let all = Self.schemes + [("scram", try AuthBench.scram("password"))]
      for (name, stored) in all { bench.store.add(name, credentials: stored) }
      bench.store.add("off", credentials: try AuthBench.scram("password"), isEnabled: false)
      bench.store.add("none", credentials: "")
      bench.store.add("broken", credentials: "{NO-SUCH-SCHEME}x")
      await bench.authenticator.refresh()
      _ = tally.take()
      let names = all.map(\.name) + ["off", "none", "broken", "nobody"]
      // A password that preparation changes is hashed twice by imported schemes; so it is for everybody.
      for password in ["wrong", "wr\u{AD}ong"] {
        for mechanism in [SASLMechanism.plain, .login] {
          _ = try await bench.exchange(mechanism, "nobody", password)
          let expected = tally.take()
          #expect(expected.count == all.count, "one of each kind")
          #expect(expected.values.allSatisfy { $0 == 1 })
          for name in names {
            #expect(try await bench.exchange(mechanism, name, password).outcome == .failed(.wrongCredentials))
            #expect(tally.take() == expected, "\(mechanism) \(name)")
          }
        }
        for name in names {
          #expect(try await bench.login(name, password) == .failed(.wrongCredentials))
          #expect(tally.take().values.reduce(0, +) == all.count, "LOGIN \(name)")
        }
      }
    }
  }

  @Test func `An upgraded hash is done for unknown names at once`() async throws {
    let tally = Tally()
    try await AuthBench.with(verify: tally.check) { bench in
      let digest = Self.schemes[0]
      bench.store.add(digest.name, credentials: digest.stored)
      await bench.authenticator.refresh()
      guard case .success = try await bench.login(digest.name, "password") else {
        Issue.record("the imported hash was refused")
        return
      }
      _ = tally.take()
      _ = try await bench.login(digest.name, "wrong")
      let known = tally.take()
      _ = try await bench.login("nobody", "wrong")
      #expect(tally.take() == known)
      #expect(known.count == 2)
    }
  }

  @Test func `Where no account has a password, a refusal costs what a new password would`() async throws {
    let tally = Tally()
    try await AuthBench.with(verify: tally.check) { bench in
      await bench.authenticator.refresh()
      _ = try await bench.login("nobody", "wrong")
      #expect(tally.take().values.reduce(0, +) == 1)
    }
  }

  @Test func `Who has logged in of late is refused as slowly as others`() async throws {
    let tally = Tally()
    try await AuthBench.with(verify: tally.check) { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      await bench.authenticator.refresh()
      guard case .success = try await bench.login("ana", "geheim") else {
        Issue.record("refused")
        return
      }
      _ = tally.take()
      #expect(try await bench.login("ana", "falsch") == .failed(.wrongCredentials))
      let known = tally.take()
      #expect(try await bench.login("nobody", "falsch") == .failed(.wrongCredentials))
      #expect(tally.take() == known)
    }
  }

  @Test func `Salts of unknown names outlive the process, and look like those of accounts`() async throws {
    let secret = [UInt8](repeating: 7, count: 32)
    var seen: [[String]] = []
    for _ in 0..<2 {
      try await AuthBench.with(decoySecret: secret) { bench in
        for number in 0..<3 {
          let rounds = number == 0 ? 9000 : 5000
          bench.store.add(
            "ana\(number)", credentials: try Credentials.make(password: Array("x".utf8), iterations: rounds).stored)
        }
        await bench.authenticator.refresh()
        var challenges: [String] = []
        for number in 0..<40 {
          let first = try await bench.exchange(.scramSHA256, "nobody\(number)", "x").challenges.first ?? ""
          challenges.append(first.split(separator: ",").dropFirst().joined(separator: ","))
        }
        seen.append(challenges)
      }
    }
    #expect(seen[0] == seen[1], "the same after a restart")
    let rounds = Set(seen[0].compactMap { $0.split(separator: ",").last.map(String.init) })
    #expect(rounds == ["i=9000", "i=5000"], "spread as those of the accounts")
    #expect(Set(seen[0].map { $0.utf8.count }).count == 1)
  }

  /// The store compares names by ASCII letters only: É and é are two accounts, so they have two salts.
  @Test func `Only ASCII letters are one name in both cases`() async throws {
    try await AuthBench.with { bench in
      await bench.authenticator.refresh()
      func salt(_ name: String) async throws -> Substring? {
        try await bench.exchange(.scramSHA256, name, "x").challenges.first?.split(separator: ",").dropFirst().first
      }
      let (upper, lower) = (try await salt("NOBODY"), try await salt("nobody"))
      #expect(upper != nil)
      #expect(upper == lower)
      let (wide, narrow) = (try await salt("\u{C9}mile"), try await salt("\u{E9}mile"))
      #expect(wide != narrow)
    }
  }
}
