import Bytes
import MailFormat
import MailNet
import MailStore
import NIOCore
import SearchText

/// Looks for a text in one part that is too large to be held: read, decoded and looked through in pieces, with the answer
/// that the whole would give.
///
/// `@unchecked Sendable`: `isFound(in:)` calls `advance` again only when it has returned; nothing else sees the object.
final class PartTextSearch: @unchecked Sendable {
  /// Octets of one read.
  static let piece = 64 << 10
  /// Reads after which the session is asked whether anybody waits for the answer.
  private static let piecesPerAdvance = 16

  private let reader: any MessageReader
  private let piece: Int
  private let end: Int
  private var position: Int
  private var stream: PartTextStream
  private var scanner: NeedleScanner
  private var otherScanner: NeedleScanner
  private var text: [UInt8] = []
  private var other: [UInt8] = []

  init(_ needle: TextNeedle, _ part: Part, _ reader: any MessageReader, piece: Int = PartTextSearch.piece) {
    let trace = reader.trace.readableBytes
    self.reader = reader
    self.piece = piece
    position = part.bodyStart + trace
    end = part.bodyEnd + trace
    stream = PartTextStream(part, asciiOnly: needle.isASCII)
    scanner = NeedleScanner(needle)
    otherScanner = NeedleScanner(needle)
  }

  /// Reads on, off the event loop. Nil: not decided yet.
  func advance() async throws(StoreError) -> Bool? {
    try await offLoop { () async throws(StoreError) -> Bool? in try await self.readOn() }
  }

  private func readOn() async throws(StoreError) -> Bool? {
    for _ in 0..<Self.piecesPerAdvance {
      let next = min(position + piece, end)
      let bytes = try await reader.read(position..<next)
      guard bytes.readableBytes == next - position else { throw .corrupt(what: "message shorter than its size") }
      position = next
      if let verdict = look(bytes.readableBytesSpan, isLast: next == end) { return verdict }
    }
    return nil
  }

  private func look(_ bytes: RawSpan, isLast: Bool) -> Bool? {
    text.removeAll(keepingCapacity: true)
    other.removeAll(keepingCapacity: true)
    stream.decode(bytes, isLast: isLast, into: &text, other: &other)
    scanner.scan(text.span.bytes, isLast: isLast)
    otherScanner.scan(other.span.bytes, isLast: isLast)
    let isFound =
      switch stream.reading {
      case .settled: scanner.isFound
      case .other: otherScanner.isFound
      case .open: scanner.isFound && otherScanner.isFound
      }
    return isFound ? true : isLast ? false : nil
  }
}

extension MessageText {
  /// The part, or one within it, holds the text; in a message too large to be held. Attachments are never read.
  /// - isOver: nobody waits for the answer any more; it is then false.
  static func isFound(
    _ needle: TextNeedle, in part: Part, _ reader: any MessageReader, withHeaders: Bool,
    piece: Int = PartTextSearch.piece, fieldLimit: Int = .max, isOver: () -> Bool
  ) async throws(StoreError) -> Bool {
    if withHeaders, !isOver() {
      let trace = reader.trace.readableBytes
      let header = part.headerRange.lowerBound + trace..<part.headerRange.upperBound + trace
      if try await isFound(
        inHeader: header, reader, fieldLimit: fieldLimit, isOver: isOver, { hasFields(needle, $0, $1) })
      {
        return true
      }
    }
    if part.isMultipart || part.isMessage {
      for child in part.children
      where try await isFound(
        needle, in: child, reader, withHeaders: withHeaders, piece: piece, fieldLimit: fieldLimit, isOver: isOver)
      {
        return true
      }
      return false
    }
    guard hasBody(part) else { return false }
    let search = PartTextSearch(needle, part, reader, piece: piece)
    while !isOver() {
      if let verdict = try await search.advance() { return verdict }
    }
    return false
  }
}
