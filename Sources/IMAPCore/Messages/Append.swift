import Bytes
public import NIOCore

/// What announces a literal (RFC 9051 §4.3, RFC 7888).
public struct LiteralHeader: Hashable, Sendable {
  /// Octets that follow.
  public var size: Int64
  /// False for `{n+}`: the octets come without being asked for.
  public var isSynchronizing: Bool
  /// `~{n}`: may hold NUL (RFC 3516 §4.4).
  public var isBinary: Bool
  public init(size: Int64, isSynchronizing: Bool, isBinary: Bool = false) {
    self.size = size
    self.isSynchronizing = isSynchronizing
    self.isBinary = isBinary
  }
}

/// One message of an APPEND as the framer announces it, before its octets (RFC 9051 §6.3.12, RFC 3502).
public struct AppendMessage: Hashable, Sendable {
  public var tag: String
  public var mailbox: MailboxName
  /// 0 for the first message of the command.
  public var index: Int
  public var flags: FlagList
  /// Nil: none was given; the server takes the time of day.
  public var date: IMAPDateTime?
  public var literal: LiteralHeader
  public init(
    tag: String, mailbox: MailboxName, index: Int, flags: FlagList, date: IMAPDateTime?, literal: LiteralHeader
  ) {
    self.tag = tag
    self.mailbox = mailbox
    self.index = index
    self.flags = flags
    self.date = date
    self.literal = literal
  }
}

/// A whole `APPEND` with its messages in memory: what a client prints.
public struct AppendCommand: Hashable, Sendable {
  public struct Message: Hashable, Sendable {
    public var flags: FlagList
    public var date: IMAPDateTime?
    public var bytes: ByteBuffer
    /// Sent as literal8 (RFC 3516 §4.4).
    public var isBinary: Bool
    public init(_ bytes: ByteBuffer, flags: FlagList = FlagList(), date: IMAPDateTime? = nil, isBinary: Bool = false) {
      self.bytes = bytes
      self.flags = flags
      self.date = date
      self.isBinary = isBinary
    }
  }
  public var mailbox: MailboxName
  /// At least one.
  public var messages: [Message]
  public init(_ mailbox: MailboxName, messages: [Message]) {
    self.mailbox = mailbox
    self.messages = messages
  }
}

extension CommandReader {
  /// [SP flag-list] [SP date-time] SP and a literal's header, which must end the frame: what stands before a message.
  mutating func appendOptions() throws(IMAPSyntaxError) -> (flags: FlagList, date: IMAPDateTime?) {
    try space()
    var flags = FlagList()
    var date: IMAPDateTime?
    if cursor.peek == UInt8(ascii: "(") {
      flags = try flagList()
      try space()
    }
    if cursor.peek == .quote {
      date = try dateTime()
      try space()
    }
    let isBinary = cursor.peek == UInt8(ascii: "~")
    if isBinary { cursor.position += 1 }
    guard isUnfinishedLiteral else { throw expected("a literal") }
    return (flags, date)
  }

  /// A whole APPEND, messages in the frame (what a client's printer makes).
  mutating func appendCommand() throws(IMAPSyntaxError) -> AppendCommand {
    var command = AppendCommand(try spaceAndMailbox(), messages: [])
    repeat {
      try space()
      var message = AppendCommand.Message(ByteBuffer())
      if cursor.peek == UInt8(ascii: "(") {
        message.flags = try flagList()
        try space()
      }
      if cursor.peek == .quote {
        message.date = try dateTime()
        try space()
      }
      message.isBinary = cursor.take(UInt8(ascii: "~"))
      message.bytes = buffer(try messageLiteral())
      guard command.messages.count < limits.messagesPerAppend else {
        throw error("Too many messages in one APPEND", code: .messageLimit(UInt32(clamping: limits.messagesPerAppend)))
      }
      command.messages.append(message)
    } while !cursor.isAtEnd
    return command
  }

  private mutating func messageLiteral() throws(IMAPSyntaxError) -> Range<Int> {
    try expect(UInt8(ascii: "{"), "a literal")
    let size = try number64("a literal's size")
    _ = cursor.take(UInt8(ascii: "+"))
    try expect(UInt8(ascii: "}"), "'}'")
    _ = cursor.take(.cr)
    guard cursor.take(.lf), size <= Int64(cursor.remaining) else { throw error("The literal is not complete") }
    let start = cursor.position
    cursor.position += Int(size)
    return start..<cursor.position
  }
}

extension CommandPrinter {
  mutating func print(_ command: AppendCommand) {
    space()
    mailbox(command.mailbox)
    for message in command.messages {
      space()
      if !message.flags.isEmpty {
        flags(message.flags)
        space()
      }
      if let date = message.date {
        buffer.writeDateTime(date)
        space()
      }
      literalHeader(size: message.bytes.readableBytes, isBinary: message.isBinary)
      buffer.writeImmutableBuffer(message.bytes)
    }
  }
}
