import Bytes
import IMAPCore
import MailNet
import NIOCore
import SearchText

/// By what SEARCH, SORT and THREAD compare texts in a session (RFC 5255 §4.2).
struct Comparator: Sendable, Hashable {
  var collation = Collation.unicodeCasemap
  /// SORT gives texts in the opposite order (RFC 4790 §3.3).
  var isReversed = false

  /// RFC 5255 §4.4: i;unicode-casemap SHOULD be it.
  static let `default` = Comparator()

  /// collation-selected of RFC 4790 §3.3.
  var name: String { (isReversed ? "-" : "") + collation.name }
}

/// What a client asks for: collation-order of RFC 4790 §3.3, or `default`.
struct ComparatorPattern: Sendable {
  private let comparator: Comparator?
  private let isReversed: Bool
  /// In lower case, without the sign.
  private let wild: [UInt8]

  /// RFC 4790 §3.2.
  private static let longest = 254

  /// Nil: the grammar does not allow it.
  init?(_ text: String) {
    var octets = text.utf8.map(\.asciiLowercased)[...]
    if octets.elementsEqual("default".utf8) {
      (comparator, isReversed, wild) = (.default, false, [])
      return
    }
    let sign = octets.first
    if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { octets = octets.dropFirst() }
    guard let first = octets.first, first.isASCIILetter || first == Self.star, octets.count <= Self.longest else {
      return nil
    }
    var last: UInt8 = 0
    for octet in octets {
      let isPlain = octet.isASCIILetter || octet.isASCIIDigit || "-;=.".utf8.contains(octet)
      // RFC 4790 §3.2: wildcards MUST NOT be adjacent.
      guard isPlain || octet == Self.star && last != Self.star else { return nil }
      last = octet
    }
    (comparator, isReversed, wild) = (nil, sign == UInt8(ascii: "-"), Array(octets))
  }

  /// Those that it names, the one that serves more people first (RFC 4790 §3.2).
  var matching: [Comparator] {
    if let comparator { return [comparator] }
    return Collation.allCases.filter { matches(Array($0.name.utf8)) }
      .map { Comparator(collation: $0, isReversed: isReversed) }
  }

  private static let star = UInt8(ascii: "*")

  /// One row of the table "do the first n octets match" at a time.
  private func matches(_ name: [UInt8]) -> Bool {
    var row = [Bool](repeating: false, count: name.count + 1)
    row[0] = true
    for octet in wild {
      var next = [Bool](repeating: false, count: name.count + 1)
      if octet == Self.star { next[0] = row[0] }
      for index in name.indices {
        next[index + 1] = octet == Self.star ? row[index + 1] || next[index] : row[index] && name[index] == octet
      }
      row = next
    }
    return row[name.count]
  }
}

extension IMAPSession {
  /// COMPARATOR (RFC 5255 §4.7). Searches that are kept up to date keep what they began with.
  func comparator(_ command: ComparatorCommand) throws(CommandError) -> Completion {
    guard !command.patterns.isEmpty else {
      connection.out.writeComparator(active: comparator.name)
      return .ok("COMPARATOR completed")
    }
    var matching: [Comparator] = []
    for text in command.patterns {
      guard let pattern = ComparatorPattern(text) else { throw .bad("Not a possible name of a comparator") }
      for found in pattern.matching where !matching.contains(where: { $0.collation == found.collation }) {
        matching.append(found)
      }
    }
    // The first argument that matches wins.
    guard let first = matching.first else { throw .no(.badComparator, "No such comparator") }
    comparator = first
    connection.out.writeComparator(active: first.name, matching: matching.map(\.collation.name))
    return .ok("COMPARATOR completed")
  }
}
