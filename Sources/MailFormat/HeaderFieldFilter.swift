import Bytes
public import NIOCore

/// HEADER.FIELDS, or with `not` HEADER.FIELDS.NOT, of a header that comes in pieces: what `HeaderFields.write` makes of the
/// whole, in memory that does not depend on how long the header is.
public struct HeaderFieldFilter: Sendable {
  /// No name is longer, blanks before its colon included; a line that has no colon so far is no field.
  static let longestName = 1024

  private enum Place: Sendable { case lineStart, name, line, end }

  private let names: HeaderFieldNames
  private let not: Bool
  private var place = Place.lineStart
  /// The beginning of a line of which is not known yet whether it is wanted.
  private var held: [UInt8] = []
  private var isWanted: Bool

  public init(_ names: HeaderFieldNames, not: Bool) {
    self.names = names
    self.not = not
    // A continuation at the very beginning belongs to no field.
    isWanted = not
  }

  public mutating func filter(_ bytes: RawSpan, into buffer: inout ByteBuffer) {
    var offset = 0
    while offset < bytes.byteCount {
      switch place {
      case .end: return
      case .line:
        let next = bytes.nextLine(from: offset, to: bytes.byteCount)
        if isWanted { buffer.write(bytes, offset..<next) }
        if bytes.at(next - 1) == .lf { place = .lineStart }
        offset = next
      case .lineStart:
        let byte = bytes.at(offset)
        if held.isEmpty, byte.isBlank {
          // Of the field before; of none at the beginning.
          place = .line
          continue
        }
        offset += 1
        held.append(byte)
        if byte == .lf, held.count == 1 || held.first == .cr {
          held.removeAll()
          place = .end
        } else if byte != .cr || held.count > 1 {
          place = .name
          settle(byte, into: &buffer)
        }
      case .name:
        let byte = bytes.at(offset)
        offset += 1
        held.append(byte)
        settle(byte, into: &buffer)
      }
    }
  }

  /// The header ends here.
  public mutating func finish(into buffer: inout ByteBuffer) {
    if !held.isEmpty { decide(nil, into: &buffer) }
    // RFC 9051 §6.4.5: the blank line is in all header fetches, except of a message with no body and no blank line.
    if place == .end { buffer.writeStaticString("\r\n") }
  }

  /// Whether `byte`, the last one of what is held, tells what the line is.
  private mutating func settle(_ byte: UInt8, into buffer: inout ByteBuffer) {
    if byte == 0x3A {
      decide(held.count - 1, into: &buffer)
    } else if byte == .lf || held.count > Self.longestName {
      decide(nil, into: &buffer)
    }
  }

  /// - colon: where it stands in what is held.
  private mutating func decide(_ colon: Int?, into buffer: inout ByteBuffer) {
    var end = colon ?? 0
    while end > 0, held[end - 1].isBlank { end -= 1 }
    isWanted = names.contains(held.span.bytes, 0..<end) != not
    if isWanted { buffer.writeBytes(held) }
    place = held.last == .lf ? .lineStart : .line
    held.removeAll(keepingCapacity: true)
  }
}
