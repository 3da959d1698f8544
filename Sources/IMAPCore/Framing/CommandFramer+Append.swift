import Bytes
import NIOCore

extension CommandFramer {
  enum AppendHeader {
    /// The literal is a message. `literal` is still to be filled in.
    case message(AppendMessage)
    /// The literal is an argument (the mailbox name).
    case inner
    case failed(IMAPSyntaxError)
  }

  /// The tag of the frame being collected, if it can be told.
  var frameTag: String? {
    let view = input.readableBytesSpan
    var reader = CommandReader(view, options: options, limits: limits)
    return reader.tagIfValid()
  }

  var isAppend: Bool {
    let view = input.readableBytesSpan
    var reader = CommandReader(view, options: options, limits: limits)
    return reader.tagIfValid() != nil && reader.cursor.takeIgnoringCase("APPEND ")
  }

  /// Reads the part of an APPEND that stands before a literal.
  func appendHeader(upTo length: Int) -> AppendHeader {
    guard let frame = input.getSlice(at: input.readerIndex, length: length) else { return .inner }
    let view = frame.readableBytesSpan
    var reader = CommandReader(view, options: options, limits: limits)
    do {
      let tag = try reader.tag()
      _ = reader.cursor.takeIgnoringCase("APPEND ")
      if reader.isUnfinishedLiteral { return .inner }
      let mailbox = try reader.mailbox()
      let (flags, date) = try reader.appendOptions()
      let none = LiteralHeader(size: 0, isSynchronizing: true)
      return .message(
        AppendMessage(tag: tag, mailbox: mailbox, index: 0, flags: flags, date: date, literal: none))
    } catch {
      return .failed(error.tagged(frameTag))
    }
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

  /// Behind a message: the line end, or the next message (RFC 3502).
  mutating func nextAfterMessage(_ progress: AppendProgress) -> FramerEvent? {
    guard let end = findLineEnd() else {
      guard scanned > lineLimit + 1 else { return .needMore }
      startSwallowing(0)
      return .rejected(appendError(progress, .tooBig, "The command line is too long"))
    }
    let header = LiteralHeader.atEnd(of: input, start: input.readerIndex, length: end.length)
    guard let line = input.readSlice(length: end.length) else { return .needMore }
    input.moveReaderIndex(forwardBy: end.terminator)
    trimInput()
    resetFrame()
    switch header {
    case .none:
      state = .command
      if end.length == 0 { return .appendEnd(tag: progress.message.tag) }
      return .rejected(appendError(progress, nil, "Unexpected text after the message"))
    case .literal(let literal):
      return startNextMessage(progress, line, literal, lineLength: end.length)
    }
  }

  private mutating func startNextMessage(
    _ progress: AppendProgress, _ line: ByteBuffer, _ literal: LiteralHeader, lineLength: Int
  ) -> FramerEvent? {
    func rejected(_ error: IMAPSyntaxError) -> FramerEvent {
      refuse(literal: literal)
      return .rejected(error)
    }
    guard lineLength <= lineLimit else {
      return rejected(appendError(progress, .tooBig, "The command line is too long"))
    }
    guard progress.message.index + 1 < limits.messagesPerAppend else {
      var error = appendError(
        progress, .messageLimit(UInt32(clamping: limits.messagesPerAppend)), "Too many messages in one APPEND")
      error.answer = .no
      return rejected(error)
    }
    if let most = limits.nonSynchronizingLiteral, !literal.isSynchronizing, literal.size > most {
      return rejected(appendError(progress, .tooBig, "A non-synchronizing literal may not be that large"))
    }
    let view = line.readableBytesSpan
    var reader = CommandReader(view, options: options, limits: limits)
    do {
      var message = progress.message
      (message.flags, message.date) = try reader.appendOptions()
      message.index += 1
      message.literal = literal
      state = .decision(AppendProgress(message: message))
      return nil
    } catch {
      return rejected(error.tagged(progress.message.tag))
    }
  }

  private func appendError(_ progress: AppendProgress, _ code: ResponseCode?, _ reason: String) -> IMAPSyntaxError {
    IMAPSyntaxError(tag: progress.message.tag, code: code, reason, at: 0)
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
