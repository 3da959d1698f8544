public import IMAPCore
public import NIOCore

/// One message of a FETCH response; nil or empty where the response held no such item. Buffers are slices of what was
/// received: copy what is kept for long.
public struct FetchedMessage: Sendable, Hashable {
  public var sequence: UInt32
  /// 0: a change nobody asked for, from a server that names the message by its sequence number only.
  public var uid: UInt32
  /// `\Recent` and flags of no standard are in `ignored`.
  public var flags: FlagList?
  public var modSeq: UInt64?
  /// Seconds since 1970 and minutes east of UTC.
  public var internalDate: IMAPDateTime?
  public var size: Int64?
  public var envelope: EnvelopeValue? {
    get { boxedEnvelope.value }
    set { boxedEnvelope = Boxed(newValue) }
  }
  /// BODYSTRUCTURE, or BODY. Nil too when the server sent one that makes no sense.
  public var structure: BodyStructureValue? {
    get { boxedStructure.value }
    set { boxedStructure = Boxed(newValue) }
  }
  /// BODY[...] and BINARY[...] that fitted `IMAPClientLimits.whole`, by section as asked for; larger ones are streamed.
  public var sections: [FetchedSection]
  public var emailID: String?
  private var boxedEnvelope = Boxed<EnvelopeValue>.none
  private var boxedStructure = Boxed<BodyStructureValue>.none

  public init(sequence: UInt32, uid: UInt32) {
    self.sequence = sequence
    self.uid = uid
    self.sections = []
  }
}

public struct FetchedSection: Sendable, Hashable {
  public var section: BodySection
  /// First octet asked for; nil when the whole section was.
  public var origin: UInt32?
  public var isBinary: Bool
  /// Nil: NIL, no such part.
  public var bytes: ByteBuffer?
  public init(section: BodySection, origin: UInt32?, isBinary: Bool, bytes: ByteBuffer?) {
    self.section = section
    self.origin = origin
    self.isBinary = isBinary
    self.bytes = bytes
  }
}

/// What a FETCH brings, in the order of the wire.
public enum FetchEvent: Sendable {
  /// A message with everything but sections that were streamed.
  case message(FetchedMessage)
  /// A section too large to hold: its pieces follow, then `sectionEnd`, then the message's own `.message`. `uid` is 0 when
  /// the server sends it behind the section.
  case sectionBegin(uid: UInt32, BodySection, origin: UInt32?, size: Int64)
  case sectionPiece(ByteBuffer)
  case sectionEnd
  /// UIDs that VANISHED (RFC 7162 §3.2.10).
  case vanished(ClosedRange<UInt32>)
}

extension FetchedMessage {
  init(_ fetch: FetchResponse) {
    self.init(sequence: fetch.sequence, uid: fetch.uid ?? 0)
    flags = fetch.flags
    modSeq = fetch.modSeq
    internalDate = fetch.internalDate
    size = fetch.size
    envelope = fetch.envelope
    structure = fetch.structure
    emailID = fetch.emailID
  }

  /// What a server sends of its own accord.
  init(flagsOf fetch: FetchResponse) {
    self.init(sequence: fetch.sequence, uid: fetch.uid ?? 0)
    flags = fetch.flags
    modSeq = fetch.modSeq
  }
}
