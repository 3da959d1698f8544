import Bytes

/// A language the server speaks (RFC 6856 §3).
public enum POP3Language: String, Sendable, Hashable, CaseIterable {
  case english = "en"
  case indonesian = "id"

  /// The language tag (RFC 5646).
  public var tag: String { rawValue }

  /// The language's name for itself.
  public var nativeName: String {
    switch self {
    case .english: "English"
    case .indonesian: "Bahasa Indonesia"
    }
  }

  /// Finds the language for a basic language range (RFC 4647 §2.1). `*` is the administrator's choice. A range that is
  /// too narrow is widened from its end (RFC 4647 §3.4), so that "en-GB" gets English rather than a refusal. Nil for
  /// a language that isn't spoken here, and for what is no range.
  public static func matching(_ range: String, preferred: POP3Language) -> POP3Language? {
    if range == "*" { return preferred }
    let subtags = range.split(separator: "-", omittingEmptySubsequences: false)
    guard let primary = subtags.first, primary.utf8.allSatisfy(\.isASCIILetter),
      subtags.allSatisfy({
        (1...8).contains($0.utf8.count) && $0.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit }
      })
    else { return nil }
    switch primary.lowercased() {
    case "en": return .english
    case "id", "in": return .indonesian  // "in" was the tag until 1989 and is still sent
    default: return nil
    }
  }
}
