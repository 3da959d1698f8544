import Bytes
public import NIOCore

/// The first line of a response, not yet taken apart: who retrieves ten thousand messages asks no more of it than
/// whether it says yes.
public struct POP3StatusLine: Sendable, Hashable {
  /// Without its end.
  public let line: ByteBuffer
  public let isOK: Bool

  /// Nil: neither `+OK` nor `-ERR`. Blanks in front and marks behind the word are put up with.
  public init?(_ line: ByteBuffer) {
    var cursor = ByteCursor(line.readableBytesSpan)
    cursor.skip(while: \.isBlank)
    if cursor.takeIgnoringCase("+OK") {
      isOK = true
    } else if cursor.takeIgnoringCase("-ERR") {
      isOK = false
    } else {
      return nil
    }
    if let next = cursor.peek, next.isASCIILetter || next.isASCIIDigit { return nil }
    self.line = line
  }

  /// What follows the word, blanks around it taken off; bytes that are no UTF-8 replaced.
  public var text: String { split.text }

  /// The response code (RFC 2449 §8) in upper case; nil when there is none.
  public var code: String? { split.code }

  private var split: (code: String?, text: String) {
    var cursor = ByteCursor(line.readableBytesSpan)
    cursor.skip(while: \.isBlank)
    cursor.position += isOK ? 3 : 4
    var rest = line
    rest.moveReaderIndex(forwardBy: cursor.position)
    var whole = ByteBuffer(staticString: "+OK ")
    whole.writeImmutableBuffer(rest)
    let reply = POP3Reply.parse(whole)
    let text = reply?.text ?? String(buffer: rest)
    return (reply?.code, String(text.drop { $0 == " " || $0 == "\t" }))
  }
}
