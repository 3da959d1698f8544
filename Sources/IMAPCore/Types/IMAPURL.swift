/// An IMAP URL (RFC 5092): absolute, or relative with an absolute path. What it names is a server, a list of messages, a
/// message or a part of one; escapes are undone.
public struct IMAPURL: Hashable, Sendable {
  public struct Server: Hashable, Sendable {
    public var user: String?
    /// What stands behind `;AUTH=`; `*` is any.
    public var mechanism: String?
    public var host: String
    public var port: UInt16?
    public init(user: String? = nil, mechanism: String? = nil, host: String, port: UInt16? = nil) {
      self.user = user
      self.mechanism = mechanism
      self.host = host
      self.port = port
    }
  }

  /// `;PARTIAL=offset.count`, in octets.
  public struct Octets: Hashable, Sendable {
    public var offset: Int64
    /// At least 1; nil: to the end.
    public var count: Int64?
    public init(offset: Int64, count: Int64? = nil) {
      self.offset = offset
      self.count = count
    }
  }

  /// A message or a part of one (imessagepart).
  public struct Message: Hashable, Sendable {
    public var uid: UInt32
    /// Nil: the whole message.
    public var section: BodySection?
    public var partial: Octets?
    public var authorization: Authorization?
    public init(
      uid: UInt32, section: BodySection? = nil, partial: Octets? = nil, authorization: Authorization? = nil
    ) {
      self.uid = uid
      self.section = section
      self.partial = partial
      self.authorization = authorization
    }
  }

  /// `[;EXPIRE=date];URLAUTH=access[:mechanism:token]` (RFC 4467 §3).
  public struct Authorization: Hashable, Sendable {
    public enum Access: Hashable, Sendable {
      case submit(String)
      case user(String)
      case authuser
      case anonymous
    }
    /// The last second in which the URL is good, since 1970; nil: it does not end.
    public var expires: Int64?
    public var access: Access
    /// Nil: the rump, which is still to be authorized.
    public var proof: Proof?
    public init(expires: Int64? = nil, access: Access, proof: Proof? = nil) {
      self.expires = expires
      self.access = access
      self.proof = proof
    }
  }

  public struct Proof: Hashable, Sendable {
    /// In upper case.
    public var mechanism: String
    /// Hexadecimal digits as they stand in the URL, 32 or more.
    public var token: String
    public init(mechanism: String, token: String) {
      self.mechanism = mechanism
      self.token = token
    }
  }

  /// Nil: the server and user of the session.
  public var server: Server?
  /// Nil: the server as a whole.
  public var mailbox: MailboxName?
  public var uidValidity: UInt32?
  /// Nil: the mailbox, or what `search` finds in it.
  public var message: Message?
  /// A search program as it is sent; only without `message`.
  public var search: String?

  public init(
    server: Server? = nil, mailbox: MailboxName? = nil, uidValidity: UInt32? = nil, message: Message? = nil,
    search: String? = nil
  ) {
    self.server = server
    self.mailbox = mailbox
    self.uidValidity = uidValidity
    self.message = message
    self.search = search
  }
}
