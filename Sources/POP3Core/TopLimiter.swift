import Bytes
public import NIOCore

/// Lets through what TOP shows (RFC 1939 §7): the header, the empty line after it and the first lines of the body.
public struct TopLimiter: Sendable {
  private var linesLeft: Int
  private var isInHeader = true
  /// Octets of the line so far, and whether the first of them is a CR: a line that is nothing but CRLF is empty.
  private var lineLength = 0
  private var startsWithCR = false
  /// Nothing more is to be sent.
  public private(set) var isComplete = false

  /// - Parameter lines: lines of the body.
  public init(lines: Int) { linesLeft = max(lines, 0) }

  /// The front of `chunk` that belongs to the answer: all of it, until `isComplete`.
  public mutating func take(_ chunk: ByteBuffer) -> ByteBuffer {
    let length = chunk.withUnsafeReadableBytes { count($0) }
    return chunk.getSlice(at: chunk.readerIndex, length: length) ?? ByteBuffer()
  }

  /// How many octets at the front of `chunk` belong to the answer.
  public mutating func count(_ chunk: RawSpan) -> Int { chunk.withUnsafeBytes { count($0) } }

  private mutating func count(_ bytes: UnsafeRawBufferPointer) -> Int {
    if isComplete { return 0 }
    for index in bytes.indices {
      let byte = bytes[index]
      guard byte == .lf else {
        if lineLength == 0 { startsWithCR = byte == .cr }
        lineLength += 1
        continue
      }
      let isEmpty = lineLength == 0 || (lineLength == 1 && startsWithCR)
      lineLength = 0
      if isInHeader {
        isInHeader = !isEmpty
        isComplete = isEmpty && linesLeft == 0
      } else {
        linesLeft -= 1
        isComplete = linesLeft == 0
      }
      if isComplete { return index + 1 }
    }
    return bytes.count
  }
}
