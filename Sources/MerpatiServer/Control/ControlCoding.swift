import Foundation
import MailStore
import MailTransfer
import NIOCore

/// Lines of the control socket. Long ones are not taken apart on an event loop.
enum ControlCoding {
  @concurrent
  static func request(_ line: ByteBuffer) async throws(ControlFailure) -> ControlRequest {
    try decodedRequest(line)
  }

  static func decodedRequest(_ line: ByteBuffer) throws(ControlFailure) -> ControlRequest {
    do { return try JSONDecoder().decode(ControlRequest.self, from: Data(line.readableBytesView)) } catch {
      throw ControlFailure(.data, "the request is not understood; are server and command of one version?")
    }
  }

  @concurrent
  static func line(_ value: some Encodable & Sendable) async throws(ControlFailure) -> ByteBuffer {
    do { return try encoded(value) } catch {
      throw ControlFailure(.software, "the control socket's line could not be written: \(error)")
    }
  }

  /// An empty line, which is no answer, if it cannot be encoded.
  static func shortLine(_ reply: ControlReply) -> ByteBuffer { (try? encoded(reply)) ?? ByteBuffer(string: "\n") }

  private static func encoded(_ value: some Encodable) throws -> ByteBuffer {
    var line = ByteBuffer(bytes: try JSONEncoder().encode(value))
    line.writeInteger(UInt8(ascii: "\n"))
    return line
  }
}

/// Messages in the answer to `read`: `+UID SIZE LF`, pieces (`LENGTH LF` and the octets), `0 LF`. `!UID JSON LF` instead of
/// any of these ends a message that cannot be read. The line of a `ControlReply` ends the answer.
enum ReadFrame {
  static func write(_ event: StoreReadEvent, to buffer: inout ByteBuffer) {
    switch event {
    case .begin(let uid, let size): buffer.writeString("+\(uid) \(size)\n")
    case .piece(let bytes):
      buffer.writeString("\(bytes.readableBytes)\n")
      buffer.writeImmutableBuffer(bytes)
    case .end: buffer.writeString("0\n")
    case .damaged(let uid, let error):
      buffer.writeString("!\(uid) ")
      if let json = try? JSONEncoder().encode(error) { buffer.writeBytes(json) }
      buffer.writeString("\n")
    }
  }
}
