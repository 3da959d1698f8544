/// How mailboxes of others are named.
public struct SharingSettings: Sendable, Hashable {
  /// Ends with a separator; empty: there is no such namespace.
  public var othersPrefix: String
  public var publicPrefix: String
  /// Empty: there are no public mailboxes.
  public var publicAccount: String

  init(_ config: EffectiveConfig) throws(ConfigError) {
    othersPrefix = try Self.prefix(config, "imap.shared-prefix")
    publicPrefix = try Self.prefix(config, "imap.public-prefix")
    publicAccount = config["imap.public-account"]
    guard publicAccount.isEmpty || !publicPrefix.isEmpty else {
      throw ConfigError("imap.public-prefix: it is empty, and imap.public-account is not")
    }
    guard
      othersPrefix.isEmpty || !publicPrefix.hasPrefix(othersPrefix) && !othersPrefix.hasPrefix(publicPrefix)
        || publicPrefix.isEmpty
    else { throw ConfigError("imap.public-prefix: one prefix is the beginning of the other") }
  }

  private static func prefix(_ config: EffectiveConfig, _ key: String) throws(ConfigError) -> String {
    let prefix = config[key]
    guard !prefix.isEmpty else { return "" }
    let levels = prefix.dropLast().split(separator: "/", omittingEmptySubsequences: false)
    guard prefix.hasSuffix("/"), !levels.contains(where: \.isEmpty), levels.first?.uppercased() != "INBOX",
      !prefix.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F || $0 == "*" || $0 == "%" })
    else { throw ConfigError("\(key): '\(prefix)' is not a name that ends with a slash, such as shared/") }
    return prefix
  }
}
