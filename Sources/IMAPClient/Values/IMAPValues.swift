public import IMAPCore
public import NIOCore

/// A mailbox as LIST shows it.
public struct RemoteMailbox: Sendable, Hashable {
  /// In UTF-8, with the server's own delimiter.
  public var name: String
  /// Nil: a flat name.
  public var delimiter: Character?
  /// `\Noselect`, `\HasChildren`, `\Subscribed`, `\NonExistent`, special uses (RFC 6154), lower case.
  public var attributes: Set<String>
  /// LIST-STATUS or STATUS, where asked for.
  public var status: RemoteStatus?
  public init(name: String, delimiter: Character?, attributes: Set<String>, status: RemoteStatus? = nil) {
    self.name = name
    self.delimiter = delimiter
    self.attributes = attributes
    self.status = status
  }
  public var isSelectable: Bool { attributes.isDisjoint(with: ["\\noselect", "\\nonexistent"]) }
  /// Levels of the name.
  public var path: [String] { delimiter.map { d in name.split(separator: d).map(String.init) } ?? [name] }
}

/// What STATUS says; nil where the server did not answer that item.
public struct RemoteStatus: Sendable, Hashable {
  public var messages: Int?
  public var unseen: Int?
  public var uidNext: UInt32?
  public var uidValidity: UInt32?
  public var highestModSeq: UInt64?
  /// Octets (RFC 8438).
  public var size: Int64?
  public init() {}
}

/// What a client knows of a mailbox from last time (RFC 7162 §3.2.5).
public struct ResyncPoint: Sendable, Hashable {
  public var uidValidity: UInt32
  public var modSeq: UInt64
  /// Known UIDs; nil leaves them to the server.
  public var knownUIDs: MessageSet?
  public init(uidValidity: UInt32, modSeq: UInt64, knownUIDs: MessageSet?) {
    self.uidValidity = uidValidity
    self.modSeq = modSeq
    self.knownUIDs = knownUIDs
  }
}

/// What SELECT and EXAMINE say.
public struct SelectedMailbox: Sendable, Hashable {
  public var name: String
  public var exists: Int
  public var uidValidity: UInt32
  public var uidNext: UInt32?
  /// Nil: NOMODSEQ, or a server without CONDSTORE.
  public var highestModSeq: UInt64?
  public var isReadOnly: Bool
  /// Flags that stay, and whether new keywords may be made (`\*`).
  public var permanentFlags: FlagList
  public var acceptsNewKeywords: Bool
  /// Answers to a `ResyncPoint`: UIDs gone since then, and messages changed since then. Nil when the server did not
  /// resynchronize (no QRESYNC, or UIDVALIDITY differs): compare UIDs and flags by FETCH.
  public var resync: Resync?
  public struct Resync: Sendable, Hashable {
    public var vanished: [ClosedRange<UInt32>]
    public var changed: [FetchedMessage]
    public init(vanished: [ClosedRange<UInt32>], changed: [FetchedMessage]) {
      self.vanished = vanished
      self.changed = changed
    }
  }
  public init(
    name: String, exists: Int, uidValidity: UInt32, uidNext: UInt32?, highestModSeq: UInt64?, isReadOnly: Bool,
    permanentFlags: FlagList, acceptsNewKeywords: Bool, resync: Resync? = nil
  ) {
    self.name = name
    self.exists = exists
    self.uidValidity = uidValidity
    self.uidNext = uidNext
    self.highestModSeq = highestModSeq
    self.isReadOnly = isReadOnly
    self.permanentFlags = permanentFlags
    self.acceptsNewKeywords = acceptsNewKeywords
    self.resync = resync
  }
}

/// A message for APPEND.
public struct AppendItem: Sendable {
  public var flags: FlagList
  public var internalDate: IMAPDateTime?
  public var size: Int
  /// Gives the bytes, CRLF line ends, until nil; the sum must be `size`.
  public var body: @Sendable () async throws -> ByteBuffer?
  public init(
    flags: FlagList, internalDate: IMAPDateTime?, size: Int, body: @escaping @Sendable () async throws -> ByteBuffer?
  ) {
    self.flags = flags
    self.internalDate = internalDate
    self.size = size
    self.body = body
  }
}

/// A quota root with one resource (RFC 9208).
public struct RemoteQuota: Sendable, Hashable {
  public var root: String
  /// `STORAGE` or `MESSAGE`.
  public var resource: String
  /// STORAGE in octets (the wire has units of 1024).
  public var usage: Int64
  public var limit: Int64
  public init(root: String, resource: String, usage: Int64, limit: Int64) {
    self.root = root
    self.resource = resource
    self.usage = usage
    self.limit = limit
  }
}

/// What an idle or noticed connection hears.
public enum MailboxEvent: Sendable, Hashable {
  case exists(Int)
  case expunged(sequence: UInt32)
  case vanished([ClosedRange<UInt32>])
  case flags(FetchedMessage)
  /// NOTIFY's STATUS of another mailbox (RFC 5465).
  case status(mailbox: String, RemoteStatus)
}

extension RemoteStatus {
  init(_ line: MailboxStatusLine) {
    self.init()
    messages = line.messages
    unseen = line.unseen
    uidNext = line.uidNext
    uidValidity = line.uidValidity
    // RFC 7162 §3.1.5: 0 where the mailbox keeps no mod-sequences.
    highestModSeq = line.highestModSeq == 0 ? nil : line.highestModSeq
    size = line.size
  }
}
