public import NIOCore

/// Everything a server can say (RFC 9051 §7 and the extensions named at each value).
public enum IMAPResponse: Hashable, Sendable {
  /// `+ text`: it may be base64, or words.
  case continuation(ByteBuffer)
  case tagged(tag: String, StatusLine)
  /// Untagged OK, NO, BAD, BYE or PREAUTH.
  case status(StatusLine)
  /// In upper case.
  case capability([String])
  /// In upper case (RFC 5161 §3.2).
  case enabled([String])
  case list(MailboxLine)
  /// RFC 3501 §7.2.3.
  case lsub(MailboxLine)
  case mailboxStatus(MailboxStatusLine)
  case flags(FlagList)
  case search(SearchLine)
  /// RFC 5256 §4, in the order sent.
  case sort(SearchLine)
  /// RFC 5256 §4.
  case thread([ThreadMember])
  case esearch(ESearchLine)
  case exists(Int)
  case recent(Int)
  case expunge(UInt32)
  /// UIDs (RFC 7162 §3.2.10). `earlier`: gone before this session looked, so that no sequence number changes.
  case vanished(earlier: Bool, [ClosedRange<UInt32>])
  case fetch(FetchResponse)
  /// RFC 9208 §4.2.1.
  case quota(root: String, [QuotaResource])
  /// RFC 9208 §4.2.2.
  case quotaRoot(mailbox: String, roots: [String])
  case namespace(NamespaceResponse)
  case id(IDParameters?)
  /// An untagged response that nobody here knows, or one that does not matter and is garbled. The keyword is in upper
  /// case.
  case unknown(String)
}

/// A condition, its code and its text (RFC 9051 §7.1).
public struct StatusLine: Hashable, Sendable {
  public var condition: ResponseCondition
  public var code: ResponseCode?
  public var text: String
  public init(_ condition: ResponseCondition, code: ResponseCode? = nil, text: String) {
    self.condition = condition
    self.code = code
    self.text = text
  }
}

/// A mailbox name as a server spells it.
public struct WireMailbox: Hashable, Sendable {
  /// In UTF-8; INBOX in upper case. What is no valid modified UTF-7 stands as it was sent.
  public var name: String
  /// The octets that name it to this server, where encoding `name` would give others.
  public var octets: ByteBuffer?
  public init(_ name: String, octets: ByteBuffer? = nil) {
    self.name = name
    self.octets = octets
  }
}

/// A LIST or LSUB response (RFC 9051 §7.3.1).
public struct MailboxLine: Hashable, Sendable {
  /// As sent, with the backslash.
  public var attributes: [String]
  /// Nil: a flat name.
  public var delimiter: Character?
  public var mailbox: WireMailbox
  /// CHILDINFO: options that children match, `SUBSCRIBED` for instance, in upper case (RFC 5258 §3.5).
  public var childInfo: [String] = []
  /// RFC 9051 §6.3.9.7.
  public var oldName: String?
  public init(attributes: [String], delimiter: Character?, mailbox: WireMailbox) {
    self.attributes = attributes
    self.delimiter = delimiter
    self.mailbox = mailbox
  }
}

/// A STATUS response (RFC 9051 §7.3.2); nil where an item was not sent.
public struct MailboxStatusLine: Hashable, Sendable {
  public var mailbox: WireMailbox
  public var messages: Int?
  public var recent: Int?
  public var unseen: Int?
  public var deleted: Int?
  public var uidNext: UInt32?
  public var uidValidity: UInt32?
  /// RFC 7162 §3.1.5. 0: the mailbox keeps none.
  public var highestModSeq: UInt64?
  /// Octets (RFC 8438).
  public var size: Int64?
  /// Octets (RFC 7889); NIL, no limit, is nil too.
  public var appendLimit: Int64?
  /// In units of 1024 octets (RFC 9208 §4.1.4).
  public var deletedStorage: Int64?
  /// RFC 8474 §4.3.
  public var mailboxID: String?
  public init(_ mailbox: WireMailbox) { self.mailbox = mailbox }
}

/// SEARCH (RFC 3501 §7.2.5, RFC 7162 §3.1.5).
public struct SearchLine: Hashable, Sendable {
  public var numbers: [UInt32]
  public var modSeq: UInt64?
  public init(_ numbers: [UInt32], modSeq: UInt64? = nil) {
    self.numbers = numbers
    self.modSeq = modSeq
  }
}

/// ESEARCH (RFC 9051 §7.3.4, RFC 4731).
public struct ESearchLine: Hashable, Sendable {
  public var tag: String?
  public var isUID = false
  public var min: UInt32?
  public var max: UInt32?
  /// As sent; nil when nothing was found or ALL was not asked for.
  public var all: [ClosedRange<UInt32>]?
  public var count: Int?
  public var modSeq: UInt64?
  public init() {}
}
