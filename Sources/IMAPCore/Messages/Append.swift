import Bytes
public import NIOCore

/// What announces a literal (RFC 9051 §4.3, RFC 7888).
public struct LiteralHeader: Hashable, Sendable {
  /// Octets that follow.
  public var size: Int64
  /// False for `{n+}`: the octets come without being asked for.
  public var isSynchronizing: Bool
  /// `~{n}`: may hold NUL (RFC 3516 §4.4).
  public var isBinary: Bool
  public init(size: Int64, isSynchronizing: Bool, isBinary: Bool = false) {
    self.size = size
    self.isSynchronizing = isSynchronizing
    self.isBinary = isBinary
  }
}

/// The message that a `REPLACE` removes (RFC 8508 §3.2).
public struct ReplacedMessage: Hashable, Sendable {
  /// `number` is a UID.
  public var uid: Bool
  /// `MessageSet.star` stands for `*`.
  public var number: UInt32
  public init(uid: Bool, number: UInt32) {
    self.uid = uid
    self.number = number
  }
}

/// One message of an APPEND or REPLACE as the framer announces it, before its octets (RFC 9051 §6.3.12, RFC 3502).
public struct AppendMessage: Hashable, Sendable {
  /// Where the octets come from.
  public enum Body: Hashable, Sendable {
    /// `literal` and nothing else.
    case literal
    /// `UTF8 (~{n}...)` (RFC 6855 §4).
    case utf8
    /// `CATENATE (...)` (RFC 4469 §3): parts follow, each an event of its own.
    case catenate
  }
  public var tag: String
  /// Nil: APPEND.
  public var replaces: ReplacedMessage?
  public var mailbox: MailboxName
  /// 0 for the first message of the command.
  public var index: Int
  public var flags: FlagList
  /// Nil: none was given; the server takes the time of day.
  public var date: IMAPDateTime?
  public var body: Body
  /// Empty for `catenate`.
  public var literal: LiteralHeader
  public init(
    tag: String, replaces: ReplacedMessage? = nil, mailbox: MailboxName, index: Int, flags: FlagList,
    date: IMAPDateTime?, body: Body = .literal, literal: LiteralHeader
  ) {
    self.tag = tag
    self.replaces = replaces
    self.mailbox = mailbox
    self.index = index
    self.flags = flags
    self.date = date
    self.body = body
    self.literal = literal
  }
}

/// A whole `APPEND` or `REPLACE` with its messages in memory: what a client prints.
public struct AppendCommand: Hashable, Sendable {
  /// A piece of a catenated message (RFC 4469 §5, RFC 6855 §4).
  public enum Part: Hashable, Sendable {
    /// An IMAP URL (RFC 5092) as it stands in the command.
    case url(ByteBuffer)
    case text(ByteBuffer)
    case utf8(ByteBuffer)
  }
  public struct Message: Hashable, Sendable {
    public var flags: FlagList
    public var date: IMAPDateTime?
    /// Empty where there are `parts`.
    public var bytes: ByteBuffer
    /// Sent as literal8 (RFC 3516 §4.4).
    public var isBinary: Bool
    /// Sent as `UTF8 (~{n}...)` (RFC 6855 §4).
    public var isUTF8: Bool
    /// Nil: not catenated. At least one.
    public var parts: [Part]?
    public init(
      _ bytes: ByteBuffer, flags: FlagList = FlagList(), date: IMAPDateTime? = nil, isBinary: Bool = false,
      isUTF8: Bool = false, parts: [Part]? = nil
    ) {
      self.bytes = bytes
      self.flags = flags
      self.date = date
      self.isBinary = isBinary
      self.isUTF8 = isUTF8
      self.parts = parts
    }
  }
  /// Nil: APPEND.
  public var replaces: ReplacedMessage?
  public var mailbox: MailboxName
  /// At least one; for REPLACE exactly one.
  public var messages: [Message]
  public init(_ mailbox: MailboxName, replaces: ReplacedMessage? = nil, messages: [Message]) {
    self.replaces = replaces
    self.mailbox = mailbox
    self.messages = messages
  }
}
