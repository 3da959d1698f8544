import IMAPCore
import NIOCore
import SearchText

/// Loose matching (RFC 6203): all words of a text, in any order and with their endings cut off, instead of the text. What is
/// not a text is matched as it stands.
extension SearchCompiler {
  enum Strictness { case exact, words, loose }

  func fuzzy(_ key: SearchKey) -> SearchNode {
    switch key {
    case .and(let keys): .and(keys.map(fuzzy))
    case .or(let first, let second): .or([fuzzy(first), fuzzy(second)])
    case .fuzzy(let key): fuzzy(key)
    default: text(key, .loose) ?? compile(key)
    }
  }

  /// Nil: it is not a text that is looked for.
  func text(_ key: SearchKey, _ strictness: Strictness) -> SearchNode? {
    guard let octets = key.text else { return nil }
    let whole = string(octets)
    let words = whole.split { !$0.isLetter && !$0.isNumber }.map(String.init)
    guard strictness != .exact, !words.isEmpty else { return node(key, needle(octets)) }
    return .and(words.map { node(key, TextNeedle(strictness == .loose ? Self.stem($0) : $0, collation)) })
  }

  /// The first two thirds of a word, of three characters at least: `Helo` finds help and hello.
  static func stem(_ word: String) -> String {
    word.count < 4 ? word : String(word.prefix(max(3, (word.count * 2 + 2) / 3)))
  }
}

extension SearchKey {
  var text: ByteBuffer? {
    switch self {
    case .address(_, let text), .subject(let text), .header(_, let text), .body(let text), .text(let text): text
    default: nil
    }
  }

  /// Of the texts that are matched loosely, wherever they stand.
  var fuzzyOctets: Int {
    switch self {
    case .and(let keys): keys.reduce(0) { $0 + $1.fuzzyOctets }
    case .or(let first, let second): first.fuzzyOctets + second.fuzzyOctets
    case .not(let key): key.fuzzyOctets
    case .fuzzy(let key): key.textOctets
    default: 0
    }
  }

  private var textOctets: Int {
    switch self {
    case .and(let keys): keys.reduce(0) { $0 + $1.textOctets }
    case .or(let first, let second): first.textOctets + second.textOctets
    case .not(let key), .fuzzy(let key): key.textOctets
    default: text?.readableBytes ?? 0
    }
  }

  /// The texts that are matched loosely.
  var fuzzyTexts: [SearchKey] {
    switch self {
    case .and(let keys): keys.flatMap(\.fuzzyTexts)
    case .or(let first, let second): first.fuzzyTexts + second.fuzzyTexts
    case .fuzzy(let key): key.texts
    default: []
    }
  }

  private var texts: [SearchKey] {
    switch self {
    case .and(let keys): keys.flatMap(\.texts)
    case .or(let first, let second): first.texts + second.texts
    case .fuzzy(let key): key.texts
    default: text == nil ? [] : [self]
    }
  }
}
