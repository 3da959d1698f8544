import JWTKit
import NIOCore
import SASL

/// Decides whether a token lets its bearer in, and as whom.
public struct TokenVerifier: Sendable {
  public let settings: TokenSettings
  let keys: TokenKeySource
  /// Seconds since 1970.
  let now: @Sendable () -> Int64

  public init(settings: TokenSettings, keys: TokenKeySource, now: @escaping @Sendable () -> Int64) {
    self.settings = settings
    self.keys = keys
    self.now = now
  }

  /// The name that the token gives its bearer. Some hundred microseconds of arithmetic: not on an event loop.
  @concurrent func verify(_ token: [UInt8]) async -> Result<String, TokenRefusal> {
    guard !token.isEmpty else { return .failure(.missing) }
    let header: TokenHeader
    switch TokenHeader.parse(token) {
    case .success(let parsed): header = parsed
    case .failure(let refusal): return .failure(refusal)
    }
    guard let keys = await keys.keys(for: header) else { return .failure(.keysUnavailable) }
    let candidates = keys.candidates(header)
    guard !candidates.isEmpty else { return .failure(.unknownKey) }
    for verifier in candidates {
      // A claim of an odd type fails here as a signature does, but only behind one that is right.
      guard let claims = try? await verifier.verify(token, as: TokenClaims.self) else { continue }
      if let refusal = claims.refusal(settings, now: now()) { return .failure(refusal) }
      return claims.account(settings)
    }
    return .failure(.signature)
  }

  /// What the client is told of a refusal, as JSON (RFC 7628 §3.2.2; XOAUTH2's own form).
  func challenge(_ refusal: TokenRefusal, _ mechanism: SASLTokenMechanism) -> ByteBuffer {
    var fields: [(String, String)]
    switch mechanism {
    case .oauthBearer:
      fields = [("status", refusal.status)]
      if !settings.scopes.isEmpty { fields.append(("scope", settings.scopes.joined(separator: " "))) }
      if !settings.configurationURL.isEmpty { fields.append(("openid-configuration", settings.configurationURL)) }
    case .xoauth2:
      fields = [("status", refusal == .scope ? "403" : "401"), ("schemes", "bearer")]
      fields.append(("scope", settings.scopes.joined(separator: " ")))
    }
    let members = fields.map { "\(Self.quoted($0.0)):\(Self.quoted($0.1))" }
    return ByteBuffer(string: "{\(members.joined(separator: ","))}")
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\":
        result += "\\"
        result.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20: result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
