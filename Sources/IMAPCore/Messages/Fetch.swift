/// `FETCH` and `UID FETCH` (RFC 9051 §6.4.5).
public struct FetchCommand: Hashable, Sendable {
  /// `set` holds UIDs. The answer carries UID even if it is not among `items` (RFC 9051 §6.4.9).
  public var uid: Bool
  public var set: MessageSet
  /// At least one, in the order asked for, each once. The macros ALL, FAST and FULL stand here as what they mean.
  public var items: [FetchItem]
  /// Only messages with a higher MODSEQ, whose MODSEQ comes along (RFC 7162 §3.1.4.1).
  public var changedSince: UInt64?
  /// Also what was expunged since (RFC 7162 §3.2.6).
  public var vanished: Bool
  /// RFC 9394 §3.3.
  public var partial: PartialRange?
  /// Parameters that nobody here knows (RFC 4466 §2.4).
  public var modifiers: [CommandModifier]

  public init(
    uid: Bool, set: MessageSet, items: [FetchItem], changedSince: UInt64? = nil, vanished: Bool = false,
    partial: PartialRange? = nil, modifiers: [CommandModifier] = []
  ) {
    self.uid = uid
    self.set = set
    self.items = items
    self.changedSince = changedSince
    self.vanished = vanished
    self.partial = partial
    self.modifiers = modifiers
  }

  /// Some item sets `\Seen` (RFC 9051 §6.4.5: BODY[...] and BINARY[...] without PEEK; RFC 3501: RFC822, RFC822.TEXT).
  public var setsSeen: Bool { items.contains { $0.setsSeen } }
}

/// One data item of FETCH. Extensions add a case.
public enum FetchItem: Hashable, Sendable {
  case flags
  case uid
  case internalDate
  case size
  /// RFC 7162 §3.1.4.2.
  case modSeq
  /// RFC 8474 §5.3.
  case emailID
  /// RFC 8970 §3. `lazy`: only if it is at hand.
  case preview(lazy: Bool)
  case threadID
  /// RFC 8514 §4.2.
  case saveDate
  case envelope
  /// BODY with no section: BODYSTRUCTURE without extension data.
  case body
  case bodyStructure
  case bodySection(BodySection, partial: Partial?, peek: Bool)
  /// Content of a part with its transfer encoding undone (RFC 9051 §6.4.5, RFC 3516). `part` empty: the whole message.
  case binary(part: [UInt32], partial: Partial?, peek: Bool)
  case binarySize(part: [UInt32])
  /// RFC 3501; like BODY[].
  case rfc822
  /// RFC 3501; like BODY.PEEK[HEADER].
  case rfc822Header
  /// RFC 3501; like BODY[TEXT].
  case rfc822Text

  public var setsSeen: Bool {
    switch self {
    case .bodySection(_, _, let peek), .binary(_, _, let peek): !peek
    case .rfc822, .rfc822Text: true
    default: false
    }
  }
}
