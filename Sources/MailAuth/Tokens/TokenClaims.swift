import FoundationEssentials
import JWTKit

/// What a token says (RFC 7519 §4.1), as far as it is looked at.
struct TokenClaims: JWTPayload {
  /// Claims that are strings.
  var texts: [String: String] = [:]
  /// `aud`, and the scopes: a string or a list of strings.
  var audiences: [String] = []
  var scopes: [String] = []
  var expires: Double?
  var notBefore: Double?
  var issuedAt: Double?
  /// `email_verified`; some issuers write it as a string.
  var emailIsVerified: Bool?

  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private struct OneOrMany: Decodable {
    var all: [String]
    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let one = try? value.decode(String.self) { all = [one] } else { all = try value.decode([String].self) }
    }
  }

  init(from decoder: any Decoder) throws {
    let claims = try decoder.container(keyedBy: Key.self)
    for key in claims.allKeys {
      switch key.stringValue {
      case "aud": audiences = try claims.decode(OneOrMany.self, forKey: key).all
      // RFC 8693 §4.2: words in one string; Microsoft's `scp` the same, Okta's a list.
      case "scope", "scp":
        scopes += try claims.decode(OneOrMany.self, forKey: key).all.flatMap { text in
          text.split(separator: " ").map(String.init)
        }
      case "exp": expires = try claims.decode(Double.self, forKey: key)
      case "nbf": notBefore = try claims.decode(Double.self, forKey: key)
      case "iat": issuedAt = try claims.decode(Double.self, forKey: key)
      case "email_verified":
        emailIsVerified =
          (try? claims.decode(Bool.self, forKey: key)) ?? (try? claims.decode(String.self, forKey: key) == "true")
          ?? false
      default:
        if let text = try? claims.decode(String.self, forKey: key) { texts[key.stringValue] = text }
      }
    }
  }

  /// Tokens are made elsewhere.
  func encode(to encoder: any Encoder) throws {
    throw EncodingError.invalidValue(self, .init(codingPath: [], debugDescription: "claims are only read"))
  }

  /// The signature is verified by whoever calls this; the claims by `refusal`.
  func verify(using algorithm: some JWTAlgorithm) async throws {}

  /// Nil: the token is good now.
  func refusal(_ settings: TokenSettings, now: Int64) -> TokenRefusal? {
    let (now, skew) = (Double(now), Double(settings.clockSkew))
    // A token that never ends could never be taken back.
    guard let expires else { return .malformed("no exp") }
    guard now - skew < expires else { return .expired }
    guard notBefore.map({ $0 <= now + skew }) ?? true, issuedAt.map({ $0 <= now + skew }) ?? true else {
      return .notYetValid
    }
    guard texts["iss"] == settings.issuer else { return .issuer }
    guard !Set(audiences).isDisjoint(with: settings.audiences) else { return .audience }
    guard Set(scopes).isSuperset(of: settings.scopes) else { return .scope }
    return nil
  }

  /// Whom the token is about, by the claim that says so.
  func account(_ settings: TokenSettings) -> Result<String, TokenRefusal> {
    guard let name = texts[settings.accountClaim], !name.isEmpty, name.utf8.count <= TokenLimits.claim else {
      return .failure(.account("no claim \(settings.accountClaim)"))
    }
    // OpenID Connect Core §5.1, §5.7: an address that nobody has proved to be theirs names nobody.
    if settings.accountClaim == "email", emailIsVerified == false {
      return .failure(.account("its address is not verified"))
    }
    return .success(name)
  }
}
