/// `FETCH` and `UID FETCH` (RFC 9051 §6.4.5).
public struct FetchCommand: Hashable, Sendable {
  /// `set` holds UIDs. The answer carries UID even if it is not among `items` (RFC 9051 §6.4.9).
  public var uid: Bool
  public var set: MessageSet
  /// At least one, in the order asked for, each once. The macros ALL, FAST and FULL stand here as what they mean.
  public var items: [FetchItem]
  /// RFC 4466 §2.4; here CHANGEDSINCE and VANISHED will stand.
  public var modifiers: [CommandModifier]

  public init(uid: Bool, set: MessageSet, items: [FetchItem], modifiers: [CommandModifier] = []) {
    self.uid = uid
    self.set = set
    self.items = items
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
  /// RFC 7162 §3.1.4. Only printed and read as a client: no server of ours has it.
  case modSeq
  /// RFC 8474 §5.1; as `modSeq`.
  case emailID
  /// RFC 8970 §3. `lazy`: only if it is at hand.
  case preview(lazy: Bool)
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
