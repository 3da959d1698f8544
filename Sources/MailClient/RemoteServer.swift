public import MailNet

public enum MailProtocol: String, Sendable, Hashable, Codable {
  case pop3
  case imap

  /// The port without and with TLS from the first byte (RFC 1939, RFC 9051, RFC 8314).
  public func defaultPort(implicitTLS: Bool) -> Int {
    switch (self, implicitTLS) {
    case (.pop3, false): 110
    case (.pop3, true): 995
    case (.imap, false): 143
    case (.imap, true): 993
    }
  }
}

/// A server and who logs in there: what a URL such as `imaps://budi@mail.example.org/INBOX` and the flags beside it say.
public struct RemoteServer: Sendable, Hashable, CustomStringConvertible {
  public var mailProtocol: MailProtocol
  public var host: String
  public var port: Int
  public var user: String?
  public var security: TransportSecurity

  public init(mailProtocol: MailProtocol, host: String, port: Int, user: String?, security: TransportSecurity) {
    self.mailProtocol = mailProtocol
    self.host = host
    self.port = port
    self.user = user
    self.security = security
  }

  public var address: ClientAddress { .host(host, port: port) }

  /// `imaps://budi@mail.example.org:993`, for people and logs; never a password.
  public var description: String {
    let scheme = mailProtocol.rawValue + (security.encryption == .implicit ? "s" : "")
    return "\(scheme)://\(user.map { "\(PercentCoding.encode($0))@" } ?? "")\(address)"
  }
}
