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

  /// Finds the language for a language range (RFC 4647 §2). `*` is the administrator's choice. A range that is too narrow
  /// is widened from its end (RFC 4647 §3.4), so that "en-GB" gets English rather than a refusal. Nil for a language that
  /// isn't spoken here, and for what is no range.
  public static func matching(_ text: String, preferred: POP3Language) -> POP3Language? {
    guard let range = LanguageRange(text) else { return nil }
    guard !range.isAny else { return preferred }
    for tag in range.candidates {
      if let language = POP3Language(rawValue: tag) { return language }
      if tag == "in" { return .indonesian }  // the tag until 1989, still sent
    }
    return nil
  }
}
