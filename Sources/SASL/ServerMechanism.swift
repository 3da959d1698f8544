/// Every way to log in that a server of ours can offer: by password, by token, by the certificate of the connection.
public enum ServerMechanism: Sendable, Hashable, CaseIterable {
  case password(SASLMechanism)
  case token(SASLTokenMechanism)
  /// RFC 4422 appendix A: who the client is was shown by TLS already.
  case external

  /// The order in which they are announced.
  public static let allCases: [ServerMechanism] =
    [.external] + SASLMechanism.allCases.filter { !$0.sendsPassword }.map { .password($0) }
    + SASLTokenMechanism.allCases.map { .token($0) }
    + SASLMechanism.allCases.filter(\.sendsPassword).map { .password($0) }

  /// Upper-case name as it is announced.
  public var name: String {
    switch self {
    case .password(let mechanism): mechanism.name
    case .token(let mechanism): mechanism.name
    case .external: "EXTERNAL"
    }
  }

  /// A secret that opens the account crosses the wire: a password, or a token (RFC 6750 §5.3: TLS is a must).
  public var sendsSecret: Bool {
    switch self {
    case .password(let mechanism): mechanism.sendsPassword
    case .token: true
    case .external: false
    }
  }

  /// Finds a mechanism by its name; letter case is ignored.
  public init?(name: some StringProtocol) {
    guard name.utf8.count <= 20 else { return nil }  // RFC 4422 §3.1: names have at most 20 characters
    let wanted = name.uppercased()
    guard let found = Self.allCases.first(where: { $0.name == wanted }) else { return nil }
    self = found
  }
}

extension ServerMechanism {
  public static let scramSHA256 = password(.scramSHA256)
  public static let scramSHA1 = password(.scramSHA1)
  public static let plain = password(.plain)
  public static let login = password(.login)
  public static let oauthBearer = token(.oauthBearer)
  public static let xoauth2 = token(.xoauth2)
}
