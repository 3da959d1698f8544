public import NIOCore

/// What `CommandFramer.next()` found in the bytes received so far.
public enum FramerEvent: Hashable, Sendable {
  /// Nothing more without more bytes.
  case needMore
  /// Send `+ ...` (see `ByteBuffer.writeContinuation`) and flush: the client waits to send a literal. Then call
  /// `next()`.
  case sendContinuation
  /// A whole command, to be read by `CommandFrame.parse`.
  case command(CommandFrame)
  /// The next message of an APPEND, or the one of a REPLACE. Call `acceptMessage()` or `refuseCommand()` before the next `next()`. One of size 0
  /// cancels the whole APPEND: it is to be answered NO (RFC 3502 §6.3.11).
  case appendMessage(AppendMessage)
  /// The next part of a catenated message: an IMAP URL (RFC 4469 §3).
  case appendURL(ByteBuffer)
  /// The next part of a catenated message: octets, to be accepted as a message is. The list may end with it.
  case appendText(LiteralHeader)
  /// The catenated message has no more parts.
  case appendCatenated
  /// The next octets of the accepted message or part. They add up to exactly its literal's size.
  case appendBytes(ByteBuffer)
  /// The accepted message or part is complete. (Comes at once for an empty literal.)
  case appendMessageEnd
  /// The line of the APPEND or REPLACE is over: store the messages and answer the tag.
  case appendEnd(tag: String)
  /// A line asked for by `expectLine()`, without its line end: an AUTHENTICATE answer or IDLE's DONE.
  case line(ByteBuffer)
  /// A command, or a line asked for, that is over a limit or cannot be read. Answer it; its bytes are thrown away as
  /// they come. If an APPEND was under way, its messages are void.
  case rejected(IMAPSyntaxError)
  /// The client cannot be kept in step (RFC 7888 §4): send `BYE` with the code and text, close. Always followed by the
  /// same again.
  case close(code: ResponseCode?, reason: Sentence)
}

/// The bytes of one command, literals included, without the line end.
public struct CommandFrame: Hashable, Sendable {
  public var bytes: ByteBuffer
  public init(_ bytes: ByteBuffer) { self.bytes = bytes }
}
