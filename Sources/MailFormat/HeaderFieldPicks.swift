import Bytes
public import NIOCore

/// HEADER.FIELDS of a header that is in memory, in two steps, since a literal is announced by its size: what is wanted, and
/// then the octets. It finds what `HeaderFields.write` writes, and is kept from message to message.
public struct HeaderFieldPicks: Sendable {
  private var fields: [Range<Int>] = []
  private var hasEmptyLine = false
  /// Octets of all fields picked, and of the empty line if there is one.
  public private(set) var size = 0

  public init() {}

  /// Finds the fields `names` in `bytes`, a whole header.
  public mutating func pick(_ names: HeaderFieldNames, of bytes: RawSpan) {
    fields.removeAll(keepingCapacity: true)
    size = 0
    let end = bytes.byteCount
    hasEmptyLine = HeaderFields.emptyLine(bytes, 0..<end) != nil
    if hasEmptyLine { size = 2 }
    var position = 0
    while position < end {
      let start = position
      let letter = bytes.at(start)
      if letter == .lf || (letter == .cr && start + 1 < end && bytes.at(start + 1) == .lf) { return }
      let lineEnd = bytes.nextLine(from: start, to: end)
      position = lineEnd
      while position < end, bytes.at(position).isBlank { position = bytes.nextLine(from: position, to: end) }
      guard names.mayBegin(letter) else { continue }
      var name = start..<start
      // RFC 5322 §2.2: the name is up to the colon. §4.5 allows blanks before the colon.
      if !letter.isBlank, let colon = bytes.firstIndex(of: 0x3A, from: start, to: lineEnd) {
        var nameEnd = colon
        while nameEnd > start, bytes.at(nameEnd - 1).isBlank { nameEnd -= 1 }
        name = start..<nameEnd
      }
      guard names.contains(bytes, name) else { continue }
      size += position - start
      if let last = fields.last, last.upperBound == start {
        fields[fields.count - 1] = last.lowerBound..<position
      } else {
        fields.append(start..<position)
      }
    }
  }

  /// Appends the `size` octets that were picked of the same `bytes`.
  public func write(of bytes: RawSpan, into buffer: inout ByteBuffer) {
    for field in fields { buffer.write(bytes, field) }
    // RFC 9051 §6.4.5: the blank line is in all header fetches, except of a message with no body and no blank line.
    if hasEmptyLine { buffer.writeStaticString("\r\n") }
  }
}
