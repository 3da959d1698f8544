// The input is a byte that chooses how to cut, and three texts parted by FF: what is looked for, where, and a pattern of
// LIST. Invariants:
// - SEARCH finds a text where a search without any art finds it, in one piece or in many.
// - LIST's wildcards match as the simplest rule has it.
import Bytes
import FuzzKit
import NIOCore
import SearchText

@testable import IMAPCore
@testable import IMAPServer

func searchFuzz(_ given: ByteBuffer) {
  var rest = given
  let setup = rest.takeByte()
  let needle = String(buffer: rest.takeField(upTo: 0xFF))
  let haystack = String(buffer: rest.takeField(upTo: 0xFF).stretched(upTo: 4000))
  let pattern = String(buffer: rest.takeField(upTo: 0xFF))
  for collation in Collation.allCases { checkNeedle(needle, collation, haystack, UInt64(setup)) }
  checkPattern(Array(pattern.utf8.prefix(200)), haystack)
}

private func checkNeedle(_ given: String, _ collation: Collation, _ haystack: String, _ seed: UInt64) {
  let needle = TextNeedle(given, collation)
  let text = Array(haystack.utf8)
  func key(_ text: String) -> [UInt8] {
    var key: [UInt8] = []
    collation.appendKey(text.utf8Span.span.bytes, to: &key)
    return key
  }
  let expected = plainSearch(key(given), key(haystack))
  must(needle.isFound(in: haystack) == expected, "“\(given)” in “\(haystack)”: \(!expected)")

  var numbers = SeededNumbers(seed: seed)
  var scanner = NeedleScanner(needle)
  var start = 0
  while start < text.count {
    var end = min(text.count, start + 1 + numbers.number(below: 40))
    while end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
    scanner.scan(Array(text[start..<end]).span.bytes, isLast: false)
    start = end
  }
  scanner.scan(RawSpan(), isLast: true)
  must(scanner.isFound == expected, "“\(given)” in pieces of “\(haystack)”: \(scanner.isFound)")
}

private func plainSearch(_ needle: [UInt8], _ text: [UInt8]) -> Bool {
  guard needle.count <= text.count else { return false }
  return (0...(text.count - needle.count)).contains { text[$0...].starts(with: needle) }
}

/// One row of the table "do the first n octets match": the textbook's way.
private func checkPattern(_ pattern: [UInt8], _ name: String) {
  let text = Array(MailboxName.canonical(String(name.prefix(300))).utf8)
  let canonical = Array(MailboxName.canonical(String(decoding: pattern, as: UTF8.self)).utf8)
  var row = [Bool](repeating: false, count: text.count + 1)
  row[0] = true
  for byte in canonical {
    var next = [Bool](repeating: false, count: text.count + 1)
    let isWildcard = byte == UInt8(ascii: "*") || byte == UInt8(ascii: "%")
    next[0] = isWildcard && row[0]
    for index in 0..<text.count {
      switch byte {
      case UInt8(ascii: "*"): next[index + 1] = row[index + 1] || next[index]
      case UInt8(ascii: "%"): next[index + 1] = row[index + 1] || next[index] && text[index] != UInt8(ascii: "/")
      default: next[index + 1] = row[index] && text[index] == byte
      }
    }
    row = next
  }
  let said = ListPattern(String(decoding: pattern, as: UTF8.self)).matches(String(decoding: text, as: UTF8.self))
  must(said == row[text.count], "\(String(decoding: canonical, as: UTF8.self)) and \(name): \(said)")
}
