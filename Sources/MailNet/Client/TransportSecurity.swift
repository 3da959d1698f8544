/// How the line to a server is protected. No default anywhere: who forgets a field must not get the lax one.
public struct TransportSecurity: Sendable, Hashable {
  public enum Encryption: String, Sendable, Hashable, Codable {
    case none
    /// STARTTLS or STLS; a server that refuses ends the attempt.
    case startTLS
    /// TLS from the first byte (RFC 8314).
    case implicit
  }

  public enum Trust: Sendable, Hashable {
    /// The certificate authorities of this machine, and the host's name in the certificate.
    case system
    /// The authorities in a PEM file, and the host's name in the certificate.
    case authorities(file: String)
    /// Exactly the certificate with this SHA-256 of its DER form, whatever its name and dates.
    case fingerprint([UInt8])
  }

  public var encryption: Encryption
  public var trust: Trust
  /// Passwords may cross a line without TLS to another machine. Loopback and unix sockets need no leave.
  public var allowsCleartextLogin: Bool

  public init(encryption: Encryption, trust: Trust, allowsCleartextLogin: Bool) {
    self.encryption = encryption
    self.trust = trust
    self.allowsCleartextLogin = allowsCleartextLogin
  }
}

/// Where a server listens.
public enum ClientAddress: Sendable, Hashable, CustomStringConvertible {
  case host(String, port: Int)
  case unix(path: String)

  public var description: String {
    switch self {
    case .host(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): path
    }
  }
}

/// How long a client waits.
public struct ClientTimeouts: Sendable, Hashable {
  /// From the look-up of the name to the end of the TLS handshake, all addresses of the name together. STARTTLS has the
  /// same time again.
  public var connect: Duration = .seconds(30)
  /// For the next byte while something is owed.
  public var silence: Duration = .seconds(120)
  public init() {}
}

/// Octets of one connection.
public struct TransportCounters: Sendable, Hashable {
  /// As the protocol sees them.
  public var received: Int64 = 0
  public var sent: Int64 = 0
  /// As they cross the network: encrypted, compressed (TCP and IP headers not counted).
  public var wireReceived: Int64 = 0
  public var wireSent: Int64 = 0
  public init() {}
}
