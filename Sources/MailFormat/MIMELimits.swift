/// Every limit of this room. They bound what a hostile message can cost; honest mail meets none of them.
public struct MIMELimits: Sendable, Equatable {
  /// Levels of nesting (multipart and embedded messages alike). What lies deeper is one opaque part.
  public var depth: Int
  /// Parts of one message. Once so many exist, further boundaries are content of the last part.
  public var parts: Int
  /// Bytes of one header within which fields are read. Fields that begin later are skipped, never misread.
  public var headerBytes: Int

  public init(depth: Int = 100, parts: Int = 10_000, headerBytes: Int = 1 << 20) {
    self.depth = max(1, depth)
    self.parts = max(1, parts)
    self.headerBytes = max(0, headerBytes)
  }

  /// Bytes of header lines kept beside a message (see `CommonHeaders`). Of longer ones the message itself is asked.
  public static let commonHeaderBytes = 64 << 10
  /// Bytes of the content fields (Content-Type, ...) of all parts of a message together; what is beyond is not read.
  static let contentFieldBytes = 2 << 20
  /// Bytes of a BODYSTRUCTURE from which on embedded messages come with empty envelopes.
  static let structureBytes = 2 << 20
  /// Bytes looked at between two calls for whoever mapped them (see `MessageSummary.make`).
  static let stepBytes = 1 << 20
  /// Parts visited between two such calls.
  static let stepParts = 16
  /// Bytes of a Content-Type or Content-Transfer-Encoding that is read while binary parts are encoded on their way in.
  public static let convertedFieldBytes = 65_536
  /// Addresses of one kind (To, Cc, ...) in an envelope.
  static let addresses = 10_000
  /// Strings longer than this are sent as literals, so that response lines stay short.
  static let quotedStringBytes = 1_000
  /// Message-IDs kept from References.
  static let references = 1_000
  /// Bytes of a header value that are decoded for sort keys.
  static let sortKeyBytes = 4_096
  /// Bytes of a sort key that are kept.
  static let keptSortKeyBytes = 1_024
  /// Unicode scalars of a preview (RFC 8970 §3.2: should be 200, must not pass 256).
  static let previewCharacters = 200
  /// Bytes of a text part that are looked at for a preview.
  static let previewBytes = 32_768
  /// Text parts that are tried for a preview.
  static let previewParts = 16
  /// Character-set converters that one header value may open.
  static let converters = 32
}
