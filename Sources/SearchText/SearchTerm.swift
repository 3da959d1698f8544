/// A text that SEARCH looks for, and where: what an index may be asked for.
public struct SearchTerm: Sendable, Hashable {
  public enum Place: Sendable, Hashable {
    /// In the value of one of the fields an index keeps as they read.
    case field(KeptField)
    /// In some header, that of a part included.
    case header
    /// In the text of some part.
    case body
    /// In either.
    case anywhere
  }

  public var place: Place
  public var needle: TextNeedle

  public init(_ place: Place, _ needle: TextNeedle) {
    self.place = place
    self.needle = needle
  }
}

/// The header fields people search by.
public enum KeptField: UInt8, Sendable, Hashable, CaseIterable {
  case subject, from, to, cc, bcc

  /// In lower case.
  public var name: [UInt8] {
    switch self {
    case .subject: Array("subject".utf8)
    case .from: Array("from".utf8)
    case .to: Array("to".utf8)
    case .cc: Array("cc".utf8)
    case .bcc: Array("bcc".utf8)
    }
  }

  public init?(name: [UInt8]) {
    guard let field = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = field
  }
}
