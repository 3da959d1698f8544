public import NIOCore

/// A FETCH response (RFC 9051 §7.5.2); nil or empty where it held no such item. Buffers are slices of what was received.
public struct FetchResponse: Hashable, Sendable {
  /// 0: only the UID is known (UIDFETCH, RFC 9586 §3.3).
  public var sequence: UInt32
  public var uid: UInt32?
  /// `\Recent` and flags of no standard are in `ignored`.
  public var flags: FlagList?
  public var modSeq: UInt64?
  public var internalDate: IMAPDateTime?
  public var size: Int64?
  /// RFC 8474 §5.1.
  public var emailID: String?
  /// RFC 8474 §5.2; NIL is nil too.
  public var threadID: String?
  /// RFC 8514 §4.2; NIL is nil too.
  public var saveDate: IMAPDateTime?
  public var sections: [SectionValue] = []
  /// BINARY.SIZE: part, octets.
  public var binarySizes: [BinarySize] = []
  /// Sections that were handed out in pieces before this response.
  public var streamed: [SectionName] = []
  private var boxedEnvelope = Boxed<EnvelopeValue>.none
  private var boxedStructure = Boxed<BodyStructureValue>.none

  public init(sequence: UInt32) { self.sequence = sequence }

  public var envelope: EnvelopeValue? {
    get { boxedEnvelope.value }
    set { boxedEnvelope = Boxed(newValue) }
  }
  /// BODYSTRUCTURE, or BODY without extension data. Nil too when the server sent one that makes no sense.
  public var structure: BodyStructureValue? {
    get { boxedStructure.value }
    set { boxedStructure = Boxed(newValue) }
  }

  /// FLAGS, UID and MODSEQ at most: what a server sends of its own accord.
  public var isOnlyFlags: Bool {
    internalDate == nil && size == nil && emailID == nil && threadID == nil && saveDate == nil && sections.isEmpty
      && binarySizes.isEmpty && streamed.isEmpty && envelope == nil && structure == nil
  }
}

/// A section and its octets. RFC822, RFC822.HEADER and RFC822.TEXT stand as the sections they mean.
public struct SectionValue: Hashable, Sendable {
  public var name: SectionName
  /// Nil: NIL, no such part.
  public var bytes: ByteBuffer?
  public init(_ name: SectionName, bytes: ByteBuffer?) {
    self.name = name
    self.bytes = bytes
  }
}

/// Which octets a section item of FETCH holds.
public struct SectionName: Hashable, Sendable {
  public var section: BodySection
  /// First octet asked for; nil when the whole section was.
  public var origin: Int64?
  /// BINARY: the transfer encoding is undone.
  public var isBinary: Bool
  public init(_ section: BodySection, origin: Int64? = nil, isBinary: Bool = false) {
    self.section = section
    self.origin = origin
    self.isBinary = isBinary
  }
}

public struct BinarySize: Hashable, Sendable {
  public var part: [UInt32]
  public var octets: Int64
  public init(part: [UInt32], octets: Int64) {
    self.part = part
    self.octets = octets
  }
}
