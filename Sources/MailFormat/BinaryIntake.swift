import Bytes
public import NIOCore

/// Takes a message that may hold binary parts (RFC 3516 §4.4, RFC 3030 §3) and makes one of it that every reader can have:
/// parts whose Content-Transfer-Encoding is binary come out in base64, multiparts and messages that are labelled so are
/// labelled 8bit, and for all the rest holds the rule of `LineEndNormalizer`. Decoded, such a part has exactly the octets
/// that came.
///
/// Streaming: feed chunks cut anywhere, then call `finish`. Where parts begin and end is seen as `MessageIndex` will see it;
/// but inside a binary part only CRLF is a line end. What is held is a line, a header field, or as much as a boundary needs.
public struct BinaryIntake: Sendable {
  /// Why the message cannot be kept without loss; what comes out is worth nothing then.
  public enum Failure: Sendable, Hashable {
    /// A multipart is labelled binary and says no boundary.
    case noBoundary
    /// Something inside more levels or parts than are looked into is labelled binary.
    case tooDeep
    /// A Content-Type or Content-Transfer-Encoding of more than `longestField` octets.
    case fieldTooLong
  }

  public internal(set) var failure: Failure?
  /// NULs outside binary parts; each became 0x80.
  public private(set) var strayNUL = 0
  /// Parts that came out in base64.
  public internal(set) var encodedParts = 0

  /// Octets of a header field that is looked at.
  public static let longestField = MIMELimits.convertedFieldBytes
  /// Octets of a line that are held before they go out in pieces.
  static let longestLine = 2 * longestField
  /// RFC 2045 §6.8: lines of 76 characters.
  private static let octetsInLine = 57

  enum Mode: Sendable {
    case header
    /// Lines, as they come.
    case text
    /// Octets to be encoded.
    case data
  }

  /// What is open around the place, outermost first.
  enum Frame: Sendable {
    /// `boundary` with its leading `--`.
    case multipart(boundary: [UInt8], isDigest: Bool)
    case message
  }

  let limits: MIMELimits
  var mode = Mode.header
  var frames: [Frame] = []
  var partCount = 1
  /// Came and not yet looked at.
  private var held = ByteBuffer()
  /// Octets of `held` in which no line ends.
  private var scanned = 0
  /// The line was begun and is not over.
  private var isInLine = false
  /// Nothing of the data has been seen.
  var isAtDataStart = false
  /// Data for which there was no line yet.
  private var unencoded = ByteBuffer()
  var output = ByteBuffer()
  var header = BinaryHeader(isInDigest: false)

  public init(limits: MIMELimits = .init()) { self.limits = limits }

  /// What of the message can go out.
  public mutating func take(_ chunk: ByteBuffer) -> ByteBuffer {
    held.writeImmutableBuffer(chunk)
    return drain(isEnd: false)
  }

  /// The rest of it.
  public mutating func finish() -> ByteBuffer { drain(isEnd: true) }

  private mutating func drain(isEnd: Bool) -> ByteBuffer {
    output = ByteBuffer()
    output.reserveCapacity(held.readableBytes)
    while mode == .data ? takeData(isEnd: isEnd) : takeLine(isEnd: isEnd) {}
    if isEnd {
      if mode == .header { endHeader(isStopped: true) }
      endData()
    }
    held.discardReadBytes()
    return output
  }

  // MARK: Lines

  /// False: no more can be told without more.
  private mutating func takeLine(isEnd: Bool) -> Bool {
    guard held.readableBytes > 0 else { return false }
    var (length, terminator) = lineEnd(isEnd: isEnd)
    if terminator == 0, !isEnd {
      guard held.readableBytes > Self.longestLine else { return false }
      // All but an octet that may be half a line end.
      length = held.readableBytes - 1
    }
    scanned = 0
    guard var line = held.readSlice(length: length) else { return false }
    held.moveReaderIndex(forwardBy: terminator)
    let isStart = !isInLine
    isInLine = terminator == 0
    mapNUL(&line)
    if isStart, let reached = boundary(line.readableBytesSpan) {
      if mode == .header { endHeader(isStopped: true) }
      write(line, isOver: terminator > 0)
      leave(reached)
    } else if mode == .header {
      headerLine(line, isStart: isStart, isOver: terminator > 0)
    } else {
      write(line, isOver: terminator > 0)
    }
    return true
  }

  func lineWritten(_ line: ByteBuffer, isOver: Bool) -> ByteBuffer {
    var result = line
    if isOver { result.writeStaticString("\r\n") }
    return result
  }

  mutating func write(_ line: ByteBuffer, isOver: Bool) {
    output.writeImmutableBuffer(line)
    if isOver { output.writeStaticString("\r\n") }
  }

  /// CRLF, LF and CR end a line. No terminator: its end has not come.
  private mutating func lineEnd(isEnd: Bool) -> (length: Int, terminator: Int) {
    let count = held.readableBytes
    let start = scanned
    let found = held.withUnsafeReadableBytes { bytes -> (length: Int, terminator: Int) in
      let feed = bytes[start...].firstIndex(of: .lf) ?? count
      let cr = bytes[start..<feed].firstIndex(of: .cr) ?? feed
      if cr < feed {
        if cr + 1 < count { return (cr, bytes[cr + 1] == .lf ? 2 : 1) }
        return isEnd ? (cr, 1) : (count, 0)
      }
      return feed < count ? (feed, 1) : (count, 0)
    }
    if found.terminator == 0 { scanned = max(count - 1, 0) }
    return found
  }

  private mutating func mapNUL(_ line: inout ByteBuffer) {
    guard line.readableBytesView.contains(0) else { return }
    var mapped = ByteBuffer()
    for byte in line.readableBytesView {
      mapped.writeInteger(byte == 0 ? 0x80 : byte)
      if byte == 0 { strayNUL += 1 }
    }
    line = mapped
  }

  // MARK: Boundaries

  struct Reached {
    /// Index into `frames`.
    var frame: Int
    var isClosing: Bool
  }

  /// As `PartParser`: a line that begins with it suffices, the longest is meant, of equal ones the innermost.
  private func boundary(_ line: RawSpan) -> Reached? {
    guard line.peek(0) == 0x2D, line.peek(1) == 0x2D else { return nil }
    var best: Reached?
    var length = -1
    for index in frames.indices.reversed() {
      guard case .multipart(let boundary, _) = frames[index], boundary.count > length, line.hasBytes(boundary, at: 0)
      else { continue }
      length = boundary.count
      let isClosing = line.peek(length) == 0x2D && line.peek(length + 1) == 0x2D
      best = Reached(frame: index, isClosing: isClosing)
    }
    if let best, !best.isClosing, partCount >= limits.parts { return nil }
    return best
  }

  private mutating func leave(_ reached: Reached) {
    frames.removeLast(frames.count - reached.frame - (reached.isClosing ? 0 : 1))
    guard !reached.isClosing, case .multipart(_, let isDigest)? = frames.last else {
      mode = .text
      return
    }
    beginEntity(isInDigest: isDigest)
  }

  // MARK: Data

  /// Encodes up to a boundary, or up to where one might begin. False: no more can be told without more.
  private mutating func takeData(isEnd: Bool) -> Bool {
    let longest = frames.reduce(0) { length, frame in
      if case .multipart(let boundary, _) = frame { max(length, boundary.count) } else { length }
    }
    // A boundary, and the marks of its end.
    let needed = longest + 2
    if isAtDataStart, longest > 0 {
      guard isEnd || held.readableBytes >= needed else { return false }
      if boundary(held.readableBytesSpan) != nil { return endOfData(at: 0, skipping: 0) }
    }
    isAtDataStart = false
    guard held.readableBytes > 0 else { return false }
    guard longest > 0 else {
      encode(held.readableBytes)
      return false
    }
    var position = 0
    let count = held.readableBytes
    while let cr = nextLineEnd(from: position) {
      guard isEnd || count - (cr + 2) >= needed else {
        encode(cr)
        return false
      }
      if boundary(held.readableBytesSpan.extracting(cr + 2..<count)) != nil { return endOfData(at: cr, skipping: 2) }
      position = cr + 2
    }
    // A CR that comes last may be the beginning of one.
    let endsInCR = held.getInteger(at: held.writerIndex - 1, as: UInt8.self) == .cr
    encode(isEnd || !endsInCR ? count : count - 1)
    return false
  }

  /// The place of the next CRLF, from `start` on.
  private func nextLineEnd(from start: Int) -> Int? {
    held.withUnsafeReadableBytes { bytes in
      var position = start
      while let feed = bytes[position...].firstIndex(of: .lf) {
        if feed > start, bytes[feed - 1] == .cr { return feed - 1 }
        position = feed + 1
      }
      return nil
    }
  }

  private mutating func endOfData(at length: Int, skipping lineEnd: Int) -> Bool {
    encode(length)
    held.moveReaderIndex(forwardBy: lineEnd)
    endData()
    mode = .text
    return true
  }

  private mutating func encode(_ count: Int) {
    guard count > 0, var octets = held.readSlice(length: count) else { return }
    unencoded.writeBuffer(&octets)
    while let line = unencoded.readSlice(length: Self.octetsInLine) { encodeLine(line) }
    unencoded.discardReadBytes()
  }

  private mutating func endData() {
    if unencoded.readableBytes > 0 { encodeLine(unencoded) }
    unencoded = ByteBuffer()
  }

  private mutating func encodeLine(_ line: ByteBuffer) {
    Base64.encode(line, into: &output)
    output.writeStaticString("\r\n")
  }
}
