public import NIOCore

/// `SEARCH` and `UID SEARCH` (RFC 9051 §6.4.4, RFC 4731, RFC 5182).
public struct SearchCommand: Hashable, Sendable {
  public struct Return: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let min = Return(rawValue: 1)
    public static let max = Return(rawValue: 2)
    public static let all = Return(rawValue: 4)
    public static let count = Return(rawValue: 8)
    public static let save = Return(rawValue: 16)
    /// RFC 5267 §4.2, §4.3: they ask for no data, and have nothing to do with the others.
    public static let context = Return(rawValue: 32)
    public static let update = Return(rawValue: 64)
    /// RFC 6203 §4: only with FUZZY among the criteria.
    public static let relevancy = Return(rawValue: 128)

    /// Those that ask for data, or where to keep it.
    public var results: Return { subtracting([.context, .update]) }
  }

  /// The answer holds UIDs. (Sequence sets in `key` are sequence numbers all the same.)
  public var uid: Bool
  /// Nil: no RETURN was given (rev1 answers SEARCH, rev2 ESEARCH with ALL). `RETURN ()` is `.all` (RFC 4731 §3.1).
  public var returns: Return?
  /// What UPDATE wants of messages that are new and found (RFC 5465 §7).
  public var updateItems: [FetchItem] = []
  /// Of RETURN, never with `.all`; `returns` is not nil then, but may be empty (RFC 9394 §3.1).
  public var partial: PartialRange?
  /// In upper case; nil: none was given. Which are known is the server's business (BADCHARSET).
  public var charset: String?
  public var key: SearchKey

  public init(
    uid: Bool, returns: Return? = nil, partial: PartialRange? = nil, charset: String? = nil, key: SearchKey
  ) {
    self.uid = uid
    self.returns = returns
    self.partial = partial
    self.charset = charset
    self.key = key
  }
}

/// What a message must be to be found (RFC 9051 §6.4.4). Texts are in the charset of the command, undecoded.
public indirect enum SearchKey: Hashable, Sendable {
  case all
  /// All of them; never empty. Also what parentheses and a row of keys mean.
  case and([SearchKey])
  case or(SearchKey, SearchKey)
  case not(SearchKey)
  /// Message sequence numbers.
  case sequence(MessageSet)
  case uid(MessageSet)
  /// ANSWERED, DELETED, DRAFT, FLAGGED, SEEN: one flag. RECENT (RFC 3501) too.
  case flag(FlagSet)
  /// UNANSWERED, UNDELETED, UNDRAFT, UNFLAGGED, UNSEEN. OLD (RFC 3501) is `.unflag(.recent)`.
  case unflag(FlagSet)
  /// RFC 3501: RECENT and not SEEN.
  case new
  case keyword(String)
  case unkeyword(String)
  /// INTERNALDATE, time and zone disregarded.
  case before(IMAPDay)
  case on(IMAPDay)
  case since(IMAPDay)
  /// The Date: field, time and zone disregarded.
  case sentBefore(IMAPDay)
  case sentOn(IMAPDay)
  case sentSince(IMAPDay)
  /// Octets.
  case larger(Int64)
  case smaller(Int64)
  /// RFC 5032: INTERNALDATE, to the second, is at least so many seconds ago.
  case older(UInt32)
  /// RFC 5032: at most so many.
  case younger(UInt32)
  /// BCC, CC, FROM, TO.
  case address(AddressField, ByteBuffer)
  case subject(ByteBuffer)
  /// An empty text finds every message with the field.
  case header(name: String, ByteBuffer)
  case body(ByteBuffer)
  /// Header or body.
  case text(ByteBuffer)
  /// A search that the user has given this name (RFC 5466).
  case filter(String)
  /// To be matched loosely (RFC 6203).
  case fuzzy(SearchKey)
  /// This MODSEQ or a higher one (RFC 7162 §3.1.5).
  case modSeq(UInt64, of: ModSeqEntry? = nil)
  /// RFC 8474 §6.
  case emailID(String)
  case threadID(String)
  /// When the message came into the mailbox, time and zone disregarded (RFC 8514 §4.3).
  case savedBefore(IMAPDay)
  case savedOn(IMAPDay)
  case savedSince(IMAPDay)
  case saveDateSupported
  /// RFC 9738 §3.2.
  case uidAfter(UInt32)
  case uidBefore(UInt32)

  public enum AddressField: Hashable, Sendable { case bcc, cc, from, to }

  /// Some criterion asks for a MODSEQ, so that the answer names the highest (RFC 7162 §3.1.5).
  public var hasModSeq: Bool { contains { if case .modSeq = $0 { true } else { false } } }

  /// Some criterion means messages by their numbers.
  public var hasSequenceNumbers: Bool { contains { if case .sequence = $0 { true } else { false } } }

  private func contains(_ test: (SearchKey) -> Bool) -> Bool {
    switch self {
    case .and(let keys): keys.contains { $0.contains(test) }
    case .or(let first, let second): first.contains(test) || second.contains(test)
    case .not(let key), .fuzzy(let key): key.contains(test)
    default: test(self)
    }
  }
}

/// The metadata that a MODSEQ is asked for. Servers that keep one MODSEQ for a message pass over it (RFC 7162 §3.1.5).
public struct ModSeqEntry: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable { case `private` = "priv", shared, all }
  /// `/flags/\\Seen`, without the escapes of a quoted string.
  public var name: String
  public var kind: Kind
  public init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// The data of an ESEARCH response (RFC 9051 §7.3.4). Nil fields are not printed.
public struct ESearchResponse: Hashable, Sendable {
  /// The tag of the command.
  public var tag: String?
  /// Of each result, in their order: 1 to 100; not printed if empty (RFC 6203 §4).
  public var relevancy: [UInt8]?
  /// See `correlator(_:uidValidity:_:)`.
  public var correlator: ByteBuffer?
  /// Numbers are UIDs.
  public var uid: Bool
  public var min: UInt32?
  public var max: UInt32?
  /// Ascending, or as SORT has them; printed as a compact set, and not at all if empty (RFC 4731 §3.1).
  public var all: [UInt32]?
  public var count: Int?
  /// RFC 9394 §3.1.
  public var partial: PartialResults?
  /// RFC 4731 §3.2.
  public var modSeq: UInt64?

  /// The range asked for, and what is in it; printed as NIL if empty.
  public struct PartialResults: Hashable, Sendable {
    public var range: PartialRange
    public var numbers: [UInt32]
    public init(_ range: PartialRange, _ numbers: [UInt32]) {
      self.range = range
      self.numbers = numbers
    }
  }

  public init(
    tag: String?, uid: Bool, min: UInt32? = nil, max: UInt32? = nil, all: [UInt32]? = nil, count: Int? = nil,
    partial: PartialResults? = nil, modSeq: UInt64? = nil
  ) {
    self.tag = tag
    self.uid = uid
    self.min = min
    self.max = max
    self.all = all
    self.count = count
    self.partial = partial
    self.modSeq = modSeq
  }
}
