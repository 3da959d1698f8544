/// The `oauth.` keys, as they stand.
public struct OAuthSettings: Sendable {
  public var issuer: String
  public var audiences: [String]
  public var scopes: [String]
  /// A file or a URL.
  public var keys: String
  public var keyLifetimeSeconds: Int
  public var accountClaim: String
  public var clockSkewSeconds: Int
  public var configurationURL: String

  init(_ config: EffectiveConfig) {
    issuer = config["oauth.issuer"]
    audiences = config["oauth.audience"].split(separator: ",").map { $0.trimmingBlanks }.filter { !$0.isEmpty }
    scopes = config["oauth.scope"].split(separator: " ").map(String.init)
    keys = config["oauth.keys"]
    keyLifetimeSeconds = ConfigValues.seconds(config["oauth.keys-lifetime"]) ?? 0
    accountClaim = config["oauth.account-claim"]
    clockSkewSeconds = ConfigValues.seconds(config["oauth.clock-skew"]) ?? 0
    configurationURL = config["oauth.configuration-url"]
  }

  /// Tokens are taken.
  public var isOn: Bool { !issuer.isEmpty }
}

extension Substring {
  fileprivate var trimmingBlanks: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
