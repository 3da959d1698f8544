import FoundationEssentials

/// Algorithms that tokens may be signed with: of asymmetric keys all, of shared secrets none, and never none (RFC 8725
/// §3.1, §3.2). A key says itself which it is for, so that no header can choose.
enum TokenAlgorithm: String, Sendable, Hashable, CaseIterable {
  case rs256 = "RS256"
  case rs384 = "RS384"
  case rs512 = "RS512"
  case ps256 = "PS256"
  case ps384 = "PS384"
  case ps512 = "PS512"
  case es256 = "ES256"
  case es384 = "ES384"
  case es512 = "ES512"
  case edDSA = "EdDSA"
}

/// The header of a signed token (RFC 7515 §4), as far as it is looked at. Keys and addresses of keys in it (`jwk`, `jku`,
/// `x5c`, `x5u`) never are.
struct TokenHeader: Sendable, Hashable {
  var algorithm: TokenAlgorithm
  /// `kid`; nil: any key of the algorithm.
  var key: String?

  /// Reads `header.payload.signature` up to the first dot; looks at the form of the rest.
  static func parse(_ token: [UInt8]) -> Result<TokenHeader, TokenRefusal> {
    guard token.count <= TokenLimits.token else { return .failure(.malformed("too long")) }
    let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    // RFC 7515 §3.1. Five parts would be an encrypted token (RFC 7516), which is none of ours.
    guard parts.count == 3 else { return .failure(.malformed("not three parts")) }
    guard let header = Base64URL.decode(parts[0]), Base64URL.decode(parts[1]) != nil,
      let signature = Base64URL.decode(parts[2])
    else { return .failure(.malformed("not base64url")) }
    let fields: Fields
    do { fields = try JSONDecoder().decode(Fields.self, from: Data(header)) } catch {
      return .failure(.malformed("the header is no JSON of a token"))
    }
    // RFC 7515 §4.1.11: what must be understood and is not.
    guard !fields.hasCritical else { return .failure(.malformed("the header has critical parameters")) }
    // RFC 9068 §2.1, RFC 8725 §3.11: another kind of token (a logout token, say) is no key to the mail.
    if let type = fields.typ?.lowercased(), !types.contains(type) { return .failure(.malformed("typ of the header")) }
    guard let algorithm = TokenAlgorithm(rawValue: fields.alg) else { return .failure(.algorithm) }
    guard !signature.isEmpty else { return .failure(.signature) }
    guard fields.kid?.utf8.count ?? 0 <= TokenLimits.keyName else { return .failure(.unknownKey) }
    return .success(TokenHeader(algorithm: algorithm, key: fields.kid))
  }

  private static let types: Set<String> = ["jwt", "at+jwt", "application/at+jwt", "application/jwt"]

  private struct Fields: Decodable {
    var alg: String
    var kid: String?
    var typ: String?
    var hasCritical: Bool

    enum Key: String, CodingKey { case alg, kid, typ, crit }

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: Key.self)
      alg = try fields.decode(String.self, forKey: .alg)
      kid = try fields.decodeIfPresent(String.self, forKey: .kid)
      typ = try fields.decodeIfPresent(String.self, forKey: .typ)
      hasCritical = fields.contains(.crit)
    }
  }
}

/// base64url without padding (RFC 7515 §2), and nothing else: no padding, no line ends, no bits left over.
enum Base64URL {
  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count * 3 / 4)
    var bits: UInt32 = 0
    var count = 0
    for byte in text {
      guard let value = value(of: byte) else { return nil }
      bits = bits << 6 | value
      count += 6
      if count >= 8 {
        count -= 8
        result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    // What is left must be nothing: fewer than six bits, all zero.
    guard count < 6, bits & (1 << UInt32(count) - 1) == 0 else { return nil }
    return result
  }

  private static func value(of byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "-"): 62
    case UInt8(ascii: "_"): 63
    default: nil
    }
  }
}
