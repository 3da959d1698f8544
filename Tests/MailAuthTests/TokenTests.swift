import Crypto
import CryptoExtras
import Foundation
import MailNet
import MailStore
import NIOCore
import SASL
import Testing

@testable import MailAuth

@Suite(.timeLimit(.minutes(1)))
struct TokenTests {
  private func verify(_ token: String, _ verifier: TokenVerifier) async -> Result<String, TokenRefusal> {
    await verifier.verify(Array(token.utf8))
  }

  @Test func `Keys of each kind verify what they signed, with the algorithms that are theirs`() async throws {
    let issuer = try Issuer()
    let verifier = try issuer.verifier()
    func rsa(_ padding: _RSA.Signing.Padding) -> (Data) throws -> Data {
      { try issuer.rsa.signature(for: SHA256.hash(data: $0), padding: padding).rawRepresentation }
    }
    let good: [String] = [
      try issuer.token(), try issuer.token(header: ["alg": "ES256"]),
      try issuer.token(header: ["alg": "ES256", "kid": "ec", "typ": "at+jwt", "jku": "https://evil.example/"]),
      try Issuer.token(["alg": "ES384", "kid": "ec384"]) { try issuer.ec384.signature(for: $0).rawRepresentation },
      try Issuer.token(["alg": "RS256", "kid": "rsa"], sign: rsa(.insecurePKCS1v1_5)),
      try Issuer.token(["alg": "RS256"], sign: rsa(.insecurePKCS1v1_5)),
      try Issuer.token(["alg": "PS256", "kid": "rsa-any"], sign: rsa(.PSS)),
      try Issuer.token(["alg": "EdDSA", "kid": "ed"]) { try issuer.ed.signature(for: $0) },
    ]
    for token in good { #expect(await verify(token, verifier) == .success("ana@example.org")) }
    // The key says RS256, so it is for nothing else.
    let otherPadding = try Issuer.token(["alg": "PS256", "kid": "rsa"], sign: rsa(.PSS))
    #expect(await verify(otherPadding, verifier) == .failure(.unknownKey))
  }

  @Test func `No key but the issuer's, and no algorithm that needs none`() async throws {
    let issuer = try Issuer()
    let verifier = try issuer.verifier()
    func signed(_ header: [String: Any], by key: P256.Signing.PrivateKey) throws -> String {
      try Issuer.token(header) { try key.signature(for: $0).rawRepresentation }
    }
    func signed(_ header: [String: Any], secret: String) throws -> String {
      try Issuer.token(header) {
        Data(HMAC<SHA256>.authenticationCode(for: $0, using: SymmetricKey(data: Data(secret.utf8))))
      }
    }
    func signed(_ header: [String: Any], with octets: [UInt8]) throws -> String {
      try Issuer.token(header) { _ in octets }
    }
    var forged: [(String, TokenRefusal)] = []
    forged.append((try signed(["alg": "none"], with: []), .algorithm))
    forged.append((try signed(["alg": "NONE", "kid": "ec"], with: [1, 2, 3]), .algorithm))
    forged.append((try signed(["alg": "ES256", "kid": "ec"], with: []), .signature))
    forged.append((try signed(["alg": "ES256", "kid": "ec"], with: [UInt8](repeating: 0, count: 64)), .signature))
    // The public key taken for a shared secret (RFC 8725 §2.1), and the shared secret of the document itself.
    let text = issuer.ec.publicKey.pemRepresentation
    forged.append((try signed(["alg": "HS256", "kid": "ec"], secret: text), .algorithm))
    forged.append((try signed(["alg": "HS256", "kid": "shared"], secret: "secret"), .algorithm))
    // Somebody else's key, by whatever name.
    forged.append((try signed(["alg": "ES256", "kid": "ec"], by: issuer.stranger), .signature))
    forged.append((try signed(["alg": "ES256", "kid": "enc"], by: issuer.stranger), .unknownKey))
    forged.append((try signed(["alg": "ES256"], by: issuer.stranger), .signature))
    // This key's signature under another algorithm.
    forged.append((try signed(["alg": "RS256", "kid": "ec"], by: issuer.ec), .unknownKey))
    forged.append((try signed(["alg": "ES384", "kid": "ec"], by: issuer.ec), .unknownKey))
    forged.append(
      (
        try signed(["alg": "ES256", "kid": "ec", "crit": ["exp"]], by: issuer.ec),
        .malformed("the header has critical parameters")
      ))
    forged.append(
      (try signed(["alg": "ES256", "kid": "ec", "typ": "logout+jwt"], by: issuer.ec), .malformed("typ of the header")))
    let good = try issuer.token()
    forged.append((good + "A", .signature))
    forged.append((good + "=", .malformed("not base64url")))
    forged.append((good + ".x", .malformed("not three parts")))
    forged.append(("", .missing))
    forged.append(("abc", .malformed("not three parts")))
    forged.append(("e30.e30.e30", .malformed("the header is no JSON of a token")))
    forged.append((String(repeating: "a", count: 9000), .malformed("too long")))
    for (token, why) in forged {
      let found = await verify(token, verifier)
      // With one more sextet the signature is no base64url, or another one.
      if why == .signature, case .failure(.malformed) = found { continue }
      #expect(found == .failure(why), "\(token.prefix(60))")
    }
    // Claims that were changed behind the signature.
    let parts = good.split(separator: ".")
    let changed = try "\(parts[0]).\(Issuer.json(Issuer.claims(["email": "root@example.org"]))).\(parts[2])"
    #expect(await verify(changed, verifier) == .failure(.signature))
  }

  @Test func `Claims are what the settings ask for`() async throws {
    let issuer = try Issuer()
    let verifier = try issuer.verifier()
    let now = Issuer.now
    let cases: [([String: Any?], TokenRefusal?)] = [
      (["exp": now - 59], nil), (["exp": now - 61], .expired), (["exp": nil], .malformed("no exp")),
      (["nbf": now + 59], nil), (["nbf": now + 61], .notYetValid), (["iat": now + 61], .notYetValid),
      (["nbf": nil, "iat": nil], nil), (["exp": Double(now) + 0.5], nil),
      (["iss": "https://id.example.org"], .issuer), (["iss": nil], .issuer),
      (["iss": "https://evil.example/"], .issuer),
      (["aud": "web"], .audience), (["aud": nil], .audience), (["aud": ["web", "mail"]], nil),
      (["aud": [String]()], .audience),
      (["scope": "openid"], .scope), (["scope": nil], .scope), (["scope": nil, "scp": "imap"], nil),
      (["scope": nil, "scp": ["a", "imap"]], nil), (["scope": "imapx"], .scope),
      (["email": nil], .account("no claim email")), (["email": ""], .account("no claim email")),
      (["email": 7], .account("no claim email")), (["email_verified": true], nil),
      (["email_verified": false], .account("its address is not verified")),
      (["email_verified": "false"], .account("its address is not verified")), (["email_verified": "true"], nil),
      // Types that claims don't have: whoever signs such a thing means something else.
      (["exp": "tomorrow"], .signature), (["aud": 7], .signature),
    ]
    for (change, why) in cases {
      let token = try issuer.token(Issuer.claims(change))
      let found = await verify(token, verifier)
      #expect(found == why.map { .failure($0) } ?? .success("ana@example.org"), "\(change)")
    }
    let byName = try issuer.verifier(scopes: [], claim: "preferred_username")
    let nameless = try issuer.token()
    #expect(await verify(nameless, byName) == .failure(.account("no claim preferred_username")))
    let token = try issuer.token(Issuer.claims(["preferred_username": "ana", "email_verified": false, "scope": nil]))
    #expect(await verify(token, byName) == .success("ana"))
  }

  @Test func `Keys are read when they are needed, and not as often as clients like`() async throws {
    let issuer = try Issuer()
    let (time, reads) = (FakeTime(), Issuer.Reads())
    let verifier = try issuer.verifier(time: time, reads: reads)
    let token = try issuer.token()
    #expect(reads.count == 0)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<50 { group.addTask { #expect(await verify(token, verifier) == .success("ana@example.org")) } }
    }
    #expect(reads.count == 1)
    // Names of keys that nobody has: one reading a minute.
    let unknown = try Issuer.token(["alg": "ES256", "kid": "new"]) {
      try issuer.stranger.signature(for: $0).rawRepresentation
    }
    for _ in 0..<20 { #expect(await verify(unknown, verifier) == .failure(.unknownKey)) }
    #expect(reads.count == 1)
    time.pass(.seconds(61))
    for _ in 0..<20 { #expect(await verify(unknown, verifier) == .failure(.unknownKey)) }
    #expect(reads.count == 2)
    // The issuer has a new key, and then is not to be had for a while.
    let (x, y) = (
      issuer.stranger.publicKey.rawRepresentation.prefix(32), issuer.stranger.publicKey.rawRepresentation.suffix(32)
    )
    let new: [String: Any] = [
      "keys": [["kty": "EC", "crv": "P-256", "kid": "new", "x": Issuer.url(x), "y": Issuer.url(y)]]
    ]
    reads.answer(.success([UInt8](try JSONSerialization.data(withJSONObject: new))))
    time.pass(.seconds(61))
    #expect(await verify(unknown, verifier) == .success("ana@example.org"))
    #expect(await verify(token, verifier) == .failure(.unknownKey))
    reads.answer(.failure(Issuer.Reads.Gone()))
    time.pass(.seconds(3700))
    #expect(await verify(unknown, verifier) == .success("ana@example.org"))
    #expect(reads.count == 4)
    time.pass(.seconds(25 * 3600))
    #expect(await verify(unknown, verifier) == .failure(.keysUnavailable))
    #expect(reads.count == 5)
    // A document without anything for us is as good as none.
    reads.answer(.success(Array(#"{"keys": [{"kty": "oct", "k": "YQ"}]}"#.utf8)))
    time.pass(.seconds(61))
    #expect(await verify(unknown, verifier) == .failure(.keysUnavailable))
  }

  // MARK: Logging in

  private func first(_ token: String, as name: String = "", _ mechanism: SASLTokenMechanism) -> ByteBuffer {
    switch mechanism {
    case .oauthBearer:
      ByteBuffer(string: "n,\(name.isEmpty ? "" : "a=\(name)"),\u{1}auth=Bearer \(token)\u{1}\u{1}")
    case .xoauth2: ByteBuffer(string: "user=\(name)\u{1}auth=Bearer \(token)\u{1}\u{1}")
    }
  }

  @Test(arguments: SASLTokenMechanism.allCases)
  func `A token lets its bearer in as the account it names, and as nobody else`(mechanism: SASLTokenMechanism)
    async throws
  {
    let issuer = try Issuer()
    try await AuthBench.with(tokens: try issuer.verifier(), domain: "example.org") { bench in
      let ana = bench.store.add("ana", credentials: "")
      bench.store.add("budi", credentials: "")
      bench.store.add("off", credentials: "", isEnabled: false)
      let token = try issuer.token()
      func login(_ token: String, as name: String) async throws -> (LoginOutcome?, String) {
        let exchange = bench.authenticator.begin(.token(mechanism), connection: try await bench.connection())
        switch await exchange.step(first(token, as: name, mechanism)) {
        case .done(let outcome, let data):
          #expect(data == nil)
          return (outcome, "")
        case .challenge(let challenge):
          guard case .done(let outcome, _) = await exchange.step(ByteBuffer(bytes: [1])) else { return (nil, "") }
          return (outcome, String(buffer: challenge))
        }
      }
      for name in ["ana", "ANA", "ana@example.org", "Ana@Example.org"] {
        #expect(try await login(token, as: name).0 == .success(ana), "\(name)")
      }
      #expect(try await login(token, as: "budi").0 == .failed(.authorizationFailed))
      // Refused: the client hears why in JSON, and the verdict only behind its own answer.
      let refused = try await login(try issuer.token(Issuer.claims(["exp": 5])), as: "ana")
      #expect(refused.0 == .failed(.wrongCredentials))
      #expect(
        refused.1
          == (mechanism == .oauthBearer
            ? #"{"status":"invalid_token","scope":"imap"}"# : #"{"status":"401","schemes":"bearer","scope":"imap"}"#))
      let narrow = try await login(try issuer.token(Issuer.claims(["scope": "x"])), as: "ana")
      #expect(narrow.1.contains(mechanism == .oauthBearer ? "insufficient_scope" : "403"))
      // No account, one of another domain, one that is switched off.
      for (address, outcome) in [
        ("nobody@example.org", FailureReason.wrongCredentials), ("ana@evil.example", .wrongCredentials),
        ("ana", .wrongCredentials), ("@example.org", .wrongCredentials), ("off@example.org", .disabled),
        ("ana@example.org@example.org", .authorizationFailed),
      ] {
        let name = String(address.prefix { $0 != "@" })
        let other = try issuer.token(Issuer.claims(["email": address]))
        #expect(
          try await login(other, as: mechanism == .xoauth2 && name.isEmpty ? "ana" : name).0 == .failed(outcome),
          "\(address)")
      }
      #expect(!bench.lines.all.contains { $0.contains(token.suffix(20)) || $0.contains("eyJ") })
      #expect(
        bench.lines.all.contains { $0.contains("reason=token: expired") && $0.contains("method=\(mechanism.name)") })
    }
  }

  @Test func `Without a name the token alone says who it is; * ends the exchange; refusals are slowed down`()
    async throws
  {
    let issuer = try Issuer()
    let url = "https://id.example.org/.well-known/openid-configuration"
    try await AuthBench.with(tokens: try issuer.verifier(url: url), domain: "example.org") { bench in
      let ana = bench.store.add("ana", credentials: "")
      let connection = try await bench.connection()
      #expect(bench.authenticator.mechanisms(for: connection) == [.oauthBearer, .xoauth2, .plain, .login])
      let exchange = bench.authenticator.begin(.oauthBearer, connection: connection)
      #expect(await exchange.step(nil) == .challenge(ByteBuffer()))
      #expect(await exchange.step(first(try issuer.token(), .oauthBearer)) == .done(.success(ana), finalData: nil))
      // RFC 7628 §4.3: no token asks what is wanted.
      for _ in 0..<3 {
        let asked = bench.authenticator.begin(.oauthBearer, connection: connection)
        #expect(
          await asked.step(ByteBuffer(string: "n,,\u{1}auth=\u{1}\u{1}"))
            == .challenge(
              ByteBuffer(string: #"{"status":"invalid_token","scope":"imap","openid-configuration":"\#(url)"}"#)))
        #expect(asked.cancel() == .failed(.cancelled))
        #expect(await asked.step(ByteBuffer()) == .done(.failed(.malformed("the exchange is over")), finalData: nil))
      }
      // Each counted once, though none was answered.
      #expect(connection.loginFailures == 3)
      #expect(bench.time.slept == [.seconds(1), .seconds(2)])
    }
  }

  @Test func `Tokens don't cross a network in the clear, and are not offered where they are not set up`() async throws {
    let issuer = try Issuer()
    try await AuthBench.with(trustsLoopback: false, tokens: try issuer.verifier()) { bench in
      let connection = try await bench.connection()
      #expect(bench.authenticator.mechanisms(for: connection) == [])
      let exchange = bench.authenticator.begin(.oauthBearer, connection: connection)
      #expect(
        await exchange.step(first(try issuer.token(), .oauthBearer)) == .done(.failed(.privacyRequired), finalData: nil)
      )
    }
    try await AuthBench.with { bench in
      let connection = try await bench.connection()
      #expect(bench.authenticator.mechanisms(for: connection) == [.plain, .login])
    }
  }

  @Test func `While the keys can't be had it is nobody's fault but ours`() async throws {
    let issuer = try Issuer()
    let reads = Issuer.Reads()
    reads.answer(.failure(Issuer.Reads.Gone()))
    try await AuthBench.with(tokens: try issuer.verifier(reads: reads)) { bench in
      let exchange = bench.authenticator.begin(.xoauth2, connection: try await bench.connection())
      #expect(
        await exchange.step(first(try issuer.token(), as: "ana", .xoauth2))
          == .done(.failed(.temporary), finalData: nil))
      #expect(bench.authenticator.delays.count == 0)
    }
  }

  @Test func `base64url is taken without padding and without bits to spare`() {
    #expect(Base64URL.decode("".utf8) == [])
    #expect(Base64URL.decode("_-8".utf8) == [0xFF, 0xEF])
    #expect(Base64URL.decode("YQ".utf8) == [0x61])
    for text in ["Y", "YR", "YQ=", "YQ==", "Y+", "Y/", "YQ\n", " YQ", "YWJ", "YWJjZ"] {
      #expect(Base64URL.decode(text.utf8) == nil, "\(text)")
    }
  }
}
