import Bytes
public import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reads the lines of one multi-line response as a client: takes the dots off (RFC 1939 §3) and finds the end.
///
/// The end is CRLF.CRLF. Some servers end their lines with LF alone, and their responses with LF.LF or LF.CRLF. But a
/// message on a proper server may hold `LF.LF` too, put there to make a client take the rest of it for the next
/// response. So a bare LF ends a line in two cases only:
/// - the first line of this body ended with one, or
/// - exactly the announced octets have come, and a lone dot follows: the message's last line lacks its CR.
///
/// Content lies in runs, which are copied whole; a message that is in hand whole and has no stuffed line is handed out as
/// it lies in the input, without a copy.
public struct POP3BodyReader: Sendable {
  public enum Event: Sendable, Hashable {
    /// The whole body, no longer than asked for. May share its storage with the input.
    case whole(ByteBuffer)
    /// The body is longer: pieces follow, then the end.
    case begin
    case piece(ByteBuffer)
    case end
    /// The input is used up and the end has not come.
    case needsMore
  }

  private enum Place: Sendable {
    case lineStart
    /// A dot began the line: no content, whatever follows.
    case dot
    case dotCR
    /// After a bare LF that may be the last octet of the message.
    case doubt
    case doubtDot
    case doubtDotCR
    case text
    case textCR
    case ended
  }

  private var place = Place.lineStart
  /// Whether the first line ended with a bare LF; nil until it has ended.
  private var endsLinesWithLF: Bool?
  /// Octets of content so far.
  private var length: Int64 = 0
  private let octets: Int64?
  private let wholeLimit: Int
  /// Content not yet handed out.
  private var held = ByteBuffer()
  private var isStreaming = false
  private var owesBegin: Bool

  private static let heldCR = ByteBuffer(integer: UInt8.cr)
  private static let heldDot = ByteBuffer(integer: UInt8(ascii: "."))
  private static let heldDotCR = ByteBuffer(staticString: ".\r")

  /// - Parameters:
  ///   - octets: what the server announced, nil if nothing. A wrong figure does no harm.
  ///   - wholeLimit: octets up to which the body is handed out whole.
  public init(octets: Int64?, wholeLimit: Int) {
    self.octets = octets
    self.wholeLimit = wholeLimit
    owesBegin = (octets ?? 0) > Int64(wholeLimit)
  }

  /// Takes the next event off the front of `input`. To be called until it answers `.needsMore`, `.whole` or `.end`.
  public mutating func next(from input: inout ByteBuffer) -> Event {
    if owesBegin {
      owesBegin = false
      isStreaming = true
      return .begin
    }
    while true {
      if isStreaming, held.readableBytes >= POP3Limits.bodyPiece { return .piece(takeHeld()) }
      if case .ended = place { return finish() }
      guard input.readableBytes > 0 else { return .needsMore }
      guard let run = step(&input), run.readableBytes > 0 else { continue }
      length += Int64(run.readableBytes)
      if isStreaming {
        if held.readableBytes == 0, run.readableBytes >= POP3Limits.bodySlice { return .piece(run) }
        held.writeImmutableBuffer(run)
      } else if held.readableBytes == 0, run.readableBytes <= wholeLimit, takeEnd(&input) {
        return .whole(run)
      } else {
        hold(run)
        guard held.readableBytes > wholeLimit else { continue }
        isStreaming = true
        return .begin
      }
    }
  }

  private mutating func finish() -> Event {
    guard isStreaming else { return .whole(takeHeld()) }
    return held.readableBytes > 0 ? .piece(takeHeld()) : .end
  }

  private mutating func takeHeld() -> ByteBuffer {
    var taken = ByteBuffer()
    swap(&taken, &held)
    return taken
  }

  private mutating func hold(_ run: ByteBuffer) {
    if held.readableBytes == 0 {
      let expected = max(0, min((octets ?? 0) + 4, Int64(wholeLimit)))
      held.reserveCapacity(max(Int(expected), run.readableBytes))
    }
    held.writeImmutableBuffer(run)
  }

  /// The usual end, in hand whole, right behind the last line.
  private mutating func takeEnd(_ input: inout ByteBuffer) -> Bool {
    guard case .lineStart = place, input.readableBytes >= 3 else { return false }
    let isEnd = input.withUnsafeReadableBytes { $0[0] == UInt8(ascii: ".") && $0[1] == .cr && $0[2] == .lf }
    guard isEnd else { return false }
    input.moveReaderIndex(forwardBy: 3)
    place = .ended
    return true
  }

  /// One step through the input, which is not empty: past a dot, or over the longest run of content.
  private mutating func step(_ input: inout ByteBuffer) -> ByteBuffer? {
    guard let byte = input.getInteger(at: input.readerIndex, as: UInt8.self) else { return nil }
    let isDot = byte == UInt8(ascii: ".")
    switch place {
    case .lineStart:
      guard isDot else { return text(&input) }
      return skip(&input, to: .dot)
    case .dot:
      // "..": the second dot is content, though it stands where a line begins.
      guard byte == .cr || byte == .lf else { return text(&input) }
      return skip(&input, to: byte == .lf ? .ended : .dotCR)
    case .dotCR:
      if byte == .lf { return skip(&input, to: .ended) }
      place = .textCR
      return Self.heldCR
    case .doubt:
      guard isDot else { return text(&input) }
      return skip(&input, to: .doubtDot)
    case .doubtDot:
      if byte == .cr || byte == .lf { return skip(&input, to: byte == .lf ? .ended : .doubtDotCR) }
      place = .text
      return Self.heldDot
    case .doubtDotCR:
      if byte == .lf { return skip(&input, to: .ended) }
      place = .textCR
      return Self.heldDotCR
    case .text, .textCR: return text(&input)
    case .ended: return nil
    }
  }

  private mutating func skip(_ input: inout ByteBuffer, to next: Place) -> ByteBuffer? {
    input.moveReaderIndex(forwardBy: 1)
    place = next
    return nil
  }

  /// The longest run of content up to a line that begins with a dot. The byte in front is content.
  private mutating func text(_ input: inout ByteBuffer) -> ByteBuffer? {
    let startsAfterCR = if case .textCR = place { true } else { false }
    let length = input.withUnsafeReadableBytes { run($0, startsAfterCR: startsAfterCR) }
    return input.readSlice(length: length)
  }

  private mutating func run(_ bytes: UnsafeRawBufferPointer, startsAfterCR: Bool) -> Int {
    guard let base = bytes.baseAddress else { return 0 }
    var position = 0
    while position < bytes.count, let found = memchr(base + position, CInt(UInt8.lf), bytes.count - position) {
      let index = UnsafeRawPointer(found) - base
      position = index + 1
      if endsLinesWithLF == nil {
        endsLinesWithLF = !(index == 0 ? startsAfterCR : bytes[index - 1] == .cr)
      }
      guard position == bytes.count || bytes[position] == UInt8(ascii: ".") else { continue }
      if endsLinesWithLF == true || (index == 0 ? startsAfterCR : bytes[index - 1] == .cr) {
        place = .lineStart
        return position
      }
      if length + Int64(position) == octets {
        place = .doubt
        return position
      }
    }
    place = bytes.last == .cr ? .textCR : .text
    return bytes.count
  }
}
