public import MailClient
import MailNet

/// One account of the configuration: from where, how, to where.
public struct PullAccount: Sendable {
  /// How an IMAP account is pulled.
  public enum IMAPMode: String, Sendable, Hashable, CaseIterable {
    case mirror
    case sync
    case headers
  }

  public var name: String
  public var server: RemoteServer
  public var credential: PullCredential
  public var destination: PullDestination
  /// For LMTP: RCPT's address. Nil: the account's user.
  public var recipient: String?
  /// For POP3.
  public var options: PullOptions
  /// For IMAP.
  public var mode: IMAPMode
  /// For IMAP: names as the user writes them; empty: all.
  public var mailboxes: [String]

  public init(
    name: String, server: RemoteServer, credential: PullCredential, destination: PullDestination,
    recipient: String? = nil, options: PullOptions = PullOptions(), mode: IMAPMode = .mirror, mailboxes: [String] = []
  ) {
    self.name = name
    self.server = server
    self.credential = credential
    self.destination = destination
    self.recipient = recipient
    self.options = options
    self.mode = mode
    self.mailboxes = mailboxes
  }

  /// The name of the account for `PullJournal`: with TLS or without, on their usual ports, it is the same drop.
  public var journalName: String {
    let usual = [110, 995, 143, 993].contains(server.port)
    return "\(server.mailProtocol.rawValue)://\(server.user ?? "")@\(server.host.lowercased())"
      + (usual ? "" : ":\(server.port)")
  }
}

/// How an account logs in. Tells where secrets are, never what they are.
public enum PullCredential: Sendable, Hashable {
  case password(SecretSource)
  /// First line of the command's output is an access token.
  case tokenCommand(String)
  case refresh(OAuthRefresh)

  /// What a refresh token needs to become an access token (RFC 6749 §6).
  public struct OAuthRefresh: Sendable, Hashable {
    public var tokenURL: String
    public var clientID: String
    public var clientSecret: SecretSource?
    public var refreshToken: SecretSource
    public var scope: String?
  }

  /// Variables of the environment it is read from.
  public var environmentVariables: [String] {
    let sources: [SecretSource?] =
      switch self {
      case .password(let source): [source]
      case .tokenCommand: []
      case .refresh(let refresh): [refresh.refreshToken, refresh.clientSecret]
      }
    return sources.compactMap { if case .environment(let name)? = $0 { name } else { nil } }
  }
}
