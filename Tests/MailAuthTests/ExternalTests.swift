import MailNet
import MailStore
import NIOCore
import SASL
import Testing

@testable import MailAuth

/// A connection as TLS left it.
private final class Certified: LoginOrigin {
  let id: UInt64 = 1
  let listenerName = "imaps"
  let tlsVersion: String? = "TLSv1.3"
  let peer = PeerAddress.unixSocket
  let isPrivate = true
  let serverName: String? = nil
  let certificateNames: CertificateNames?
  // Of one test, on one task.
  nonisolated(unsafe) var loginFailures = 0

  init(_ addresses: [String], commonName: String? = nil) {
    certificateNames = CertificateNames(addresses: addresses, commonName: commonName)
  }
}

@Suite(.timeLimit(.minutes(1)))
struct ExternalTests {
  private func login(_ bench: AuthBench, _ origin: Certified, _ text: String?) async -> LoginOutcome? {
    let exchange = bench.authenticator.begin(.external, connection: origin)
    var step = await exchange.step(text.map { ByteBuffer(string: $0) })
    if text == nil {
      #expect(step == .challenge(ByteBuffer()))
      step = await exchange.step(ByteBuffer())
    }
    guard case .done(let outcome, nil) = step else { return nil }
    return outcome
  }

  @Test func `A certificate lets in whom it names, and nobody else`() async throws {
    try await AuthBench.with(domain: "example.org") { bench in
      let ana = bench.store.add("ana", credentials: "")
      let budi = bench.store.add("budi", credentials: "")
      bench.store.add("off", credentials: "", isEnabled: false)
      let one = Certified(["ana@example.org"], commonName: "budi")
      #expect(bench.authenticator.mechanisms(for: one).first == .external)
      for text in [nil, "", "ana", "ANA", "ana@example.org"] {
        #expect(await login(bench, one, text) == .success(ana), "\(text ?? "nil")")
      }
      for text in ["budi", "budi@example.org", "ana@evil.example", "anaa", "a"] {
        #expect(await login(bench, one, text) == .failed(.authorizationFailed), "\(text)")
      }
      #expect(await login(bench, one, "a\u{7}") == .failed(.wrongCredentials))
      // Of several addresses the client says which.
      let two = Certified(["ana@example.org", "budi@example.org"])
      #expect(await login(bench, two, "") == .failed(.authorizationFailed))
      #expect(await login(bench, two, "budi") == .success(budi))
      #expect(await login(bench, Certified(["off@example.org"]), "") == .failed(.disabled))
      #expect(await login(bench, Certified(["gone@example.org"]), "") == .failed(.wrongCredentials))
      // Not offered: no address of ours.
      for none in [
        Certified([]), Certified(["ana@evil.example"]), Certified(["ana"]), Certified([], commonName: "ana"),
      ] {
        #expect(!bench.authenticator.mechanisms(for: none).contains(.external))
        #expect(await login(bench, none, "ana") == .failed(.wrongCredentials))
      }
      let plain = try await bench.connection()
      #expect(!bench.authenticator.mechanisms(for: plain).contains(.external))
    }
  }

  @Test func `The common name counts where that is what is configured`() async throws {
    try await AuthBench.with(certificateName: .commonName) { bench in
      let ana = bench.store.add("ana", credentials: "")
      #expect(await login(bench, Certified(["budi@example.org"], commonName: "ana"), "") == .success(ana))
      #expect(await login(bench, Certified(["ana"], commonName: nil), "ana") == .failed(.wrongCredentials))
    }
  }
}
