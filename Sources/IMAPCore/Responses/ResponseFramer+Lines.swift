import Bytes
import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension ResponseFramer {
  struct LineEnd {
    /// Octets of the line without its end.
    var length: Int
    /// Octets of CRLF or LF.
    var terminator: Int
  }

  /// Looks for the end of the line behind `collected`, beginning where the last look ended.
  private mutating func findLineEnd() -> LineEnd? {
    let from = collected + scanned
    let found: Int? = input.withUnsafeReadableBytes { bytes in
      guard let base = bytes.baseAddress, from < bytes.count,
        let end = memchr(base + from, CInt(UInt8.lf), bytes.count - from)
      else { return nil }
      return UnsafeRawPointer(end) - base
    }
    guard let found else {
      scanned = input.readableBytes - collected
      return nil
    }
    scanned = 0
    let length = found - collected
    let hasCR = length > 0 && input.getInteger(at: input.readerIndex + found - 1, as: UInt8.self) == .cr
    return LineEnd(length: hasCR ? length - 1 : length, terminator: hasCR ? 2 : 1)
  }

  mutating func nextLine() -> ResponseEvent? {
    guard let end = findLineEnd() else {
      guard collected - literalOctets + scanned > limits.line + 1 else { return .needMore }
      return fail("A response is longer than \(limits.line) octets")
    }
    guard collected - literalOctets + end.length <= limits.line else {
      return fail("A response is longer than \(limits.line) octets")
    }
    if let literal = literal(before: end) { return start(literal, end) }
    let length = collected + end.length
    guard let bytes = input.readSlice(length: length) else { return .needMore }
    input.moveReaderIndex(forwardBy: end.terminator)
    let frame = ResponseFrame(bytes, hasStreamedSections: hasStreamed)
    resetFrame()
    // Some servers send an empty line now and then.
    return length == 0 ? nil : .response(frame)
  }

  mutating func resetFrame() {
    isOwned = false
    collected = 0
    scanned = 0
    literalOctets = 0
    literalCount = 0
    hasStreamed = false
    if input.readableBytes == 0 { input = ByteBuffer() }
  }

  /// The literal that the line announces, with the octets of its header.
  private func literal(before end: LineEnd) -> (size: Int64, header: Int)? {
    let start = input.readerIndex + collected
    guard end.length >= 3, byte(start + end.length - 1) == UInt8(ascii: "}"),
      case .literal(let literal) = LiteralHeader.atEnd(of: input, start: start, length: end.length)
    else { return nil }
    var header = end.length - 1
    while byte(start + header) != UInt8(ascii: "{") { header -= 1 }
    if literal.isBinary { header -= 1 }
    // Where a string may begin. Anything else is text that looks like a literal, such as a mailbox called a{1}.
    guard header > 0, let before = byte(start + header - 1), " ([]>".utf8.contains(before), !isText(upTo: end) else {
      return nil
    }
    return (literal.size, end.length - header)
  }

  private func byte(_ index: Int) -> UInt8? { input.getInteger(at: index, as: UInt8.self) }

  /// The line ends in words for people, which may look like anything: a continuation, or a status response behind its
  /// code.
  private func isText(upTo end: LineEnd) -> Bool {
    guard let line = input.getSlice(at: input.readerIndex, length: collected + end.length) else { return true }
    var cursor = ByteCursor(line.readableBytesSpan)
    let isUntagged = cursor.take(UInt8(ascii: "*"))
    if !isUntagged {
      if cursor.peek == UInt8(ascii: "+") { return true }
      cursor.skip { $0 != .space }
    }
    cursor.skip { $0 == .space }
    let word = cursor.position
    cursor.skip(while: \.isASCIILetter)
    let isStatus = ResponseReader.conditions.value(for: cursor.span.extracting(word..<cursor.position)) != nil
    if isUntagged, !isStatus { return false }
    cursor.skip { $0 == .space }
    // Inside of [CODE ...] a literal may stand, if seldom: (RFC 9051 §9, resp-text-code, BADCHARSET).
    guard cursor.peek == UInt8(ascii: "[") else { return true }
    cursor.skip { $0 != UInt8(ascii: "]") }
    return !cursor.isAtEnd
  }

  private mutating func start(_ literal: (size: Int64, header: Int), _ end: LineEnd) -> ResponseEvent? {
    literalCount += 1
    guard literalCount <= limits.literals else { return fail("A response has more than \(limits.literals) literals") }
    let lineEnd = collected + end.length + end.terminator
    guard literal.size <= limits.whole, Int64(lineEnd) + literal.size <= limits.response else {
      return startSection(literal, end)
    }
    collected = lineEnd
    state = .literal(size: Int(literal.size))
    return nil
  }

  /// A literal that is not held: it must be a section of FETCH.
  private mutating func startSection(_ literal: (size: Int64, header: Int), _ end: LineEnd) -> ResponseEvent {
    // Bounded by the limits for lines and for what is held.
    let length = collected + end.length - literal.header
    guard var head = input.getSlice(at: input.readerIndex, length: length) else { return .needMore }
    head.writeStaticString("{}")
    guard let (fetch, section) = ResponseFrame(head, hasStreamedSections: true).head(limits: limits),
      fetch.streamed.count <= limits.streamedSections
    else {
      return fail("A literal of \(literal.size) octets is too large where it stands")
    }
    input.moveReaderIndex(forwardBy: collected + end.length + end.terminator)
    isOwned = false
    hasStreamed = true
    state = .section(left: literal.size, head: head)
    return .sectionBegin(fetch, section, size: literal.size)
  }

  mutating func nextInSection(_ left: Int64, _ head: ByteBuffer) -> ResponseEvent {
    guard left > 0 else {
      var whole = ByteBufferAllocator().buffer(
        capacity: head.readableBytes + input.readableBytes + Self.roomBehindLiteral)
      whole.writeImmutableBuffer(head)
      whole.writeImmutableBuffer(input)
      input = whole
      isOwned = true
      collected = head.readableBytes
      scanned = 0
      state = .line
      return .sectionEnd
    }
    guard let piece = input.readSlice(length: Int(min(left, Int64(input.readableBytes)))), piece.readableBytes > 0
    else {
      return .needMore
    }
    isOwned = false
    if input.readableBytes == 0 { input = ByteBuffer() }
    state = .section(left: left - Int64(piece.readableBytes), head: head)
    return .sectionBytes(piece)
  }
}
