import Bytes

/// A LIST pattern with its wildcards (RFC 9051 §6.3.9): `*` stands for any characters, `%` for any but the separator.
///
/// All positions of the pattern that can be reached are tried at once, 64 to a word: a match costs at most (length of
/// name × length of pattern / 64) steps, whatever wildcards a client strings together.
public struct ListPattern: Sendable {
  /// Octets and wildcards of the pattern.
  private let count: Int
  private let separator: UInt8
  /// Words of a row.
  private let width: Int
  /// Bit `n % 64` of word `n / 64` of an octet's row: token `n` is that octet. A row for each octet there is.
  private let places: [UInt64]
  /// The same for the wildcards: those that take any octet, and both kinds.
  private let stars: [UInt64]
  private let wildcards: [UInt64]

  /// `reference` stands before `pattern` (RFC 9051 §6.3.9). Both decoded. A first level without wildcards that spells
  /// INBOX in any case becomes INBOX.
  public init(reference: String = "", _ pattern: String, separator: UInt8 = UInt8(ascii: "/")) {
    let tokens = Self.tokens(MailboxName.canonical(reference + pattern))
    let width = tokens.count / 64 + 1
    var places = [UInt64](repeating: 0, count: 256 * width)
    var stars = [UInt64](repeating: 0, count: width)
    var wildcards = stars
    for (place, token) in tokens.enumerated() {
      let bit = UInt64(1) << UInt64(place % 64)
      switch token {
      case .byte(let byte): places[Int(byte) * width + place / 64] |= bit
      case .star:
        stars[place / 64] |= bit
        wildcards[place / 64] |= bit
      case .percent: wildcards[place / 64] |= bit
      }
    }
    count = tokens.count
    self.width = width
    self.separator = separator
    self.places = places
    self.stars = stars
    self.wildcards = wildcards
  }

  private enum Token {
    case byte(UInt8)
    case star, percent

    var isByte: Bool { if case .byte = self { true } else { false } }
  }

  private static func tokens(_ pattern: String) -> [Token] {
    var tokens: [Token] = []
    for byte in pattern.utf8 {
      switch byte {
      // A row of wildcards is one: a star swallows its neighbours. So no two wildcards touch.
      case UInt8(ascii: "*"):
        while let last = tokens.last, !last.isByte { tokens.removeLast() }
        tokens.append(.star)
      case UInt8(ascii: "%"):
        if tokens.last?.isByte ?? true { tokens.append(.percent) }
      default:
        tokens.append(.byte(byte))
      }
    }
    return tokens
  }

  /// True when the pattern has no wildcard: it names one mailbox.
  public var isLiteral: Bool { wildcards.allSatisfy { $0 == 0 } }

  /// Steps that an octet of a name may cost.
  public var cost: Int { width }

  /// True if the whole of `name` matches. INBOX must be spelt so in `name`.
  public func matches(_ name: String) -> Bool {
    let (places, stars, wildcards) = (places.span, stars.span, wildcards.span)
    // Bit `n`: the first `n` tokens match what was read.
    var words = [UInt64](repeating: 0, count: width)
    var state = words.mutableSpan
    state[0] = wildcards[0] & 1 == 1 ? 3 : 1
    let octets = name.utf8.span
    for index in octets.indices {
      let row = Int(octets[index]) * width
      let isSeparator = octets[index] == separator
      var carry: UInt64 = 0
      var spreading: UInt64 = 0
      var alive: UInt64 = 0
      for word in 0..<width {
        let matched = state[word] & places[row + word]
        let passing = isSeparator ? stars[word] : wildcards[word]
        let next = state[word] & passing | matched << 1 | carry
        carry = matched >> 63
        // A wildcard may stand for nothing.
        let passed = next & wildcards[word]
        state[word] = next | passed << 1 | spreading
        spreading = passed >> 63
        alive |= next
      }
      guard alive != 0 else { return false }
    }
    return state[count / 64] >> UInt64(count % 64) & 1 == 1
  }
}
