import Bytes
import NIOCore

extension CommandFramer {
  /// The end of the line that begins behind `collected`.
  struct LineEnd {
    /// Octets of the line without its end.
    var length: Int
    /// Octets of CRLF or LF.
    var terminator: Int
  }

  /// Looks for the end of the line behind `collected`, beginning where the last look ended.
  mutating func findLineEnd() -> LineEnd? {
    let from = collected + scanned
    let view = input.readableBytesView.dropFirst(from)
    guard let index = view.firstIndex(of: .lf) else {
      scanned = input.readableBytes - collected
      return nil
    }
    let length = index - input.readerIndex - collected
    scanned = 0
    let hasCR = length > 0 && input.getInteger(at: index - 1, as: UInt8.self) == .cr
    return hasCR ? LineEnd(length: length - 1, terminator: 2) : LineEnd(length: length, terminator: 1)
  }

  mutating func resetFrame() {
    collected = 0
    scanned = 0
    literalOctets = 0
    literalCount = 0
    needsContinuation = false
  }

  /// Octets outside literals: what `limits.line` bounds.
  func lineOctets(upTo length: Int) -> Int { collected - Int(literalOctets) + length }

  var lineLimit: Int { isLoggedIn ? limits.line : limits.lineBeforeLogin }

  mutating func nextInCommand() -> FramerEvent? {
    guard let end = findLineEnd() else {
      // One octet more may be the CR of the line's end.
      guard lineOctets(upTo: scanned) > lineLimit + 1 else { return .needMore }
      return rejectOpenLine(tooLong())
    }
    guard lineOctets(upTo: end.length) <= lineLimit else {
      return rejectLine(end, tooLong())
    }
    let frameLength = collected + end.length
    let header = LiteralHeader.atEnd(of: input, start: input.readerIndex + collected, length: end.length)
    switch header {
    case .none:
      guard frameLength > 0 else {
        // An empty line is nobody's command; passed over, as after a literal that was one CRLF too long.
        input.moveReaderIndex(forwardBy: end.terminator)
        resetFrame()
        return nil
      }
      return startCatenation(frameLength, end) ? nil : giveOut(frameLength, end)
    case .literal(let literal):
      return startLiteral(literal, end)
    }
  }

  /// An APPEND of nothing but URLs has no literal to be known by. False: it is something else, or cannot be read, which the
  /// reader of its frame says.
  private mutating func startCatenation(_ length: Int, _ end: LineEnd) -> Bool {
    guard case .messages(let message, let offset) = appendStart(upTo: length) else { return false }
    let before = self
    if readSegment(AppendProgress(message: message), from: offset, length: length, end) == nil { return true }
    self = before
    return false
  }

  private mutating func giveOut(_ length: Int, _ end: LineEnd) -> FramerEvent? {
    guard let bytes = input.readSlice(length: length) else { return .needMore }
    input.moveReaderIndex(forwardBy: end.terminator)
    trimInput()
    resetFrame()
    return .command(CommandFrame(bytes))
  }

  /// Lets go of bytes that were given out once nothing is left behind them.
  mutating func trimInput() {
    if input.readableBytes == 0 {
      input = ByteBuffer()
    } else if input.readerIndex > 65_536 {
      input.discardReadBytes()
    }
  }

  private mutating func startLiteral(_ literal: LiteralHeader, _ end: LineEnd) -> FramerEvent? {
    switch appendStart(upTo: collected + end.length) {
    case .messages(let message, let offset):
      return readSegment(AppendProgress(message: message), from: offset, length: collected + end.length, end)
    case .failed(let error):
      return rejectLiteral(literal, end, error)
    case .argument, .other:
      break
    }
    let limit = isLoggedIn ? limits.literals : limits.literalsBeforeLogin
    literalCount += 1
    if literalCount > limits.literalsPerCommand {
      return rejectLiteral(literal, end, syntaxError(.limit, "Too many literals in one command", end))
    }
    if literal.size > limit - literalOctets {
      return rejectLiteral(literal, end, syntaxError(.tooBig, "The literals of the command are too large", end))
    }
    if let most = limits.nonSynchronizingLiteral, !literal.isSynchronizing, literal.size > most {
      return rejectLiteral(literal, end, tooBigForLiteralMinus(end))
    }
    collected += end.length + end.terminator
    scanned = 0
    state = .literal(size: Int(literal.size))
    return literal.isSynchronizing ? .sendContinuation : nil
  }

  private mutating func consumeLine(_ end: LineEnd) {
    input.moveReaderIndex(forwardBy: collected + end.length + end.terminator)
    trimInput()
    resetFrame()
  }

  // MARK: Refusals

  private func tooLong() -> IMAPSyntaxError {
    IMAPSyntaxError(
      tag: frameTag, code: .tooBig, "The command line is longer than \(lineLimit) octets", at: lineLimit)
  }

  private func syntaxError(_ code: ResponseCode?, _ reason: Sentence, _ end: LineEnd) -> IMAPSyntaxError {
    IMAPSyntaxError(tag: frameTag, code: code, reason, at: collected + end.length)
  }

  /// RFC 7888 §5: the answer must carry TOOBIG.
  private func tooBigForLiteralMinus(_ end: LineEnd) -> IMAPSyntaxError {
    syntaxError(.tooBig, "A non-synchronizing literal may not be that large", end)
  }

  /// Throws away a line whose end has come. A literal that it announces would come too, unless it is synchronizing.
  private mutating func rejectLine(_ end: LineEnd, _ error: IMAPSyntaxError) -> FramerEvent {
    if case .literal(let literal) = LiteralHeader.atEnd(
      of: input, start: input.readerIndex + collected, length: end.length)
    {
      return rejectLiteral(literal, end, error)
    }
    consumeLine(end)
    return .rejected(error)
  }

  /// Throws away a line whose end has not come yet.
  private mutating func rejectOpenLine(_ error: IMAPSyntaxError) -> FramerEvent {
    input.moveReaderIndex(forwardBy: collected)
    startSwallowing(0)
    return .rejected(error)
  }

  private mutating func rejectLiteral(_ literal: LiteralHeader, _ end: LineEnd, _ error: IMAPSyntaxError) -> FramerEvent
  {
    consumeLine(end)
    refuse(literal: literal)
    return .rejected(error)
  }

  /// The literal's header line has been consumed and the command is refused.
  mutating func refuse(literal: LiteralHeader) {
    if literal.isSynchronizing {
      // RFC 9051 §4.3: no continuation, no octets; the next line is a new command.
      resetFrame()
      state = .command
    } else {
      startSwallowing(literal.size)
    }
  }

  mutating func startSwallowing(_ octets: Int64) {
    // RFC 7888 §4: read and throw away, or BYE.
    guard octets <= limits.swallowedLiteral else {
      close(code: .tooBig, reason: "The literal is too large to be passed over")
      return
    }
    resetFrame()
    swallowedInCommand = octets
    state = .swallow(octets)
  }

  mutating func close(code: ResponseCode?, reason: Sentence) {
    input.clear()
    resetFrame()
    state = .closed(code, reason)
  }

  /// Throws away `left` octets and the line after them, and further literals that line announces. False: not all of it
  /// has come.
  mutating func swallow(_ left: Int64) -> Bool {
    let here = Int(min(left, Int64(input.readableBytes)))
    input.moveReaderIndex(forwardBy: here)
    guard Int64(here) == left else {
      trimInput()
      state = .swallow(left - Int64(here))
      return false
    }
    guard let end = findLineEnd() else {
      // Keep the last octets only: a literal header may be among them, and is shorter than this.
      let keep = min(input.readableBytes, 64)
      input.moveReaderIndex(forwardBy: input.readableBytes - keep)
      scanned = keep
      trimInput()
      state = .swallow(0)
      return false
    }
    let header = LiteralHeader.atEnd(of: input, start: input.readerIndex, length: end.length)
    input.moveReaderIndex(forwardBy: end.length + end.terminator)
    trimInput()
    resetFrame()
    switch header {
    case .literal(let literal) where !literal.isSynchronizing:
      let (sum, overflow) = swallowedInCommand.addingReportingOverflow(literal.size)
      guard !overflow, sum <= limits.swallowedLiteral else {
        close(code: .tooBig, reason: "The literal is too large to be passed over")
        return true
      }
      swallowedInCommand = sum
      state = .swallow(literal.size)
    default:
      state = .command
    }
    return true
  }

  /// Throws away what has come of a line. False: its end has not.
  mutating func swallowLine() -> Bool {
    let end = findLineEnd()
    input.moveReaderIndex(forwardBy: end.map { $0.length + $0.terminator } ?? input.readableBytes)
    trimInput()
    resetFrame()
    if end != nil { state = .command }
    return end != nil
  }
}
