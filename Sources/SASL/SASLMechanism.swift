import Bytes

/// The SASL mechanisms that are built. There is no `-PLUS` form: NIOSSL exposes no channel binding to hold on to.
public enum SASLMechanism: String, Sendable, Hashable, CaseIterable {
  /// RFC 5802, over SHA-256 by RFC 7677.
  case scramSHA256 = "SCRAM-SHA-256"
  /// RFC 5802.
  case scramSHA1 = "SCRAM-SHA-1"
  /// RFC 4616.
  case plain = "PLAIN"
  /// Never standardised, still asked for by many mail programs: two prompts, name and password.
  case login = "LOGIN"

  /// Upper-case name as it is announced.
  public var name: String { rawValue }

  /// The password itself crosses the wire, so TLS (or the administrator's leave) is needed first.
  public var sendsPassword: Bool { self == .plain || self == .login }

  /// The hash a SCRAM mechanism runs on; nil for the others.
  public var scramHash: SCRAMHash? {
    switch self {
    case .scramSHA1: .sha1
    case .scramSHA256: .sha256
    case .plain, .login: nil
    }
  }

  /// Finds a mechanism by its name; letter case is ignored.
  public init?(name: some StringProtocol) {
    guard name.utf8.count <= 20 else { return nil }  // RFC 4422 §3.1: names have at most 20 characters
    let wanted = name.uppercased()
    guard let found = Self.allCases.first(where: { $0.rawValue == wanted }) else { return nil }
    self = found
  }

  /// Finds a mechanism by its name; letter case is ignored.
  public init?(name: RawSpan) {
    for candidate in Self.allCases where candidate.rawValue.utf8.count == name.byteCount {
      var position = 0
      let same = candidate.rawValue.utf8.allSatisfy { byte in
        defer { position += 1 }
        return name.unsafeLoad(fromByteOffset: position, as: UInt8.self).asciiUppercased == byte
      }
      if same {
        self = candidate
        return
      }
    }
    return nil
  }
}
