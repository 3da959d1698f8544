import Bytes
import IMAPCore
import MailNet
import NIOCore

/// A command on the way.
struct SentCommand {
  var tag: String
  /// For errors.
  var name: String
}

extension IMAPClient {
  func failure(_ kind: ClientError.Kind) -> ClientError {
    ClientError(kind, server: connection.address.description)
  }

  // MARK: Sending

  private func nextTag() -> String {
    lastTag += 1
    return "M\(lastTag)"
  }

  func printer() -> CommandPrinter {
    var printer = CommandPrinter(options: options, nonSynchronizing: has("LITERAL+") || has("LITERAL-"))
    // RFC 7888 §5.
    if !has("LITERAL+") { printer.longestNonSynchronizing = 4096 }
    return printer
  }

  /// Sends a command whose arguments `write` writes, keyword included. Waits only where a literal has to be asked for; if
  /// the server refuses one, the command is over, as `finish` will find.
  func begin(
    _ name: String, _ write: (inout CommandPrinter) -> Void
  ) async throws(ClientError) -> SentCommand {
    var batch = CommandBatch()
    let command = add(name, to: &batch, write)
    try await send(batch)
    return command
  }

  /// Writes a command to send along with others.
  func add(
    _ name: String, to batch: inout CommandBatch, _ write: (inout CommandPrinter) -> Void
  ) -> SentCommand {
    addOpen(name, to: &batch) { printer in
      write(&printer)
      printer.buffer.writeCRLF()
    }
  }

  /// The same for one whose end, or whose last literal, is sent apart.
  func addOpen(
    _ name: String, to batch: inout CommandBatch, _ write: (inout CommandPrinter) -> Void
  ) -> SentCommand {
    let command = SentCommand(tag: nextTag(), name: name)
    var printer = printer()
    printer.text(command.tag)
    printer.space()
    write(&printer)
    batch.add(command.tag, printer)
    running.insert(command.tag)
    return command
  }

  /// The same for a command that IMAPCore prints.
  func add(_ command: Command, to batch: inout CommandBatch) -> SentCommand {
    let tag = nextTag()
    var printer = printer()
    printer.print(TaggedCommand(tag: tag, command))
    batch.add(tag, printer)
    running.insert(tag)
    return SentCommand(tag: tag, name: (command.isUID ? "UID " : "") + "\(command.name.keyword)")
  }

  func begin(_ command: Command) async throws(ClientError) -> SentCommand {
    var batch = CommandBatch()
    let sent = add(command, to: &batch)
    try await send(batch)
    return sent
  }

  func send(_ batch: CommandBatch) async throws(ClientError) {
    for piece in batch.pieces {
      if piece.isSkipped(completions) { continue }
      try await send(piece.bytes)
      if let tag = piece.waits { _ = try await continuation(of: tag) }
    }
  }

  /// Hands bytes to the connection.
  func send(_ bytes: ByteBuffer) async throws(ClientError) {
    guard !isBroken else { throw failure(.disconnected) }
    do {
      try await connection.send(bytes)
    } catch {
      isBroken = true
      throw error
    }
  }

  /// Waits for `+`, what comes meanwhile taken note of. Nil: the command has been completed instead.
  func continuation(of tag: String) async throws(ClientError) -> ByteBuffer? {
    while completions[tag] == nil {
      let response = try await response()
      if case .continuation(let text) = response { return text }
      try sort(response) { (_) throws(ClientError) in false }
    }
    return nil
  }

  // MARK: Receiving

  /// Waits for the end of a command. `take` is shown what comes untagged before anybody else, and says whether it was
  /// meant for it.
  func finish(
    _ command: SentCommand, _ take: (IMAPResponse) throws(ClientError) -> Bool = { _ in false }
  ) async throws(ClientError) -> StatusLine {
    while true {
      if let line = completions.removeValue(forKey: command.tag) { return line }
      try sort(try await response(), take)
    }
  }

  /// The same, NO and BAD thrown as `.refused`.
  func finished(
    _ command: SentCommand, _ take: (IMAPResponse) throws(ClientError) -> Bool = { _ in false }
  ) async throws(ClientError) -> StatusLine {
    let line = try await finish(command, take)
    if let refusal = refusal(line, command.name) { throw refusal }
    return line
  }

  func refusal(_ line: StatusLine, _ name: String) -> ClientError? {
    guard line.condition != .ok else { return nil }
    return failure(.refused(command: name, code: line.code?.name, text: line.text))
  }

  /// A command without arguments.
  @discardableResult
  func run(
    _ keyword: StaticString, _ take: (IMAPResponse) throws(ClientError) -> Bool = { _ in false }
  ) async throws(ClientError) -> StatusLine {
    let command = try await begin("\(keyword)") { $0.word(keyword) }
    return try await finished(command, take)
  }

  /// Reads one response for itself.
  func step(within: Duration? = nil) async throws(ClientError) {
    try sort(try await response(within: within)) { (_) throws(ClientError) in false }
  }

  /// The next response; sections too large to hold that nobody asked for are thrown away.
  func response(within: Duration? = nil) async throws(ClientError) -> IMAPResponse {
    while true {
      switch try inHand() {
      case .response(let response): return response
      case .sectionBegin, .sectionPiece, .sectionEnd: continue
      case nil: try await fill(within: within)
      }
    }
  }

  enum Incoming {
    case response(IMAPResponse)
    case sectionBegin(FetchResponse, SectionName, size: Int64)
    case sectionPiece(ByteBuffer)
    case sectionEnd
  }

  /// What has been received already; nil: nothing whole.
  func inHand() throws(ClientError) -> Incoming? {
    switch framer.next() {
    case .needMore: return nil
    case .response(let frame):
      do {
        return .response(try frame.parse(options: options, limits: framer.limits))
      } catch {
        throw violation(error)
      }
    case .sectionBegin(let fetch, let name, let size): return .sectionBegin(fetch, name, size: size)
    case .sectionBytes(let bytes): return .sectionPiece(bytes)
    case .sectionEnd: return .sectionEnd
    case .failed(let error): throw violation(error)
    }
  }

  func violation(_ error: ResponseSyntaxError) -> ClientError {
    isBroken = true
    return failure(.protocolViolation("\(error.reason) (octet \(error.offset))"))
  }

  func fill(within: Duration? = nil) async throws(ClientError) {
    guard !isBroken else { throw failure(.disconnected) }
    let bytes: ByteBuffer?
    do {
      bytes = try await connection.receive(within: within)
    } catch {
      // A wait that was limited by us alone does no harm.
      if case .timedOut = error.kind, within != nil { throw error }
      isBroken = true
      throw error
    }
    guard let bytes else {
      isBroken = true
      throw failure(.disconnected)
    }
    framer.receive(bytes)
  }
}

/// Commands written one behind the other, cut where a literal has to be asked for.
struct CommandBatch {
  struct Piece {
    var bytes: ByteBuffer
    /// The commands with octets in this piece: the first may have begun before it.
    var first: String
    /// Behind it a literal of this command has to be asked for.
    var waits: String?

    /// Some earlier literal of the command was refused, and with it the command.
    func isSkipped(_ completions: [String: StatusLine]) -> Bool { isContinued && completions[first] != nil }
    /// It begins with a literal.
    var isContinued: Bool
  }

  private(set) var pieces: [Piece] = []

  mutating func add(_ tag: String, _ printer: CommandPrinter) {
    var from = printer.buffer.readerIndex
    for (index, pause) in (printer.pauses + [printer.buffer.writerIndex]).enumerated() {
      let isLast = index == printer.pauses.count
      // A literal that is sent apart.
      if isLast, index > 0, from == pause { break }
      let bytes = printer.buffer.getSlice(at: from, length: pause - from) ?? ByteBuffer()
      if from == printer.buffer.readerIndex, let last = pieces.last, last.waits == nil, !last.isContinued {
        pieces[pieces.count - 1].bytes.writeImmutableBuffer(bytes)
        pieces[pieces.count - 1].waits = isLast ? nil : tag
      } else {
        pieces.append(
          Piece(bytes: bytes, first: tag, waits: isLast ? nil : tag, isContinued: from != printer.buffer.readerIndex))
      }
      from = pause
    }
  }
}
