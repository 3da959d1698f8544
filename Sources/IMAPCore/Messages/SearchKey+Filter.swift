import Bytes
public import NIOCore

extension SearchKey {
  /// Some criterion is a filter (RFC 5466 §3.1).
  public var hasFilter: Bool { contains { if case .filter = $0 { true } else { false } } }

  private func contains(_ test: (SearchKey) -> Bool) -> Bool {
    if test(self) { return true }
    return switch self {
    case .and(let keys): keys.contains { $0.contains(test) }
    case .or(let first, let second): first.contains(test) || second.contains(test)
    case .not(let key), .fuzzy(let key): key.contains(test)
    default: false
    }
  }

  /// Some criterion may be matched loosely (RFC 6203 §3).
  public var hasFuzzy: Bool { contains { if case .fuzzy = $0 { true } else { false } } }

  /// search-criteria of RFC 5466 §4, as a filter holds them.
  public init(parsing octets: ByteBuffer, limits: IMAPLimits = .standard) throws(IMAPSyntaxError) {
    var reader = CommandReader(octets.readableBytesSpan, options: .rev1, limits: limits)
    self = try reader.searchKeys()
    try reader.end()
  }

  /// filter-name = 1*<any ATOM-CHAR except "/">
  public static func isFilterName(_ name: some StringProtocol) -> Bool {
    !name.isEmpty && name.utf8.allSatisfy { $0.isAtomCharacter && $0 != UInt8(ascii: "/") }
  }
}
