import Bytes
public import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Writes a message as the lines of a multi-line response (RFC 1939 §3): a dot is put before each line that begins with
/// one, and CRLF.CRLF ends it. Streaming: chunks may be cut anywhere.
///
/// The store keeps no bare LF (see `LineEndNormalizer`). If one came all the same it would go out as CRLF, for clients
/// that take it as a line end would take LF.CRLF as the end of the message.
public struct DotStuffer: Sendable {
  private var isAtLineStart = true
  private var lastWasCR = false

  public init() {}

  /// Appends `chunk`, stuffed, to `output`.
  public mutating func stuff(_ chunk: ByteBuffer, into output: inout ByteBuffer) {
    chunk.withUnsafeReadableBytes { stuff($0, into: &output) }
  }

  /// The same for bytes that stand somewhere else: a message goes from the store to the outgoing buffer in one copy.
  public mutating func stuff(_ chunk: RawSpan, into output: inout ByteBuffer) {
    chunk.withUnsafeBytes { stuff($0, into: &output) }
  }

  /// Ends the response. A message without a CRLF at its end gets one, for the dot stands on a line of its own
  /// (RFC 1939 §3).
  public mutating func finish(into output: inout ByteBuffer) {
    output.writeStaticString(isAtLineStart ? ".\r\n" : lastWasCR ? "\n.\r\n" : "\r\n.\r\n")
    self = DotStuffer()
  }

  private mutating func stuff(_ bytes: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
    guard let base = bytes.baseAddress, let last = bytes.last else { return }
    let dot = UInt8(ascii: ".")
    if isAtLineStart, bytes[0] == dot { output.writeInteger(dot) }
    var copied = 0
    var position = 0
    while position < bytes.count, let found = memchr(base + position, CInt(UInt8.lf), bytes.count - position) {
      let index = UnsafeRawPointer(found) - base
      position = index + 1
      let isCRLF = index == 0 ? lastWasCR : bytes[index - 1] == .cr
      if !isCRLF {
        output.writeBytes(bytes[copied..<index])
        copied = index
        output.writeInteger(UInt8.cr)
      }
      if position < bytes.count, bytes[position] == dot {
        output.writeBytes(bytes[copied..<position])
        copied = position
        output.writeInteger(dot)
      }
    }
    output.writeBytes(bytes[copied...])
    isAtLineStart = last == .lf
    lastWasCR = last == .cr
  }
}
