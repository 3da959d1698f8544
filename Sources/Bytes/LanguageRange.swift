/// A language range (RFC 4647 §2) as RFC 4647 §3.4 looks it up among the tags of languages.
public struct LanguageRange: Sendable {
  /// What to look for, in lower case: the range, then each time with its last subtag left out.
  public let candidates: [String]

  /// Any language will do.
  public static let any = LanguageRange()
  public var isAny: Bool { candidates.isEmpty }

  private init() { candidates = [] }

  /// Nil: it is no range. Of an extended range the wildcards behind the first place are passed over, and one that begins with
  /// a wildcard means any language (RFC 4647 §3.2).
  public init?(_ text: String) {
    var subtags: [String] = []
    let parts = text.lowercased().split(separator: "-", omittingEmptySubsequences: false)
    guard let primary = parts.first else { return nil }
    for (index, part) in parts.enumerated() {
      let octets = part.utf8
      guard part == "*" || (1...8).contains(octets.count) && octets.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit })
      else { return nil }
      if index == 0, part != "*" { guard octets.allSatisfy(\.isASCIILetter) else { return nil } }
      if part != "*" { subtags.append(String(part)) }
    }
    guard primary != "*" else {
      candidates = []
      return
    }
    var candidates: [String] = []
    while !subtags.isEmpty {
      candidates.append(subtags.joined(separator: "-"))
      subtags.removeLast()
      // A single letter means nothing without what stood behind it.
      if subtags.count > 1, subtags.last?.utf8.count == 1 { subtags.removeLast() }
    }
    self.candidates = candidates
  }
}
