import MailNet
import MailStore
import NIOCore
import SASL
import Testing

@testable import MailAuth

@Suite(.timeLimit(.minutes(1)))
struct LoginTests {
  @Test func `The right password logs in, whatever the case of the name`() async throws {
    try await AuthBench.with { bench in
      let account = bench.store.add("ana@example.org", credentials: try AuthBench.scram("geheim"))
      #expect(try await bench.login("ana@example.org", "geheim") == .success(account))
      #expect(try await bench.login("Ana@Example.ORG", "geheim") == .success(account))
      #expect(try await bench.login("ana@example.org", "Geheim") == .failed(.wrongCredentials))
    }
  }

  @Test(arguments: [SASLMechanism.plain, .login, .scramSHA1, .scramSHA256], [true, false])
  func `Every mechanism logs in end to end`(mechanism: SASLMechanism, initialResponse: Bool) async throws {
    try await AuthBench.with { bench in
      let account = bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      let good = try await bench.exchange(mechanism, "ana", "geheim", initialResponse: initialResponse)
      #expect(good.outcome == .success(account))
      #expect(good.serverProven)
      let bad = try await bench.exchange(mechanism, "ana", "falsch", initialResponse: initialResponse)
      #expect(bad.outcome == .failed(.wrongCredentials))
    }
  }

  @Test func `Nobody acts as somebody else`() async throws {
    try await AuthBench.with { bench in
      let account = bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      bench.store.add("eve", credentials: try AuthBench.scram("auch geheim"))
      for mechanism in [SASLMechanism.plain, .scramSHA256] {
        let other = try await bench.exchange(mechanism, "eve", "auch geheim", authorization: "ana")
        #expect(other.outcome == .failed(.authorizationFailed))
        let own = try await bench.exchange(mechanism, "ana", "geheim", authorization: "ana")
        #expect(own.outcome == .success(account))
      }
    }
  }

  @Test func `An unknown name is told nothing a wrong password isn't told`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      let (known, unknown) = (try await bench.login("ana", "falsch"), try await bench.login("nobody", "falsch"))
      #expect(known == unknown)
      for mechanism in SASLMechanism.allCases {
        let wrong = try await bench.exchange(mechanism, "ana", "falsch")
        let unknown = try await bench.exchange(mechanism, "nobody", "falsch")
        #expect(wrong.outcome == unknown.outcome)
        #expect(wrong.challenges.count == unknown.challenges.count)
        for (left, right) in zip(wrong.challenges, unknown.challenges) {
          // Nonce and salt differ, their lengths and the rounds don't.
          #expect(left.utf8.count == right.utf8.count)
          #expect(left.split(separator: ",").last?.hasPrefix("i=") == right.split(separator: ",").last?.hasPrefix("i="))
          if mechanism.scramHash != nil { #expect(right.hasSuffix("i=\(AuthBench.rounds)")) }
        }
      }
    }
  }

  @Test func `An unknown name gets the same salt each time`() async throws {
    try await AuthBench.with { bench in
      let first = try await bench.exchange(.scramSHA256, "nobody", "x").challenges
      let second = try await bench.exchange(.scramSHA256, "nobody", "x").challenges
      let salts = [first, second].map { $0.first?.split(separator: ",").first { $0.hasPrefix("s=") } }
      #expect(salts[0] != nil)
      #expect(salts[0] == salts[1])
    }
  }

  @Test func `A disabled account is told only to who knows its password`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"), isEnabled: false)
      #expect(try await bench.login("ana", "geheim") == .failed(.disabled))
      #expect(try await bench.login("ana", "falsch") == .failed(.wrongCredentials))
      #expect(try await bench.exchange(.scramSHA256, "ana", "geheim").outcome == .failed(.disabled))
      #expect(try await bench.exchange(.scramSHA256, "ana", "falsch").outcome == .failed(.wrongCredentials))
    }
  }

  @Test func `An account without a password has no right one`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("ana", credentials: "")
      for password in ["", " ", "x"] {
        let outcome = try await bench.login("ana", password)
        #expect(outcome == .failed(.wrongCredentials))
      }
      bench.store.add("broken", credentials: "{NO-SUCH-SCHEME}x")
      #expect(try await bench.login("broken", "x") == .failed(.wrongCredentials))
      #expect(bench.lines.all.contains { $0.contains("stored credentials unusable") })
    }
  }

  @Test func `A store that fails is a temporary failure and nobody's guess`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      bench.store.setFailing(true)
      #expect(try await bench.login("ana", "geheim") == .failed(.temporary))
      #expect(try await bench.exchange(.scramSHA256, "ana", "geheim").outcome == .failed(.temporary))
      #expect(bench.authenticator.delays.count == 0)
    }
  }

  @Test func `Passwords don't cross a network in the clear`() async throws {
    try await AuthBench.with(trustsLoopback: false) { bench in
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      await bench.authenticator.refresh()
      let connection = try await bench.connection()
      #expect(!bench.authenticator.passwordLoginAllowed(on: connection))
      #expect(bench.authenticator.mechanisms(for: connection) == [.scramSHA256, .scramSHA1])
      let before = bench.store.now.lookups
      #expect(try await bench.login("ana", "geheim") == .failed(.privacyRequired))
      #expect(try await bench.exchange(.plain, "ana", "geheim").outcome == .failed(.privacyRequired))
      #expect(try await bench.exchange(.login, "ana", "geheim").outcome == .failed(.privacyRequired))
      #expect(bench.store.now.lookups == before)
      // SCRAM shows no password.
      guard case .success = try await bench.exchange(.scramSHA256, "ana", "geheim").outcome else {
        Issue.record("SCRAM refused in the clear")
        return
      }
    }
    try await AuthBench.with(allowCleartext: true, trustsLoopback: false) { bench in
      let account = bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      #expect(try await bench.login("ana", "geheim") == .success(account))
    }
  }

  @Test func `SCRAM is offered only while every account that can log in has keys`() async throws {
    try await AuthBench.with { bench in
      let connection = try await bench.connection()
      #expect(bench.authenticator.mechanisms(for: connection) == [.plain, .login])
      bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      bench.store.add("off", credentials: Self.imported, isEnabled: false)
      bench.store.add("none", credentials: "")
      await bench.authenticator.refresh()
      #expect(bench.authenticator.mechanisms(for: connection) == [.scramSHA256, .scramSHA1, .plain, .login])
      bench.store.add("old", credentials: Self.imported)
      bench.authenticator.credentialsChanged()
      while bench.authenticator.mechanisms(for: connection).count != 2 { await Task.yield() }
      // Its next login by password brings SCRAM back.
      guard case .success = try await bench.login("old", "password") else {
        Issue.record("imported hash refused")
        return
      }
      #expect(bench.authenticator.mechanisms(for: connection) == [.scramSHA256, .scramSHA1, .plain, .login])
    }
  }

  /// sha512crypt of "password" with the salt "saltstring", few rounds.
  private static let imported =
    "{SHA512-CRYPT}$6$rounds=1000$saltstring$"
    + "EzTqOEb9gQc3Va/4p4pnqWqp/wIh1Otyhg9H9E8sV0eDyHGbNBkoMxYIM0ODHPBfmDNWb6wRiAvTriYxeDgb9."

  @Test func `An imported hash becomes SCRAM keys at the next login by password`() async throws {
    try await AuthBench.with { bench in
      let old = bench.store.add("old", credentials: Self.imported)
      #expect(try await bench.login("old", "wrong") == .failed(.wrongCredentials))
      #expect(bench.store.now.updates == 0)
      #expect(try await bench.exchange(.scramSHA256, "old", "password").outcome == .failed(.wrongCredentials))
      guard case .success(let account) = try await bench.exchange(.plain, "old", "password").outcome else {
        Issue.record("imported hash refused")
        return
      }
      #expect(bench.store.now.updates == 1)
      #expect(account.credentialsGeneration == old.credentialsGeneration + 1)
      #expect(try Credentials(stored: account.credentials).servesSCRAM)
      #expect(try await bench.exchange(.scramSHA256, "old", "password").outcome == .success(account))
      #expect(try await bench.exchange(.scramSHA1, "old", "password").outcome == .success(account))
      #expect(try await bench.login("old", "password") == .success(account))
      #expect(bench.store.now.updates == 1)
    }
  }

  @Test func `A changed password ends what the cache remembers of the old one`() async throws {
    try await AuthBench.with { bench in
      let account = bench.store.add("ana", credentials: try AuthBench.scram("alt"))
      #expect(try await bench.login("ana", "alt") == .success(account))
      #expect(
        bench.authenticator.cache.contains(
          account: account.id.rawValue, generation: account.credentialsGeneration, password: Array("alt".utf8)))
      let changed = try await bench.store.updateAccount(
        account.id, AccountChange(credentials: try AuthBench.scram("neu")))
      #expect(try await bench.login("ana", "alt") == .failed(.wrongCredentials))
      #expect(try await bench.login("ana", "neu") == .success(changed))
      try await bench.store.removeAccount(account.id)
      #expect(try await bench.login("ana", "neu") == .failed(.wrongCredentials))
    }
  }

  @Test func `A remembered password skips no limit`() async throws {
    try await AuthBench.with(perAccount: 2) { bench in
      let account = bench.store.add("ana", credentials: try AuthBench.scram("geheim"))
      #expect(try await bench.login("ana", "geheim") == .success(account))
      #expect(try await bench.login("ana", "geheim") == .success(account))
      #expect(try await bench.login("ana", "geheim") == .failed(.tooManyConnections))
      #expect(try await bench.exchange(.scramSHA256, "ana", "geheim").outcome == .failed(.tooManyConnections))
      #expect(bench.authenticator.connectionCount(of: account.id) == 2)
      bench.authenticator.sessionEnded(account: account.id, connection: try await bench.connection())
      #expect(try await bench.login("ana", "geheim") == .success(account))
      let disabled = try await bench.store.updateAccount(account.id, AccountChange(isEnabled: false))
      bench.authenticator.sessionEnded(account: disabled.id, connection: try await bench.connection())
      #expect(try await bench.login("ana", "geheim") == .failed(.disabled))
    }
  }

  @Test func `An exchange that the client breaks off is over`() async throws {
    try await AuthBench.with { bench in
      let exchange = bench.authenticator.begin(.login, connection: try await bench.connection())
      #expect(await exchange.step(nil) == .challenge(.init(string: "Username:")))
      #expect(exchange.cancel() == .failed(.cancelled))
      guard case .done(.failed(.malformed), nil) = await exchange.step(.init(string: "ana")) else {
        Issue.record("the exchange goes on")
        return
      }
    }
  }

  @Test func `A malformed response fails the exchange and counts against the connection`() async throws {
    try await AuthBench.with { bench in
      let connection = try await bench.connection()
      for number in 1...5 {
        #expect(bench.authenticator.hasFailedTooOften(connection) == false)
        let exchange = bench.authenticator.begin(.plain, connection: connection)
        guard case .done(.failed(.malformed), nil) = await exchange.step(.init(string: "no NUL in here")) else {
          Issue.record("accepted")
          return
        }
        #expect(connection.loginFailures == number)
      }
      #expect(bench.authenticator.hasFailedTooOften(connection))
      // Nobody guessed a password.
      #expect(bench.authenticator.delays.count == 0)
    }
  }
}
