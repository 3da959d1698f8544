/// Which tokens let somebody in (RFC 6750, RFC 7519, RFC 9068).
public struct TokenSettings: Sendable, Hashable {
  /// `iss` must be this, letter by letter.
  public var issuer: String
  /// `aud` must hold one of these.
  public var audiences: [String]
  /// `scope` (or `scp`) must hold all of these.
  public var scopes: [String]
  /// The claim that names the account.
  public var accountClaim: String
  /// How far the issuer's clock may differ from ours, in seconds.
  public var clockSkew: Int64
  /// Told to clients that are refused (RFC 7628 §3.2.2); empty: nothing.
  public var configurationURL: String

  public init(
    issuer: String, audiences: [String], scopes: [String] = [], accountClaim: String = "email", clockSkew: Int64 = 60,
    configurationURL: String = ""
  ) {
    self.issuer = issuer
    self.audiences = audiences
    self.scopes = scopes
    self.accountClaim = accountClaim
    self.clockSkew = clockSkew
    self.configurationURL = configurationURL
  }
}

/// Why a token is refused. Nothing of the token itself is in it.
public enum TokenRefusal: Error, Sendable, Hashable {
  case missing
  case malformed(String)
  /// `none`, an algorithm of shared secrets, or one that we don't know.
  case algorithm
  case unknownKey
  case signature
  case expired
  case notYetValid
  case issuer
  case audience
  case scope
  /// The claim that names the account is not there, or its address is not verified.
  case account(String)
  /// The keys can't be had: not the client's fault.
  case keysUnavailable

  /// For the log.
  public var reason: String {
    switch self {
    case .missing: "no token"
    case .malformed(let what): "token malformed: \(what)"
    case .algorithm: "token: algorithm not allowed"
    case .unknownKey: "token: unknown key"
    case .signature: "token: wrong signature"
    case .expired: "token: expired"
    case .notYetValid: "token: not valid yet"
    case .issuer: "token: other issuer"
    case .audience: "token: for another audience"
    case .scope: "token: scope missing"
    case .account(let what): "token: \(what)"
    case .keysUnavailable: "no keys to verify tokens with"
    }
  }

  /// RFC 6750 §3.1.
  var status: String { self == .scope ? "insufficient_scope" : "invalid_token" }
}
