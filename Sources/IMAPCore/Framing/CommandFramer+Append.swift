import Bytes
import NIOCore

extension CommandFramer {
  /// A command whose messages stream by, as far as it stands before the first of them.
  enum AppendStart {
    /// Some other command.
    case other
    /// The literal that ends the line is an argument (the mailbox name).
    case argument
    /// What follows is read from `offset` on.
    case messages(AppendMessage, offset: Int)
    case failed(IMAPSyntaxError)
  }

  /// The tag of the frame being collected, if it can be told.
  var frameTag: String? {
    let view = input.readableBytesSpan
    var reader = CommandReader(view, options: options, limits: limits)
    return reader.tagIfValid()
  }

  /// Reads the beginning of an APPEND or REPLACE.
  func appendStart(upTo length: Int) -> AppendStart {
    guard mayBeAppend, let frame = input.getSlice(at: input.readerIndex, length: length) else { return .other }
    let view = frame.readableBytesSpan
    var reader = CommandReader(view, options: options, limits: limits)
    do {
      guard let tag = reader.tagIfValid() else { return .other }
      var replaces: ReplacedMessage?
      if !reader.cursor.takeIgnoringCase("APPEND ") {
        let uid = reader.cursor.takeIgnoringCase("UID ")
        guard reader.cursor.takeIgnoringCase("REPLACE ") else { return .other }
        replaces = try reader.replacedMessage(uid: uid)
        try reader.space()
      }
      if reader.isUnfinishedLiteral { return .argument }
      let mailbox = try reader.mailbox()
      let none = LiteralHeader(size: 0, isSynchronizing: false)
      return .messages(
        AppendMessage(
          tag: tag, replaces: replaces, mailbox: mailbox, index: -1, flags: FlagList(), date: nil, literal: none),
        offset: reader.cursor.position)
    } catch {
      return .failed(error.tagged(frameTag))
    }
  }

  /// False is certain: other commands are not read twice.
  private var mayBeAppend: Bool {
    let view = input.readableBytesSpan
    var cursor = ByteCursor(view)
    cursor.skip { $0 != .space && $0 != .lf }
    guard cursor.take(.space) else { return false }
    return cursor.takeIgnoringCase("APPEND ") || cursor.takeIgnoringCase("REPLACE ")
      || cursor.takeIgnoringCase("UID REPLACE ")
  }

  /// Reads what stands before, between or behind messages: `length` octets from the reader index on, the last line of them
  /// ended by `end`, beginning at `offset`.
  mutating func readSegment(
    _ progress: AppendProgress, from offset: Int, length: Int, _ end: LineEnd
  ) -> FramerEvent? {
    var literal: LiteralHeader?
    if case .literal(let header) = LiteralHeader.atEnd(
      of: input, start: input.readerIndex + collected, length: length - collected)
    {
      literal = header
    }
    do {
      var progress = progress
      let (events, segmentEnd) = try readEvents(&progress, from: offset, length: length, literal)
      if let literal { try checkLiteral(literal, segmentEnd) }
      steps = events[...]
      switch (segmentEnd, literal) {
      case (.argument(let from), let literal?):
        input.moveReaderIndex(forwardBy: from)
        collected = length + end.terminator - from
        scanned = 0
        literalOctets = 0
        state = .steps(progress, .argument(literal))
      case (.octets, let literal?):
        dropSegment(length, end)
        state = .steps(progress, .octets(literal))
      default:
        dropSegment(length, end)
        state = .steps(progress, .command)
      }
      return nil
    } catch {
      dropSegment(length, end)
      if let literal { refuse(literal: literal) } else { state = .command }
      return .rejected(error.tagged(progress.message.tag))
    }
  }

  private func readEvents(
    _ progress: inout AppendProgress, from offset: Int, length: Int, _ literal: LiteralHeader?
  ) throws(IMAPSyntaxError) -> ([FramerEvent], CommandReader.SegmentEnd) {
    let frame = input.getSlice(at: input.readerIndex, length: length) ?? ByteBuffer()
    let view = frame.readableBytesSpan
    var reader = CommandReader(view, options: options, limits: limits)
    reader.cursor.position = offset
    var events: [FramerEvent] = []
    let end = try reader.appendSegment(&progress.message, &progress.place, literal: literal, into: &events)
    return (events, end)
  }

  private func checkLiteral(_ literal: LiteralHeader, _ end: CommandReader.SegmentEnd) throws(IMAPSyntaxError) {
    if let most = limits.nonSynchronizingLiteral, !literal.isSynchronizing, literal.size > most {
      throw IMAPSyntaxError(code: .tooBig, "A non-synchronizing literal may not be that large", at: 0)
    }
    if case .argument = end, literal.size > Int64(limits.url) {
      throw IMAPSyntaxError(code: .tooBig, "A URL is longer than \(limits.url) octets", at: 0)
    }
  }

  private mutating func dropSegment(_ length: Int, _ end: LineEnd) {
    input.moveReaderIndex(forwardBy: length + end.terminator)
    trimInput()
    resetFrame()
  }

  /// Gives out what was read of a segment, then goes on with what ends it.
  mutating func nextStep(_ progress: AppendProgress, _ end: StepsEnd) -> FramerEvent? {
    if let event = steps.popFirst() {
      guard steps.isEmpty else { return event }
      switch end {
      case .command: state = .command
      case .octets(let literal): state = .decision(progress, event, literal)
      case .argument: break
      }
      return event
    }
    guard case .argument(let literal) = end else { return nil }
    state = .argument(progress, literal)
    return literal.isSynchronizing ? .sendContinuation : nil
  }

  mutating func nextInMessage(_ progress: AppendProgress, left: Int64) -> FramerEvent {
    if needsContinuation {
      needsContinuation = false
      return .sendContinuation
    }
    guard left > 0 else {
      state = .afterMessage(progress)
      resetFrame()
      return .appendMessageEnd
    }
    guard input.readableBytes > 0 else { return .needMore }
    let length = Int(min(left, Int64(input.readableBytes)))
    guard let bytes = input.readSlice(length: length) else { return .needMore }
    trimInput()
    state = .message(progress, left: left - Int64(length))
    return .appendBytes(bytes)
  }

  /// Behind a literal: the line end, the next part or the next message (RFC 3502, RFC 4469).
  mutating func nextAfterMessage(_ progress: AppendProgress) -> FramerEvent? {
    func tooLong() -> IMAPSyntaxError {
      IMAPSyntaxError(tag: progress.message.tag, code: .tooBig, "The command line is too long", at: 0)
    }
    guard let end = findLineEnd() else {
      guard lineOctets(upTo: scanned) > lineLimit + 1 else { return .needMore }
      input.moveReaderIndex(forwardBy: collected)
      startSwallowing(0)
      return .rejected(tooLong())
    }
    guard lineOctets(upTo: end.length) <= lineLimit else {
      let header = LiteralHeader.atEnd(of: input, start: input.readerIndex + collected, length: end.length)
      dropSegment(collected + end.length, end)
      if case .literal(let literal) = header { refuse(literal: literal) } else { state = .command }
      return .rejected(tooLong())
    }
    return readSegment(progress, from: 0, length: collected + end.length, end)
  }

  mutating func nextLine() -> FramerEvent {
    guard let end = findLineEnd() else {
      guard scanned > limits.saslLine + 1 else { return .needMore }
      resetFrame()
      state = .swallowLine
      return .rejected(IMAPSyntaxError(code: .tooBig, "The line is too long", at: limits.saslLine))
    }
    state = .command
    guard let line = input.readSlice(length: end.length) else { return .needMore }
    input.moveReaderIndex(forwardBy: end.terminator)
    trimInput()
    resetFrame()
    guard end.length <= limits.saslLine else {
      return .rejected(IMAPSyntaxError(code: .tooBig, "The line is too long", at: limits.saslLine))
    }
    return .line(line)
  }
}
