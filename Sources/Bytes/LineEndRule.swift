public import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The one rule about line ends and NUL in message content, for LMTP (DATA and BDAT), `deliver` and APPEND alike:
///
/// - a bare LF becomes CRLF,
/// - a bare CR becomes CRLF,
/// - NUL becomes 0x80.
///
/// Why mapped and not refused: pipes deliver mail with bare LFs, and mail with stray CRs and NULs exists and is wanted;
/// a refusal would bounce it. Why mapped at all: every reader of the store (IMAP literals, POP3 lines) may then count
/// on CRLF, and neither RFC 9051 §9 nor RFC 3501 §9 lets a NUL into a literal; 0x80 keeps sizes and offsets, is no
/// UTF-8 on its own, and is what Dovecot shows in a NUL's place. Why nothing can be smuggled by it: the end of DATA is
/// recognised before, in the raw bytes, and only at CRLF.CRLF (RFC 5321 §4.1.1.4).
///
/// A final line without an end gets none. What comes out holds no bare CR, no bare LF and no NUL, and running it
/// through again changes nothing. Streaming: feed chunks cut anywhere, then call `finish`.
public struct LineEndNormalizer: Sendable {
  /// What has been mapped so far.
  public struct Counts: Sendable, Hashable {
    public var bareCR = 0
    public var bareLF = 0
    public var nul = 0
    public init() {}
    public var isEmpty: Bool { bareCR == 0 && bareLF == 0 && nul == 0 }
  }

  public private(set) var counts = Counts()
  /// The last byte put out was a CR whose LF is still owed.
  private var owesLF = false
  private var lastWasLF = false

  public init() {}

  /// Whether what was put out so far ends with CRLF (false while nothing was).
  public var endsWithLineEnd: Bool { lastWasLF && !owesLF }

  /// Maps a chunk. When there is nothing to map, which is nearly always, the answer is `chunk` itself, not a copy.
  public mutating func normalize(_ chunk: ByteBuffer) -> ByteBuffer {
    guard chunk.readableBytes > 0 else { return chunk }
    if chunk.withUnsafeReadableBytes({ isClean($0) }) {
      noteEnd(of: chunk)
      return chunk
    }
    var output = ByteBufferAllocator().buffer(capacity: chunk.readableBytes + chunk.readableBytes / 32 + 16)
    normalize(chunk, into: &output)
    return output
  }

  /// Maps a chunk and appends the result to `output`.
  public mutating func normalize(_ chunk: ByteBuffer, into output: inout ByteBuffer) {
    guard chunk.readableBytes > 0 else { return }
    if chunk.withUnsafeReadableBytes({ isClean($0) }) {
      noteEnd(of: chunk)
      output.writeImmutableBuffer(chunk)
      return
    }
    chunk.withUnsafeReadableBytes { map($0, into: &output) }
  }

  /// Ends the message: a CR that came last gets its LF.
  public mutating func finish(into output: inout ByteBuffer) {
    guard owesLF else { return }
    owesLF = false
    lastWasLF = true
    counts.bareCR += 1
    output.writeInteger(UInt8.lf)
  }

  private mutating func noteEnd(of chunk: ByteBuffer) {
    let last = chunk.getInteger(at: chunk.writerIndex - 1, as: UInt8.self)
    owesLF = last == .cr
    lastWasLF = last == .lf
  }

  /// Whether the chunk can go through as it is: a CR at its very end may still get its LF from the next one.
  private func isClean(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress, memchr(base, 0, bytes.count) == nil else { return false }
    var position = 0
    if owesLF {
      guard bytes[0] == .lf else { return false }
      position = 1
    }
    while position < bytes.count {
      let line = base + position
      let left = bytes.count - position
      guard let end = memchr(line, CInt(UInt8.lf), left) else {
        guard let cr = memchr(line, CInt(UInt8.cr), left) else { return true }
        return UnsafeRawPointer(cr) == base + (bytes.count - 1)
      }
      let length = UnsafeRawPointer(end) - line
      // The first CR of the line has to be the one before its LF.
      guard length > 0, let cr = memchr(line, CInt(UInt8.cr), length), UnsafeRawPointer(cr) == line + (length - 1)
      else {
        return false
      }
      position += length + 1
    }
    return true
  }

  private mutating func map(_ bytes: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
    var start = 0  // first byte not yet copied
    for index in bytes.indices {
      let byte = bytes[index]
      if owesLF {
        owesLF = false
        if byte != .lf {
          output.writeBytes(bytes[start..<index])
          start = index
          counts.bareCR += 1
          output.writeInteger(UInt8.lf)
        } else {
          continue
        }
      }
      switch byte {
      case .cr: owesLF = true
      case .lf:
        output.writeBytes(bytes[start..<index])
        start = index
        counts.bareLF += 1
        output.writeInteger(UInt8.cr)
      case 0:
        output.writeBytes(bytes[start..<index])
        start = index + 1
        counts.nul += 1
        output.writeInteger(0x80 as UInt8)
      default: break
      }
    }
    output.writeBytes(bytes[start...])
    lastWasLF = bytes.last == .lf
  }
}

/// Cuts command lines out of a stream of bytes, for the line-based protocols. It never looks at a byte twice, and holds
/// nothing itself: bytes of an unfinished line stay in the caller's buffer, at most `limit` of them.
public struct LineFramer: Sendable {
  public enum Frame: Sendable, Hashable {
    /// A line without its end. `endedByBareLF`: there was an LF, but no CR before it.
    case line(ByteBuffer, endedByBareLF: Bool)
    /// The line has grown past the limit; said once, as soon as that is known. The rest of the line is dropped by the
    /// following calls without a word.
    case tooLong
    /// More bytes are needed; nothing is left in the buffer but the beginning of a line.
    case incomplete
  }

  private var scanned = 0
  private var isDropping = false

  public init() {}

  /// Takes the next line from the front of `buffer`. `limit`: octets of the longest line, its end included.
  public mutating func next(from buffer: inout ByteBuffer, limit: Int) -> Frame {
    next(from: &buffer) { _ in limit }
  }

  /// The same for limits that depend on the line: `limit` is asked with bytes that begin where a line begins. It is not
  /// asked for the rest of a line that is being dropped.
  public mutating func next(from buffer: inout ByteBuffer, limit: (ByteBuffer) -> Int) -> Frame {
    while true {
      guard let length = lineLength(buffer) else {
        if isDropping {
          buffer.moveReaderIndex(to: buffer.writerIndex)
          scanned = 0
          return .incomplete
        }
        guard buffer.readableBytes >= limit(buffer) else {
          scanned = buffer.readableBytes
          return .incomplete
        }
        buffer.moveReaderIndex(to: buffer.writerIndex)
        scanned = 0
        isDropping = true
        return .tooLong
      }
      scanned = 0
      guard let line = buffer.readSlice(length: length) else { return .incomplete }
      if isDropping {
        isDropping = false
        continue
      }
      guard length <= limit(line) else { return .tooLong }
      let view = line.readableBytesView
      let hasCR = length >= 2 && view[view.startIndex + length - 2] == .cr
      guard let content = line.getSlice(at: line.readerIndex, length: length - (hasCR ? 2 : 1)) else {
        return .incomplete
      }
      return .line(content, endedByBareLF: !hasCR)
    }
  }

  /// Forgets an unfinished line, as after STARTTLS or when the caller took the bytes itself.
  public mutating func reset() {
    scanned = 0
    isDropping = false
  }

  /// Octets up to and including the first LF.
  private func lineLength(_ buffer: ByteBuffer) -> Int? {
    buffer.withUnsafeReadableBytes { bytes in
      guard let base = bytes.baseAddress, scanned < bytes.count,
        let end = memchr(base + scanned, CInt(UInt8.lf), bytes.count - scanned)
      else { return nil }
      return UnsafeRawPointer(end) - base + 1
    }
  }
}

/// Takes dot-stuffed text apart as it streams in: the content of DATA (RFC 5321 §4.5.2) and of a POP3 multi-line
/// response (RFC 1939 §3).
///
/// It ends at CRLF.CRLF and nowhere else: LF.LF, LF.CRLF, CRLF.LF and CR.CR are content (RFC 5321 §4.1.1.4). The first
/// line begins after the CRLF of the command that came before. Nothing is copied: pieces are slices of the input.
public struct DotDecoder: Sendable {
  public enum Piece: Sendable, Hashable {
    /// Content, with the dots taken off.
    case bytes(ByteBuffer)
    /// The input is used up and the end has not come.
    case needsMore
    /// The end; what is left in the input comes after it. Said for ever after.
    case end
  }

  private enum State: Sendable {
    case lineStart
    /// A dot began the line. It is no content, whatever follows.
    case dot
    /// A dot and a CR: the end if LF follows, else the CR is content.
    case dotCR
    case text
    case textCR
    case ended
  }

  private var state = State.lineStart
  private static let heldCR = ByteBuffer(integer: UInt8.cr)

  public init() {}

  public var isAtEnd: Bool {
    if case .ended = state { return true }
    return false
  }

  /// Takes the next piece off the front of `input`. To be called until it answers `.needsMore` or `.end`.
  public mutating func next(from input: inout ByteBuffer) -> Piece {
    while true {
      if case .ended = state { return .end }
      guard let byte = input.getInteger(at: input.readerIndex, as: UInt8.self) else { return .needsMore }
      switch state {
      case .lineStart:
        guard byte == UInt8(ascii: ".") else { return .bytes(text(&input)) }
        input.moveReaderIndex(forwardBy: 1)
        state = .dot
      case .dot:
        guard byte == .cr else {
          // "..": the second dot is content, even though it stands where a line begins.
          state = .text
          return .bytes(text(&input))
        }
        input.moveReaderIndex(forwardBy: 1)
        state = .dotCR
      case .dotCR:
        if byte == .lf {
          input.moveReaderIndex(forwardBy: 1)
          state = .ended
        } else {
          state = .textCR
          return .bytes(Self.heldCR)
        }
      case .text, .textCR: return .bytes(text(&input))
      case .ended: return .end
      }
    }
  }

  /// Appends all content that `input` holds to `output`; true once the end has come.
  public mutating func decode(_ input: inout ByteBuffer, into output: inout ByteBuffer) -> Bool {
    while true {
      switch next(from: &input) {
      case .bytes(let piece): output.writeImmutableBuffer(piece)
      case .needsMore: return false
      case .end: return true
      }
    }
  }

  /// The longest run of content up to a line that begins with a dot. At least one byte: the one in front is content.
  private mutating func text(_ input: inout ByteBuffer) -> ByteBuffer {
    let startsAfterCR = if case .textCR = state { true } else { false }
    let (length, after) = input.withUnsafeReadableBytes { Self.run($0, startsAfterCR: startsAfterCR) }
    state = after
    return input.readSlice(length: length) ?? ByteBuffer()
  }

  private static func run(_ bytes: UnsafeRawBufferPointer, startsAfterCR: Bool) -> (Int, State) {
    guard let base = bytes.baseAddress else { return (0, .text) }
    var position = 0
    while position < bytes.count, let found = memchr(base + position, CInt(UInt8.lf), bytes.count - position) {
      let index = UnsafeRawPointer(found) - base
      position = index + 1
      let isCRLF = index == 0 ? startsAfterCR : bytes[index - 1] == .cr
      guard isCRLF else { continue }
      if position == bytes.count || bytes[position] == UInt8(ascii: ".") { return (position, .lineStart) }
    }
    return (bytes.count, bytes.last == .cr ? .textCR : .text)
  }
}
