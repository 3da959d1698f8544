import Bytes
import SearchText

/// Looks for a text in a text that comes in pieces. Of what has been looked through it keeps as much as the needle is
/// long, so that what stands across a border is found.
struct NeedleScanner {
  private let needle: TextNeedle
  private var text: [UInt8] = []
  private(set) var isFound: Bool

  init(_ needle: TextNeedle) {
    self.needle = needle
    isFound = needle.isEmpty
  }

  /// - piece: UTF-8, cut between characters.
  mutating func scan(_ piece: RawSpan, isLast: Bool) {
    guard !isFound else { return }
    needle.append(piece, to: &text)
    let length = needle.length
    // A long needle is not looked for anew at every few octets.
    guard isLast || text.count >= 2 * length else { return }
    isFound = needle.searchPrepared(text.span.bytes)
    text.removeFirst(max(0, text.count - (length - 1)))
  }
}
