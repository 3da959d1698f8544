/// Bounds of what a server may send. A server that goes beyond one broke the protocol, or means harm.
///
/// Octets are octets on the wire.
public struct ResponseLimits: Hashable, Sendable {
  /// Octets of a response outside its literals: a SEARCH of two million UIDs is a line.
  public var line = 16 << 20
  /// Largest literal that is held. A larger one is handed out in pieces where it is a section of FETCH, and refused
  /// anywhere else.
  public var whole: Int64 = 1 << 20
  /// Octets of one response, literals included, that are held; sections of FETCH that would go beyond are handed out in
  /// pieces.
  public var response: Int64 = 8 << 20
  /// Sections of one response that are handed out in pieces.
  public var streamedSections = 200
  /// Literals of one response.
  public var literals = 100_000
  /// Depth of parentheses. BODYSTRUCTURE takes one or two for each level of MIME.
  public var nesting = 200
  /// Elements of one list: flags, addresses, parameters, parts, items.
  public var listElements = 100_000
  /// Ranges of one set (VANISHED, ESEARCH).
  public var setElements = 4_000_000
  /// Numbers of one SEARCH, or of the sets of one APPENDUID or COPYUID, written out.
  public var numbers = 4_000_000
  /// Part numbers of a section.
  public var partDepth = 200
  /// Octets of a tag.
  public var tag = 256

  public init() {}
  public static let standard = ResponseLimits()
}

/// A response that cannot be read.
public struct ResponseSyntaxError: Error, Hashable, Sendable {
  /// One sentence: what was wrong.
  public var reason: String
  /// Octets from the start of the response to the place.
  public var offset: Int
  public init(_ reason: String, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }
}
