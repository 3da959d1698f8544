import Foundation
public import MailNet
public import MailStore

/// The configuration as typed values.
public struct Settings: Sendable {
  public var dataDirectory: String
  public var hostname: String
  public var listeners: [(name: ListenerKind, address: ListenAddress)]
  public var tlsCertificate: String
  public var tlsKey: String
  public var tlsDirectory: String
  public var tlsClientAuthorities: String
  public var authDomain: String
  /// `email` or `cn`.
  public var certificateName: String
  public var authSocket: String
  public var authSocketMode: UInt16
  public var authSocketGroup: String
  public var oauth: OAuthSettings
  public var allowCleartextLogin: Bool
  public var trustsLoopback: Bool
  public var scramIterations: Int
  public var failureDelaySeconds: Int
  public var failuresPerConnection: Int
  public var maximumConnections: Int
  public var connectionsPerAddress: Int
  public var connectionsPerAccount: Int
  public var maximumMessageOctets: Int
  public var loginTimeoutSeconds: Int
  public var writeTimeoutSeconds: Int
  public var shutdownGraceSeconds: Int
  public var imapIdleSeconds: Int
  /// 0: none (RFC 9738).
  public var imapMessageLimit: Int
  public var imapCompresses: Bool
  public var imapUnauthenticates: Bool
  public var imapURLAuth: String
  public var submissionAccounts: [String]
  /// `as-is` or `surrogate`.
  public var imapUTF8Fallback: String
  public var imapLanguage: String
  public var quotaAdministrators: [String]
  public var sharing: SharingSettings
  public var pop3IdleSeconds: Int
  public var pop3LoginDelaySeconds: Int
  /// `as-is`, `surrogate` or `refuse`.
  public var pop3UTF8Fallback: String
  public var pop3Language: String
  public var lmtpIdleSeconds: Int
  public var fullIsTemporary: Bool
  public var recipientDelimiter: Character?
  public var postmaster: String?
  public var defaultQuota: QuotaLimits
  public var compressed: Bool
  public var hasDictionaries: Bool
  public var packOctets: Int64
  public var keepExpungedDays: Int
  /// Octets; 0: no floor.
  public var freeSpaceFloor: Int64
  public var compactIntervalSeconds: Int
  /// Octets a second; 0: off.
  public var scrubRate: Int64
  public var scrubIntervalSeconds: Int
  public var expireIntervalSeconds: Int
  public var hasSearchIndex: Bool
  public var logLevel: String
  public var logFile: String
  public var logJSON: Bool
  public var pidFile: String
  public var processUser: String
  public var processGroup: String
  /// No `listen` key is set: `listeners` are the ports everybody expects.
  public var listensByDefault: Bool

  public enum ListenerKind: String, Sendable, CaseIterable { case imap, imaps, pop3, pop3s, lmtp }

  public init(_ config: EffectiveConfig) throws(ConfigError) {
    dataDirectory = Self.dataDirectory(config["data"])
    hostname = config["hostname"].isEmpty ? Self.machineName() : config["hostname"]
    listeners = try Self.listeners(config, dataDirectory)
    tlsCertificate = config["tls.certificate"]
    tlsKey = config["tls.key"]
    guard tlsCertificate.isEmpty == tlsKey.isEmpty else {
      throw ConfigError("tls.certificate and tls.key go together: set both or neither")
    }
    tlsDirectory = config["tls.directory"]
    tlsClientAuthorities = config["tls.client-authorities"]
    authDomain = config["auth.domain"]
    certificateName = config["auth.certificate-name"]
    authSocket = config["auth.socket"]
    authSocketMode = UInt16(config["auth.socket-mode"], radix: 8) ?? 0o660
    authSocketGroup = config["auth.socket-group"]
    oauth = OAuthSettings(config)
    allowCleartextLogin = ConfigValues.flag(config["auth.allow-cleartext-login"]) ?? false
    trustsLoopback = ConfigValues.flag(config["auth.trust-loopback"]) ?? true
    scramIterations = Self.number(config, "auth.scram-iterations")
    failureDelaySeconds = Self.seconds(config, "auth.failure-delay")
    failuresPerConnection = Self.number(config, "auth.failures-per-connection")
    maximumConnections = Self.number(config, "limits.connections")
    connectionsPerAddress = Self.number(config, "limits.connections-per-address")
    connectionsPerAccount = Self.number(config, "limits.connections-per-account")
    maximumMessageOctets = Int(ConfigValues.octets(config["limits.message-size"]) ?? 0)
    loginTimeoutSeconds = Self.seconds(config, "limits.login-timeout")
    writeTimeoutSeconds = Self.seconds(config, "limits.write-timeout")
    shutdownGraceSeconds = Self.seconds(config, "limits.shutdown-grace")
    imapIdleSeconds = try Self.atLeast(29 * 60, config, "imap.idle-timeout")
    imapMessageLimit = Self.number(config, "imap.message-limit")
    guard imapMessageLimit == 0 || imapMessageLimit >= 1000 else {
      // RFC 9738 §3
      throw ConfigError("imap.message-limit: \(imapMessageLimit) is under 1000; 0 sets no limit")
    }
    imapCompresses = ConfigValues.flag(config["imap.compress"]) ?? true
    imapUnauthenticates = ConfigValues.flag(config["imap.unauthenticate"]) ?? true
    imapURLAuth = config["imap.urlauth"]
    submissionAccounts = Self.names(config, "imap.submission-accounts")
    quotaAdministrators = Self.names(config, "imap.quota-administrators")
    imapLanguage = config["imap.language"]
    imapUTF8Fallback = config["imap.utf8-fallback"]
    sharing = try SharingSettings(config)
    pop3IdleSeconds = try Self.atLeast(10 * 60, config, "pop3.idle-timeout")
    pop3LoginDelaySeconds = Self.seconds(config, "pop3.login-delay")
    pop3UTF8Fallback = config["pop3.utf8-fallback"]
    pop3Language = config["pop3.language"]
    lmtpIdleSeconds = Self.seconds(config, "lmtp.idle-timeout")
    fullIsTemporary = config["lmtp.quota-full"] == "452"
    let delimiter = config["lmtp.recipient-delimiter"]
    guard delimiter.count <= 1 else {
      throw ConfigError("lmtp.recipient-delimiter: '\(delimiter)' is not one character")
    }
    recipientDelimiter = delimiter.first
    postmaster = config["lmtp.postmaster"].isEmpty ? nil : config["lmtp.postmaster"]
    defaultQuota = QuotaLimits(
      bytes: ConfigValues.octets(config["quota.default-bytes"]),
      messages: try Self.bound(config, "quota.default-messages"),
      mailboxes: try Self.bound(config, "quota.default-mailboxes"),
      annotationBytes: ConfigValues.octets(config["quota.default-annotations"]))
    compressed = config["store.compression"] == "zstd"
    hasDictionaries = ConfigValues.flag(config["store.dictionary"]) ?? true
    packOctets = ConfigValues.octets(config["store.pack-size"]) ?? 0
    guard ((64 << 10)...(4 << 30)).contains(packOctets) else {
      throw ConfigError("store.pack-size: \(config["store.pack-size"]) is not between 64K and 4G")
    }
    keepExpungedDays = Self.number(config, "store.keep-expunged-days")
    freeSpaceFloor = ConfigValues.octets(config["store.free-space-floor"]) ?? 0
    compactIntervalSeconds = Self.seconds(config, "store.compact-interval")
    scrubRate = ConfigValues.octets(config["store.scrub-rate"]) ?? 0
    scrubIntervalSeconds = Self.seconds(config, "store.scrub-interval")
    expireIntervalSeconds = Self.seconds(config, "store.expire-interval")
    hasSearchIndex = ConfigValues.flag(config["search.index"]) ?? true
    logLevel = config["log.level"]
    logFile = config["log.file"]
    logJSON = config["log.format"] == "json"
    pidFile = config["pid-file"]
    processUser = config["process.user"]
    processGroup = config["process.group"]
    listensByDefault = ListenerKind.allCases.allSatisfy { config["\($0.rawValue).listen"].isEmpty }
  }

  /// `/var/lib/merpati` for root, else the user's own data folder (XDG).
  public static func dataDirectory(_ configured: String) -> String {
    if !configured.isEmpty { return configured }
    if geteuid() == 0 { return "/var/lib/merpati" }
    let environment = ProcessInfo.processInfo.environment
    if let base = environment["XDG_DATA_HOME"], !base.isEmpty { return base + "/merpati" }
    return (environment["HOME"] ?? ".") + "/.local/share/merpati"
  }

  private static func machineName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
    let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return name.isEmpty ? "localhost" : name
  }

  private static func listeners(
    _ config: EffectiveConfig, _ data: String
  ) throws(ConfigError) -> [(name: ListenerKind, address: ListenAddress)] {
    var result: [(name: ListenerKind, address: ListenAddress)] = []
    let mode = UInt16(config["lmtp.socket-mode"], radix: 8) ?? 0o660
    for kind in ListenerKind.allCases {
      for part in config["\(kind.rawValue).listen"].split(separator: ",") {
        guard let address = ListenAddress(String(part), unixMode: mode) else {
          throw ConfigError("\(kind.rawValue).listen: '\(part)'")
        }
        result.append((kind, address))
      }
    }
    if result.isEmpty {
      // Nothing named: the ports everybody expects.
      result = [
        (.imap, .tcp(host: "::", port: 143)), (.imaps, .tcp(host: "::", port: 993)),
        (.pop3, .tcp(host: "::", port: 110)), (.pop3s, .tcp(host: "::", port: 995)),
        (.lmtp, .unix(path: data + "/lmtp.sock", mode: mode)),
      ]
    }
    return result
  }

  // The values were checked when they were loaded.
  private static func bound(_ config: EffectiveConfig, _ key: String) throws(ConfigError) -> Int64? {
    let text = config[key]
    guard text == "none" || Int64(text) ?? -1 >= 0 else {
      throw ConfigError("\(key): '\(text)' is not a number or none")
    }
    return Int64(text)
  }

  /// Names parted by commas.
  private static func names(_ config: EffectiveConfig, _ key: String) -> [String] {
    config[key].split(separator: ",").map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
  }
  private static func number(_ config: EffectiveConfig, _ key: String) -> Int { Int(config[key]) ?? 0 }
  private static func seconds(_ config: EffectiveConfig, _ key: String) -> Int {
    ConfigValues.seconds(config[key]) ?? 0
  }
  private static func atLeast(_ least: Int, _ config: EffectiveConfig, _ key: String) throws(ConfigError) -> Int {
    let value = seconds(config, key)
    guard value >= least else { throw ConfigError("\(key): \(config[key]) is under \(least / 60) minutes") }
    return value
  }
}
