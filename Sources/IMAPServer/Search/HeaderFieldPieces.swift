import Bytes
import MailFormat
import MailStore
import NIOCore

/// Cuts a header that comes in pieces between its fields: senders write headers of any length, and SEARCH holds no more of
/// one than a field.
struct HeaderFieldPieces {
  /// Octets of a field that are looked at; the rest is passed over.
  let fieldLimit: Int
  private var held = ByteBuffer()
  private var isSkipping = false

  init(fieldLimit: Int) { self.fieldLimit = fieldLimit }

  /// Whole fields, as many as have come; nil: more is needed. To be called until it says so.
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
    let bytes = held.readableBytesSpan
    var offset = bytes.byteCount - 1
    while offset > 0 {
      if bytes.byte(at: offset - 1) == .lf, !bytes.byte(at: offset).isBlank { return offset }
      offset -= 1
    }
    return nil
  }

  /// Passes over the rest of a field.
  private mutating func skip() {
    let view = held.readableBytesView
    var offset = view.startIndex
    while offset + 1 < view.endIndex {
      if view[offset] == .lf, !view[offset + 1].isBlank {
        held.moveReaderIndex(to: offset + 1)
        isSkipping = false
        return
      }
      offset += 1
    }
    // A line feed at the very end belongs to what comes next.
    if held.readableBytes > 0 { held.moveReaderIndex(to: held.writerIndex - 1) }
  }
}

extension MessageText {
  /// Octets of one read of a header.
  private static let headerPiece = 64 << 10

  /// Calls with whole fields of the header at `range`, trace lines counted, until it says that it has found something.
  static func isFound(
    inHeader range: Range<Int>, _ reader: any MessageReader, fieldLimit: Int, isOver: () -> Bool,
    _ body: (RawSpan, Range<Int>) -> Bool
  ) async throws(StoreError) -> Bool {
    var pieces = HeaderFieldPieces(fieldLimit: fieldLimit)
    var position = range.lowerBound
    while position < range.upperBound, !isOver() {
      let end = min(position + headerPiece, range.upperBound)
      let bytes = try await reader.read(position..<end)
      guard bytes.readableBytes == end - position else { throw .corrupt(what: "message shorter than its size") }
      position = end
      if let fields = pieces.next(bytes, isLast: end == range.upperBound),
        body(fields.readableBytesSpan, 0..<fields.readableBytes)
      {
        return true
      }
    }
    return false
  }
}
