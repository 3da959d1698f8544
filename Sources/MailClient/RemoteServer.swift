public import MailNet

public enum MailProtocol: String, Sendable, Hashable, Codable {
  case pop3
  case imap
}

/// A server and who logs in there: what a URL such as `imaps://budi@mail.example.org/INBOX` and the flags beside it say.
public struct RemoteServer: Sendable, Hashable {
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
  public var description: String { fatalError() }
}

/// `pop3://`, `pop3s://`, `imap://`, `imaps://` (RFC 2384, RFC 5092 as far as it names a server and a mailbox).
public struct RemoteURL: Sendable, Hashable {
  public var mailProtocol: MailProtocol
  /// TLS from the first byte.
  public var isImplicitTLS: Bool
  /// Percent-decoded.
  public var user: String?
  public var host: String
  public var port: Int
  /// Percent-decoded path without the leading `/`; nil if there is none.
  public var mailbox: String?

  /// Refuses a password in the URL by name: arguments can be seen by others.
  public init(_ text: String) throws(ClientError) { fatalError() }

  public func server(
    startTLS: Bool, trust: TransportSecurity.Trust, allowsCleartextLogin: Bool
  ) throws(ClientError) -> RemoteServer { fatalError() }
}
