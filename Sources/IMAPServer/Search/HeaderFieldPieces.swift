import Bytes
import MailFormat
import MailNet
import MailStore
import NIOCore
import SearchText

/// Cuts a header that comes in pieces between its fields: senders write headers of any length, and SEARCH holds no more of
/// one than a field.
struct HeaderFieldPieces: Sendable {
  /// Octets of a field that are looked at; the rest is passed over.
  let fieldLimit: Int
  private var held = ByteBuffer()
  private var isSkipping = false

  init(fieldLimit: Int) { self.fieldLimit = fieldLimit }

  /// Whole fields, as many as have come; nil: more is needed. Once for each piece.
  /// - isLast: nothing comes behind these octets.
  mutating func next(_ bytes: ByteBuffer, isLast: Bool) -> ByteBuffer? {
    held.writeImmutableBuffer(bytes)
    held.discardReadBytes()
    if isSkipping { skip() }
    if isLast || isSkipping { return isLast && !isSkipping ? takeAll() : nil }
    if let start = lastFieldStart() { return held.readSlice(length: start) }
    guard held.readableBytes >= fieldLimit else { return nil }
    isSkipping = true
    let field = held.readSlice(length: fieldLimit)
    skip()
    return field
  }

  private mutating func takeAll() -> ByteBuffer? {
    defer { held.clear() }
    return held.readableBytes > 0 ? held : nil
  }

  /// Where the last field begins that may not be whole yet, if something stands before it.
  private func lastFieldStart() -> Int? {
    let view = held.readableBytesView
    var end = view.endIndex - 1
    while end > view.startIndex, let lineFeed = view[..<end].lastIndex(of: .lf) {
      if !view[lineFeed + 1].isBlank { return lineFeed + 1 - view.startIndex }
      end = lineFeed
    }
    return nil
  }

  /// Passes over the rest of a field.
  private mutating func skip() {
    let view = held.readableBytesView
    var start = view.startIndex
    while let lineFeed = view[start...].firstIndex(of: .lf), lineFeed + 1 < view.endIndex {
      if !view[lineFeed + 1].isBlank {
        held.moveReaderIndex(to: lineFeed + 1)
        isSkipping = false
        return
      }
      start = lineFeed + 1
    }
    // A line feed at the very end belongs to what comes next.
    if held.readableBytes > 0 { held.moveReaderIndex(to: held.writerIndex - 1) }
  }
}

extension MessageText {
  /// Octets of one read of a header.
  private static let headerPiece = 64 << 10

  /// Calls with whole fields of the header at `range`, trace lines counted, until it says that it has found something. Off the
  /// event loop, a piece at a time.
  static func isFound(
    inHeader range: Range<Int>, _ reader: any MessageReader, fieldLimit: Int, isOver: () -> Bool,
    _ body: @escaping @Sendable (RawSpan, Range<Int>) -> Bool
  ) async throws(StoreError) -> Bool {
    var pieces = HeaderFieldPieces(fieldLimit: fieldLimit)
    var position = range.lowerBound
    while position < range.upperBound, !isOver() {
      let end = min(position + headerPiece, range.upperBound)
      let bytes = try await reader.read(position..<end)
      guard bytes.readableBytes == end - position else { throw .corrupt(what: "message shorter than its size") }
      position = end
      let (before, isLast) = (pieces, end == range.upperBound)
      let isFound: Bool
      (pieces, isFound) = await offLoop {
        var pieces = before
        guard let fields = pieces.next(bytes, isLast: isLast) else { return (pieces, false) }
        return (pieces, body(fields.readableBytesSpan, 0..<fields.readableBytes))
      }
      if isFound { return true }
    }
    return false
  }
}
