import Bytes

/// A LIST pattern with its wildcards (RFC 9051 §6.3.9): `*` stands for any characters, `%` for any but the separator.
///
/// All positions of the pattern that can be reached are tried at once, so a match costs at most (length of name ×
/// length of pattern / 64) steps, whatever wildcards a client strings together.
public struct ListPattern: Sendable {
  private enum Token: Hashable, Sendable {
    case byte(UInt8)
    case star, percent
  }

  private let tokens: [Token]
  private let separator: UInt8
  /// Bit `n % 64` of word `n / 64`: token `n` is a star.
  private let words: Int

  /// `reference` stands before `pattern` (RFC 9051 §6.3.9). Both decoded. A first level without wildcards that spells
  /// INBOX in any case becomes INBOX.
  public init(reference: String = "", _ pattern: String, separator: UInt8 = UInt8(ascii: "/")) {
    var tokens: [Token] = []
    for byte in MailboxName.canonical(reference + pattern).utf8 {
      switch byte {
      // A row of wildcards is one: a star swallows its neighbours.
      case UInt8(ascii: "*"):
        while tokens.last == .percent { tokens.removeLast() }
        if tokens.last != .star { tokens.append(.star) }
      case UInt8(ascii: "%"):
        if tokens.last != .star, tokens.last != .percent { tokens.append(.percent) }
      default:
        tokens.append(.byte(byte))
      }
    }
    self.tokens = tokens
    self.separator = separator
    self.words = tokens.count / 64 + 1
  }

  /// True when the pattern has no wildcard: it names one mailbox.
  public var isLiteral: Bool { !tokens.contains(.star) && !tokens.contains(.percent) }

  /// True if the whole of `name` matches. INBOX must be spelt so in `name`.
  public func matches(_ name: some StringProtocol) -> Bool {
    if words == 1 { return matchesShort(name.utf8) }
    return matchesLong(name.utf8)
  }

  /// Bit `n` of the state: the first `n` tokens match what was read.
  private func matchesShort(_ name: some Sequence<UInt8>) -> Bool {
    var state: UInt64 = 1
    for byte in name {
      var next: UInt64 = 0
      var rest = spread(state)
      while rest != 0 {
        let place = rest.trailingZeroBitCount
        rest &= rest &- 1
        guard place < tokens.count else { continue }
        switch tokens[place] {
        case .byte(let wanted): if wanted == byte { next |= 1 << UInt64(place + 1) }
        case .star: next |= 1 << UInt64(place)
        case .percent: if byte != separator { next |= 1 << UInt64(place) }
        }
      }
      guard next != 0 else { return false }
      state = next
    }
    return spread(state) >> UInt64(tokens.count) & 1 == 1
  }

  /// A wildcard may stand for nothing.
  private func spread(_ state: UInt64) -> UInt64 {
    var result = state
    for place in 0..<tokens.count where result >> UInt64(place) & 1 == 1 {
      if case .byte = tokens[place] { continue }
      result |= 1 << UInt64(place + 1)
    }
    return result
  }

  private func matchesLong(_ name: some Sequence<UInt8>) -> Bool {
    var state = [Bool](repeating: false, count: tokens.count + 1)
    state[0] = true
    var next = state
    for byte in name {
      spread(&state)
      for place in next.indices { next[place] = false }
      var isAlive = false
      for place in 0..<tokens.count where state[place] {
        switch tokens[place] {
        case .byte(let wanted):
          if wanted == byte { next[place + 1] = true; isAlive = true }
        case .star:
          next[place] = true
          isAlive = true
        case .percent:
          if byte != separator { next[place] = true; isAlive = true }
        }
      }
      guard isAlive else { return false }
      swap(&state, &next)
    }
    spread(&state)
    return state[tokens.count]
  }

  private func spread(_ state: inout [Bool]) {
    for place in 0..<tokens.count where state[place] {
      if case .byte = tokens[place] { continue }
      state[place + 1] = true
    }
  }
}
