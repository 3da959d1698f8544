import Bytes
import NIOCore

/// append = "APPEND" SP mailbox 1*append-message, replace = "REPLACE" SP seq-number SP mailbox append-message
/// (RFC 3502, RFC 4466 §5, RFC 8508 §5), where
///
///     append-message = [SP flag-list] [SP date-time] SP append-data
///     append-data    = literal / literal8 / "UTF8" SP "(" literal8 ")" / "CATENATE" SP "(" cat-part *(SP cat-part) ")"
///     cat-part       = "URL" SP astring / "TEXT" SP literal / "UTF8" SP "(" literal8 ")"
///
/// A server reads it a line at a time, as messages stream by: what stands between two of them is a segment.
extension CommandReader {
  /// Where the grammar stands between two segments.
  enum AppendPlace: Hashable, Sendable {
    /// Before a message's options, or the end of the command.
    case message
    /// In the list of a catenated message.
    case parts(count: Int)
    /// Before the parenthesis behind the literal of `UTF8`; then on in a list, or behind the message.
    case closing(count: Int?)
  }

  /// What ends a segment.
  enum SegmentEnd: Hashable, Sendable {
    /// The command.
    case command
    /// The literal that the last event announced.
    case octets
    /// A literal that is an argument: what stands from the offset on is read again when it is there.
    case argument(from: Int)
  }

  /// seq-number / uniqueid, behind REPLACE and a space.
  mutating func replacedMessage(uid: Bool) throws(IMAPSyntaxError) -> ReplacedMessage {
    let number = cursor.take(UInt8(ascii: "*")) ? MessageSet.star : try nonZeroNumber("a message number")
    return ReplacedMessage(uid: uid, number: number)
  }

  /// Reads from the cursor to the end of the line. `literal` is what the line announces.
  mutating func appendSegment(
    _ message: inout AppendMessage, _ place: inout AppendPlace, literal: LiteralHeader?,
    into events: inout [FramerEvent]
  ) throws(IMAPSyntaxError) -> SegmentEnd {
    while true {
      switch place {
      case .message:
        if cursor.isAtEnd, message.index >= 0 {
          events.append(.appendEnd(tag: message.tag))
          return .command
        }
        try startMessage(&message)
        if cursor.takeIgnoringCase("CATENATE (") {
          message.body = .catenate
          message.literal = LiteralHeader(size: 0, isSynchronizing: false)
          place = .parts(count: 0)
          events.append(.appendMessage(message))
          continue
        }
        message.body = cursor.takeIgnoringCase("UTF8 (") ? .utf8 : .literal
        message.literal = try announced(literal, isUTF8: message.body == .utf8)
        if message.body == .utf8 { place = .closing(count: nil) }
        events.append(.appendMessage(message))
        return .octets
      case .closing(let count):
        try closeParenthesis()
        place = count.map { .parts(count: $0) } ?? .message
      case .parts(let count):
        let start = cursor.position
        if count > 0 {
          if cursor.take(UInt8(ascii: ")")) {
            events.append(.appendCatenated)
            place = .message
            continue
          }
          try space()
        }
        guard count < limits.catenatedParts else { throw tooMany("parts in one message") }
        if cursor.takeIgnoringCase("URL ") {
          if isUnfinishedLiteral {
            cursor.position = start
            return .argument(from: start)
          }
          events.append(.appendURL(try url()))
          place = .parts(count: count + 1)
          continue
        }
        let isUTF8 = cursor.takeIgnoringCase("UTF8 (")
        guard isUTF8 || cursor.takeIgnoringCase("TEXT ") else { throw expected("URL, TEXT or UTF8") }
        // RFC 4469 §5: TEXT has a literal, and no literal8.
        if !isUTF8, cursor.peek == UInt8(ascii: "~") { throw expected("a literal") }
        let header = try announced(literal, isUTF8: isUTF8)
        place = isUTF8 ? .closing(count: count + 1) : .parts(count: count + 1)
        events.append(.appendText(header))
        return .octets
      }
    }
  }

  /// [SP flag-list] [SP date-time] SP
  private mutating func startMessage(_ message: inout AppendMessage) throws(IMAPSyntaxError) {
    if message.index >= 0, cursor.peek != .space || message.replaces != nil {
      throw IMAPSyntaxError("Unexpected text after the message", at: 0)
    }
    guard message.index + 1 < limits.messagesPerAppend else {
      // RFC 9738 §3
      throw tooMany("messages in one APPEND", code: .messageLimit(UInt32(clamping: limits.messagesPerAppend)))
    }
    try space()
    message.index += 1
    message.flags = FlagList()
    message.date = nil
    if cursor.peek == UInt8(ascii: "(") {
      message.flags = try flagList()
      try space()
    }
    if cursor.peek == .quote {
      message.date = try dateTime()
      try space()
    }
  }

  /// The literal that ends the line, if the grammar wants one here.
  private mutating func announced(_ literal: LiteralHeader?, isUTF8: Bool) throws(IMAPSyntaxError) -> LiteralHeader {
    let isBinary = cursor.take(UInt8(ascii: "~"))
    guard let literal, isUnfinishedLiteral, isBinary || !isUTF8 else {
      throw expected(isUTF8 ? "a binary literal" : "a literal")
    }
    return literal
  }

  private func tooMany(_ what: Sentence, code: ResponseCode = .limit) -> IMAPSyntaxError {
    var error = error("Too many \(what)", code: code)
    error.answer = .no
    return error
  }

  /// An IMAP URL, not looked at yet.
  mutating func url() throws(IMAPSyntaxError) -> ByteBuffer {
    let start = cursor.position
    let url = try astringOctets("a URL")
    guard url.readableBytes <= limits.url else {
      throw error("A URL is longer than \(limits.url) octets", code: .tooBig, at: start)
    }
    return url
  }

  // MARK: Whole commands, as a client's printer makes them

  mutating func replaceCommand(uid: Bool) throws(IMAPSyntaxError) -> AppendCommand {
    try space()
    return try appendCommand(replacing: try replacedMessage(uid: uid))
  }

  /// Messages stand in the frame.
  mutating func appendCommand(replacing: ReplacedMessage? = nil) throws(IMAPSyntaxError) -> AppendCommand {
    var command = AppendCommand(try spaceAndMailbox(), replaces: replacing, messages: [])
    var header = AppendMessage(
      tag: "", replaces: replacing, mailbox: command.mailbox, index: -1, flags: FlagList(), date: nil,
      literal: LiteralHeader(size: 0, isSynchronizing: false))
    repeat {
      try startMessage(&header)
      var message = AppendCommand.Message(ByteBuffer(), flags: header.flags, date: header.date)
      if cursor.takeIgnoringCase("CATENATE (") {
        message.parts = try catenatedParts()
      } else if cursor.takeIgnoringCase("UTF8 (") {
        message.isUTF8 = true
        message.bytes = try utf8Literal()
      } else {
        message.isBinary = cursor.take(UInt8(ascii: "~"))
        message.bytes = buffer(try literalRange())
      }
      command.messages.append(message)
    } while !cursor.isAtEnd
    return command
  }

  private mutating func catenatedParts() throws(IMAPSyntaxError) -> [AppendCommand.Part] {
    var parts: [AppendCommand.Part] = []
    repeat {
      guard parts.count < limits.catenatedParts else { throw tooMany("parts in one message") }
      if cursor.takeIgnoringCase("URL ") {
        parts.append(.url(try url()))
      } else if cursor.takeIgnoringCase("TEXT ") {
        parts.append(.text(buffer(try literalRange())))
      } else if cursor.takeIgnoringCase("UTF8 (") {
        parts.append(.utf8(try utf8Literal()))
      } else {
        throw expected("URL or TEXT")
      }
    } while cursor.take(.space)
    try closeParenthesis()
    return parts
  }

  /// literal8 ")"
  private mutating func utf8Literal() throws(IMAPSyntaxError) -> ByteBuffer {
    try expect(UInt8(ascii: "~"), "a binary literal")
    let bytes = buffer(try literalRange())
    try closeParenthesis()
    return bytes
  }
}

extension CommandPrinter {
  mutating func print(_ command: AppendCommand) {
    space()
    if let replaces = command.replaces {
      set(MessageSet([.init(replaces.number)]))
      space()
    }
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
      if let parts = message.parts {
        print(parts)
      } else if message.isUTF8 {
        printUTF8(message.bytes)
      } else {
        print(message.bytes, isBinary: message.isBinary)
      }
    }
  }

  private mutating func print(_ parts: [AppendCommand.Part]) {
    word("CATENATE (")
    for (index, part) in parts.enumerated() {
      if index > 0 { space() }
      switch part {
      case .url(let url):
        word("URL ")
        astring(url.readableBytesSpan)
      case .text(let bytes):
        word("TEXT ")
        print(bytes, isBinary: false)
      case .utf8(let bytes): printUTF8(bytes)
      }
    }
    word(")")
  }

  private mutating func printUTF8(_ bytes: ByteBuffer) {
    word("UTF8 (")
    print(bytes, isBinary: true)
    word(")")
  }

  private mutating func print(_ bytes: ByteBuffer, isBinary: Bool) {
    literalHeader(size: bytes.readableBytes, isBinary: isBinary)
    buffer.writeImmutableBuffer(bytes)
  }
}
