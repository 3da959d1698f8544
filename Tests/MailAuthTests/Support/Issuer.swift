import Crypto
import CryptoExtras
import Foundation
import Logging
import Synchronization

@testable import MailAuth

/// Makes tokens, good ones and bad ones, and the document of its keys.
struct Issuer {
  static let name = "https://id.example.org/"
  static let now: Int64 = 1_800_000_000

  let ec = P256.Signing.PrivateKey()
  let ec384 = P384.Signing.PrivateKey()
  let ed = Curve25519.Signing.PrivateKey()
  let rsa: _RSA.Signing.PrivateKey
  /// Not in the document.
  let stranger = P256.Signing.PrivateKey()

  init() throws { rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048) }

  // MARK: Claims

  static func claims(_ changes: [String: Any?] = [:]) -> [String: Any] {
    var claims: [String: Any] = [
      "iss": name, "aud": "mail", "email": "ana@example.org", "scope": "openid imap", "exp": now + 300,
      "nbf": now - 10, "iat": now - 10,
    ]
    for (name, value) in changes { claims[name] = value }
    return claims
  }

  // MARK: Tokens

  static func url(_ data: some Sequence<UInt8>) -> String {
    Data(data).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  static func json(_ value: Any) throws -> String { url(try JSONSerialization.data(withJSONObject: value)) }

  /// `header` and `claims` signed by `sign`.
  static func token<Signature: Sequence<UInt8>>(
    _ header: [String: Any], _ claims: [String: Any] = claims(), sign: (Data) throws -> Signature
  ) throws -> String {
    let signed = try "\(json(header)).\(json(claims))"
    return try "\(signed).\(url(sign(Data(signed.utf8))))"
  }

  func token(_ claims: [String: Any] = claims(), header: [String: Any] = ["alg": "ES256", "kid": "ec"]) throws -> String
  {
    try Self.token(header, claims) { try ec.signature(for: $0).rawRepresentation }
  }

  // MARK: Keys

  func document() throws -> [UInt8] {
    let numbers = try rsa.publicKey.getKeyPrimitives()
    func point(_ raw: Data) -> (String, String) {
      (Self.url(raw.prefix(raw.count / 2)), Self.url(raw.suffix(raw.count / 2)))
    }
    let (x, y) = point(ec.publicKey.rawRepresentation)
    let (x384, y384) = point(ec384.publicKey.rawRepresentation)
    let (xs, ys) = point(stranger.publicKey.rawRepresentation)
    let (n, e) = (Self.url(numbers.modulus), Self.url(numbers.publicExponent))
    let keys: [Any] = [
      ["kty": "oct", "k": Self.url("secret".utf8), "kid": "shared", "alg": "HS256"],
      ["kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "x": x, "y": y],
      ["kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc", "x": xs, "y": ys],
      ["kty": "EC", "crv": "P-256", "kid": "off-the-curve", "x": x, "y": x],
      ["kty": "EC", "crv": "P-384", "kid": "ec384", "alg": "ES384", "x": x384, "y": y384],
      ["kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "short"],
      ["kty": "RSA", "alg": "RSA-OAEP-256", "n": n, "e": e, "kid": "rsa-enc"],
      ["kty": "RSA", "alg": "RS256", "n": n, "e": e, "kid": "rsa"],
      ["kty": "RSA", "n": n, "e": e, "kid": "rsa-any"],
      ["kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": Self.url(ed.publicKey.rawRepresentation)],
      ["kty": "zebra"], 7,
    ]
    return [UInt8](try JSONSerialization.data(withJSONObject: ["keys": keys]))
  }

  /// Verifies by this issuer's document, which is read as often as `reads` says.
  func verifier(
    scopes: [String] = ["imap"], claim: String = "email", audiences: [String] = ["mail", "imaps://mail"],
    time: FakeTime = FakeTime(), reads: Reads = Reads(), url: String = ""
  ) throws -> TokenVerifier {
    let document = try document()
    return TokenVerifier(
      settings: TokenSettings(
        issuer: Self.name, audiences: audiences, scopes: scopes, accountClaim: claim, clockSkew: 60,
        configurationURL: url),
      keys: TokenKeySource(lifetime: .seconds(3600), logger: .init(label: "x"), now: time.clock.now) {
        try reads.next() ?? document
      }, now: { Self.now })
  }

  /// What reading the document comes to.
  final class Reads: Sendable {
    private let state = Mutex((count: 0, answer: Result<[UInt8]?, any Error>.success(nil)))
    struct Gone: Error {}
    var count: Int { state.withLock { $0.count } }
    func answer(_ result: Result<[UInt8]?, any Error>) { state.withLock { $0.answer = result } }
    func next() throws -> [UInt8]? {
      try state.withLock { state in
        state.count += 1
        return try state.answer.get()
      }
    }
  }
}
