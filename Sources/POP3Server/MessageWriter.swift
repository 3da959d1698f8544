import Bytes
import NIOCore
import POP3Core

/// A message, or the top of it, as the lines of a multi-line response.
struct MessageWriter {
  private var stuffer = DotStuffer()
  private var limiter: TopLimiter?

  /// `lines`: of the body, for TOP. Nil: the whole message.
  init(lines: Int?) {
    limiter = lines.map { TopLimiter(lines: $0) }
  }

  /// Nothing more is wanted.
  var isDone: Bool { limiter?.isComplete ?? false }

  mutating func write(_ bytes: RawSpan, to output: inout ByteBuffer) {
    guard bytes.byteCount > 0, !isDone else { return }
    let wanted = limiter?.count(bytes) ?? bytes.byteCount
    stuffer.stuff(bytes.extracting(0..<wanted), into: &output)
  }

  mutating func finish(to output: inout ByteBuffer) {
    stuffer.finish(into: &output)
  }
}
