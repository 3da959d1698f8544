/// When a POP3 session removes what it has sent (RFC 2449 §6.7, EXPIRE). INBOX only.
public enum POP3Expire: Hashable, Sendable {
  case never
  /// QUIT removes every message that RETR sent to its last byte, DELE or not (EXPIRE 0).
  case onRetrieve
  /// Removed this many days after its first completed RETR.
  case days(Int)
}

/// Upper bounds of an account. `nil` is no bound.
public struct QuotaLimits: Hashable, Sendable {
  /// RFC822.SIZE octets, summed over every message instance.
  public var bytes: Int64?
  public var messages: Int64?
  /// Names that can be selected; asked for when a mailbox is created or renamed (RFC 9208 §5.3, MAILBOX).
  public var mailboxes: Int64?
  /// Octets of annotations, their entries' names included; asked for when one is set (RFC 9208 §5.4).
  public var annotationBytes: Int64?
  public init(
    bytes: Int64? = nil, messages: Int64? = nil, mailboxes: Int64? = nil, annotationBytes: Int64? = nil
  ) {
    self.bytes = bytes
    self.messages = messages
    self.mailboxes = mailboxes
    self.annotationBytes = annotationBytes
  }

  /// The bounds that hold: its own, and where it has none, those of `other`.
  public func filled(by other: QuotaLimits) -> QuotaLimits {
    QuotaLimits(
      bytes: bytes ?? other.bytes, messages: messages ?? other.messages, mailboxes: mailboxes ?? other.mailboxes,
      annotationBytes: annotationBytes ?? other.annotationBytes)
  }
}

/// What of an account is counted beside its messages. No counter is kept of it, so none can be wrong.
public struct QuotaHoldings: Hashable, Sendable {
  public var mailboxes: Int64
  public var annotationBytes: Int64
  public init(mailboxes: Int64 = 0, annotationBytes: Int64 = 0) {
    self.mailboxes = mailboxes
    self.annotationBytes = annotationBytes
  }
}

/// What an account's messages add up to, copies included (RFC 9208 §5.1, STORAGE and MESSAGE).
public struct QuotaUsage: Hashable, Sendable {
  public var bytes: Int64
  public var messages: Int64
  public init(bytes: Int64 = 0, messages: Int64 = 0) {
    self.bytes = bytes
    self.messages = messages
  }
}

/// One row of the directory.
public struct Account: Sendable, Hashable {
  public var id: AccountID
  /// `user` or `user@domain`, ASCII letters in lower case.
  public var name: String
  public var isEnabled: Bool
  /// The stored form of the password (see `SASL.Credentials`); never printed. Empty: no password, no login.
  public var credentials: String
  /// Rises with every change of the password; login caches are bound to it.
  public var credentialsGeneration: Int64
  public var quota: QuotaLimits
  public var pop3Expire: POP3Expire
  /// Seconds since 1970.
  public var created: Int64

  public init(
    id: AccountID, name: String, isEnabled: Bool = true, credentials: String, credentialsGeneration: Int64 = 1,
    quota: QuotaLimits = .init(), pop3Expire: POP3Expire = .never, created: Int64 = 0
  ) {
    self.id = id
    self.name = name
    self.isEnabled = isEnabled
    self.credentials = credentials
    self.credentialsGeneration = credentialsGeneration
    self.quota = quota
    self.pop3Expire = pop3Expire
    self.created = created
  }
}

/// What `account add` asks for. `quota: nil` takes the store's default at the time of each check.
public struct NewAccount: Sendable {
  public var name: String
  public var credentials: String
  public var quota: QuotaLimits
  public var pop3Expire: POP3Expire
  public init(name: String, credentials: String, quota: QuotaLimits = .init(), pop3Expire: POP3Expire = .never) {
    self.name = name
    self.credentials = credentials
    self.quota = quota
    self.pop3Expire = pop3Expire
  }
}

/// A change to an account's row; `nil` leaves a field as it is.
public struct AccountChange: Sendable {
  public var name: String?
  public var isEnabled: Bool?
  /// Setting it raises the generation.
  public var credentials: String?
  public var quota: QuotaLimits?
  public var pop3Expire: POP3Expire?
  /// The change is made only while the account's credentials are of this generation; otherwise nothing changes and the
  /// account comes back as it is. For upgrades of a stored hash, which must not undo a change of the password.
  public var onlyIfGeneration: Int64?
  public init(
    name: String? = nil, isEnabled: Bool? = nil, credentials: String? = nil, quota: QuotaLimits? = nil,
    pop3Expire: POP3Expire? = nil, onlyIfGeneration: Int64? = nil
  ) {
    self.onlyIfGeneration = onlyIfGeneration
    self.name = name
    self.isEnabled = isEnabled
    self.credentials = credentials
    self.quota = quota
    self.pop3Expire = pop3Expire
  }
}
