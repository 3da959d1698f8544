import FoundationEssentials
import JWTKit

/// The keys of an issuer (RFC 7517), each for the algorithms it may be used with.
struct TokenKeys: Sendable {
  private struct Entry: Sendable {
    var name: String?
    var algorithm: TokenAlgorithm
    /// Holds this one key, for this one algorithm: no header can choose anything else.
    var verifier: JWTKeyCollection
  }

  private var entries: [Entry] = []

  var count: Int { entries.count }

  /// Reads a document of keys. What is no public key for signatures is passed over: such documents hold keys of all kinds.
  /// Throws when the document is none, or has nothing for us.
  init(document: [UInt8]) async throws {
    guard document.count <= TokenLimits.document else { throw Unusable(problem: "larger than 1 MiB") }
    let keys: Document
    do { keys = try JSONDecoder().decode(Document.self, from: Data(document)) } catch {
      throw Unusable(problem: "no JSON of the form {\"keys\": […]}")
    }
    for key in keys.keys.prefix(TokenLimits.keys).compactMap(\.key) {
      for algorithm in key.algorithms {
        var jwk = key.jwk
        guard let named = JWK.Algorithm(rawValue: algorithm.rawValue) else { continue }
        jwk.algorithm = named
        // The library wants a name; ours is the one that counts.
        if jwk.keyIdentifier == nil { jwk.keyIdentifier = "unnamed" }
        let verifier = JWTKeyCollection()
        // Fails for keys that are too short, or no points of their curve.
        guard (try? await verifier.add(jwk: jwk, isDefault: true)) != nil else { continue }
        entries.append(Entry(name: key.jwk.keyIdentifier?.string, algorithm: algorithm, verifier: verifier))
      }
    }
    guard !entries.isEmpty else { throw Unusable(problem: "no public key for signatures in it") }
  }

  struct Unusable: Error, CustomStringConvertible {
    var problem: String
    var description: String { problem }
  }

  /// Keys that a header may mean.
  func candidates(_ header: TokenHeader) -> [JWTKeyCollection] {
    entries.filter { entry in
      entry.algorithm == header.algorithm && (header.key == nil || entry.name == nil || entry.name == header.key)
    }.map(\.verifier)
  }

  // MARK: The document

  private struct Document: Decodable { var keys: [Lenient] }

  /// One odd key must not make the others useless.
  private struct Lenient: Decodable {
    var key: Key?
    init(from decoder: any Decoder) throws { key = try? Key(from: decoder) }
  }

  private struct Key: Decodable {
    var jwk: JWK
    var algorithms: [TokenAlgorithm]

    private enum Field: String, CodingKey { case kty, use, alg, crv, kid, n, e, x, y, key_ops }

    /// The library's own reader stumbles over algorithms it doesn't know, so the parts are read here: the public ones.
    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: Field.self)
      func text(_ field: Field) -> String? { try? fields.decodeIfPresent(String.self, forKey: field) }
      let name = text(.kid)
      let identifier = name.map { JWKIdentifier(string: $0) }
      // RFC 7517 §4.2, §4.3: keys for encryption verify nothing.
      let operations = try fields.decodeIfPresent([String].self, forKey: .key_ops)
      guard text(.use) ?? "sig" == "sig", operations?.contains("verify") ?? true else { throw Unusable(problem: "use") }
      let possible: [TokenAlgorithm]
      switch (text(.kty), text(.crv)) {
      case ("RSA", _):
        jwk = .rsa(nil, identifier: identifier, modulus: text(.n), exponent: text(.e))
        possible = [.rs256, .rs384, .rs512, .ps256, .ps384, .ps512]
      case ("EC", "P-256"):
        jwk = .ecdsa(nil, identifier: identifier, x: text(.x), y: text(.y), curve: .p256)
        possible = [.es256]
      case ("EC", "P-384"):
        jwk = .ecdsa(nil, identifier: identifier, x: text(.x), y: text(.y), curve: .p384)
        possible = [.es384]
      case ("EC", "P-521"):
        jwk = .ecdsa(nil, identifier: identifier, x: text(.x), y: text(.y), curve: .p521)
        possible = [.es512]
      case ("OKP", "Ed25519"):
        jwk = .octetKeyPair(nil, identifier: identifier, x: text(.x), y: nil, curve: .ed25519)
        possible = [.edDSA]
      // A shared secret, foremost (`oct`).
      default: throw Unusable(problem: "kty")
      }
      // RFC 7517 §4.4: where the key says what it is for, it is for nothing else.
      algorithms = text(.alg).map { alg in possible.filter { $0.rawValue == alg } } ?? possible
    }
  }
}
