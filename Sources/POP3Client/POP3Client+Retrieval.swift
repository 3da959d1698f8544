import Bytes
public import MailNet
import NIOCore
import POP3Core

extension POP3Client {
  /// RETR of each, in this order, with up to `window` commands and `POP3ClientLimits.windowOctets` on the way; one at a time
  /// when the server has no PIPELINING. `octets` are those of the listing, to size buffers; a wrong figure costs nothing
  /// but a copy.
  ///
  /// `handle` is awaited before the next message is looked at. What it throws ends the retrieval in the middle of the
  /// answers: then only `abandon` is right. Errors of the session are `ClientError`; a connection that ends before the
  /// end of a message is `.disconnected`, and that message was never handed out as whole or ended.
  public func retrieve(
    _ messages: [POP3Listing], window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws { try await bring(messages, lines: nil, window: window, handle) }

  /// TOP with `lines` lines of body; the rest as in `retrieve`.
  public func top(
    _ messages: [POP3Listing], lines: Int, window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws { try await bring(messages, lines: max(lines, 0), window: window, handle) }

  private func bring(
    _ messages: [POP3Listing], lines: Int?, window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws {
    try await begin()
    guard !messages.isEmpty else { return }
    var run = Retrieval(
      messages: messages, lines: lines, window: CommandWindow(commands: capabilities.pipelining ? window : 1))
    do {
      while true {
        try await sendMore(&run)
        try await takeWhatIsInHand(&run, handle)
        if run.isOver { return }
        try await receive(run.what)
      }
    } catch {
      // Answers are still on the way and nobody will read them.
      if case .ready = condition { condition = .broken(.cancelled) }
      throw error
    }
  }

  private struct Retrieval {
    let messages: [POP3Listing]
    /// Nil for RETR.
    let lines: Int?
    var window: CommandWindow
    var isInBody = false

    var isOver: Bool { window.answered == messages.count }
    var current: POP3Listing { messages[window.answered] }
    var what: String { "the answer to \(command(current.number))" }

    func command(_ number: Int) -> String { lines.map { "TOP \(number) \($0)" } ?? "RETR \(number)" }

    /// Octets the answer is expected to have.
    func size(_ message: POP3Listing) -> Int64 {
      guard let lines else { return message.octets }
      let expected = POP3ClientLimits.octetsOfHeader + Int64(min(lines, 1 << 20)) * POP3ClientLimits.octetsOfLine
      return min(max(message.octets, 0), expected)
    }

    /// The commands there is room for.
    mutating func next() -> ByteBuffer {
      var buffer = ByteBuffer()
      while window.sent < messages.count, window.admit(size(messages[window.sent])) {
        buffer.writeStaticString(lines == nil ? "RETR " : "TOP ")
        buffer.writeDecimal(messages[window.sent - 1].number)
        if let lines {
          buffer.writeSpace()
          buffer.writeDecimal(lines)
        }
        buffer.writeCRLF()
      }
      return buffer
    }
  }

  private func sendMore(_ run: inout Retrieval) async throws(ClientError) {
    guard run.window.wantsMore, run.window.sent < run.messages.count else { return }
    try await send(run.next())
  }

  /// No suspension in here but those of `handle`, and of sending when half of the window is empty.
  private func takeWhatIsInHand(
    _ run: inout Retrieval, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws {
    while !run.isOver {
      let message = run.current
      if !run.isInBody {
        guard let status = try statusInHand() else { return }
        guard status.isOK else {
          run.window.complete()
          try await sendMore(&run)
          try await handle(.refused(number: message.number, refusal(status, run.command(message.number))))
          continue
        }
        reader.beginBody(octets: run.lines == nil ? message.octets : nil, wholeLimit: POP3ClientLimits.whole)
        run.isInBody = true
      }
      switch reader.nextBody() {
      case .needsMore: return
      case .whole(let bytes):
        run.isInBody = false
        run.window.complete()
        // Before the message is dealt with: the server has something to do meanwhile.
        try await sendMore(&run)
        try await handle(.whole(number: message.number, bytes))
      case .begin: try await handle(.begin(number: message.number))
      case .piece(let bytes):
        run.window.received(bytes.readableBytes)
        try await sendMore(&run)
        try await handle(.piece(bytes))
      case .end:
        run.isInBody = false
        run.window.complete()
        try await sendMore(&run)
        try await handle(.end(number: message.number))
      }
    }
  }

  /// DELE of each; deletions happen at QUIT. Returns the numbers that were refused, with why.
  public func delete(_ numbers: [Int], window: Int) async throws(ClientError) -> [Int: ClientError] {
    try await begin()
    var refused: [Int: ClientError] = [:]
    var run = CommandWindow(commands: capabilities.pipelining ? window : 1)
    while run.answered < numbers.count {
      if run.wantsMore, run.sent < numbers.count {
        var buffer = ByteBuffer()
        while run.sent < numbers.count, run.admit(0) {
          buffer.writeStaticString("DELE ")
          buffer.writeDecimal(numbers[run.sent - 1])
          buffer.writeCRLF()
        }
        try await send(buffer)
      }
      let number = numbers[run.answered]
      let status = try await status("DELE \(number)")
      run.complete()
      if !status.isOK { refused[number] = refusal(status, "DELE \(number)") }
    }
    return refused
  }
}
