import Foundation
import MailStore
import MailTransfer
import NIOCore

/// A command's reading of what the server answers on the control socket: messages as `ReadFrame` writes them, and the line
/// of the reply. Knows nothing of sockets; holds no more than a line.
struct ControlAnswerReader {
  enum Event {
    case message(StoreReadEvent)
    /// The line of the reply, which ends the answer.
    case reply(ByteBuffer)
  }

  /// What came is none of these: server and command are of two versions.
  struct Malformed: Error {}

  private var buffer = ByteBuffer()
  private var scanned = 0
  /// Octets of a piece that are still to come.
  private var left = 0

  mutating func feed(_ bytes: ByteBuffer) {
    if buffer.readableBytes == 0 { buffer = bytes } else { buffer.writeImmutableBuffer(bytes) }
  }

  /// The next line; nil when more is needed.
  mutating func line() throws(Malformed) -> ByteBuffer? {
    let view = buffer.readableBytesView
    if let end = view[(view.startIndex + scanned)...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = buffer.readSlice(length: end - buffer.readerIndex) ?? ByteBuffer()
      buffer.moveReaderIndex(forwardBy: 1)
      scanned = 0
      guard line.readableBytes <= ControlLimits.replyLine else { throw Malformed() }
      return line
    }
    scanned = buffer.readableBytes
    guard scanned <= ControlLimits.replyLine else { throw Malformed() }
    return nil
  }

  /// The next event; nil when more is needed.
  mutating func next() throws(Malformed) -> Event? {
    if left > 0 {
      guard let piece = buffer.readSlice(length: min(left, buffer.readableBytes)), piece.readableBytes > 0 else {
        return nil
      }
      left -= piece.readableBytes
      return .message(.piece(piece))
    }
    guard let line = try line() else { return nil }
    switch line.getInteger(at: line.readerIndex, as: UInt8.self) {
    case UInt8(ascii: "+"):
      let numbers = String(buffer: line).dropFirst().split(separator: " ")
      guard numbers.count == 2, let uid = UID(numbers[0]), let size = Int(numbers[1]), size >= 0 else {
        throw Malformed()
      }
      return .message(.begin(uid, size: size))
    case UInt8(ascii: "!"):
      let parts = String(buffer: line).dropFirst().split(separator: " ", maxSplits: 1)
      guard parts.count == 2, let uid = UID(parts[0]) else { throw Malformed() }
      let error = try? JSONDecoder().decode(StoreError.self, from: Data(parts[1].utf8))
      return .message(.damaged(uid, error ?? .corrupt(what: "the message with UID \(uid)")))
    case UInt8(ascii: "{"): return .reply(line)
    default:
      guard let length = Int(String(buffer: line)), (0...ControlLimits.chunk).contains(length) else {
        throw Malformed()
      }
      left = length
      return length == 0 ? .message(.end) : try next()
    }
  }
}
