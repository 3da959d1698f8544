import Bytes
import IMAPCore
public import MailNet
import NIOCore

/// A message for APPEND is not as long as its `size` says. The connection is of no more use: the server waits for octets
/// that never come, or would take some for a command.
public struct AppendSizeError: Error, Sendable, Hashable, CustomStringConvertible {
  public var announced: Int
  /// So far.
  public var found: Int
  public init(announced: Int, found: Int) {
    self.announced = announced
    self.found = found
  }
  public var description: String { "a message to upload was announced with \(announced) octets and has \(found)" }
}

extension IMAPClient {
  /// APPEND of each, pipelined where LITERAL+ (or a small LITERAL-) allows. The result has an element for each item, in
  /// order: the UID with UIDPLUS, `.success(nil)` without, or why it was refused.
  ///
  /// Messages travel as plain literals, which may hold no NUL (RFC 9051 §9).
  /// - Throws: `ClientError`, `AppendSizeError`, and what a body throws; after that only `abandon()` is left.
  public func append(_ items: [AppendItem], to mailbox: String) async throws -> [Result<UInt32?, ClientError>] {
    var results: [Result<UInt32?, ClientError>] = []
    var waiting: [(command: SentCommand?, size: Int)] = []
    var octets = 0
    func reap() async throws {
      let first = waiting.removeFirst()
      octets -= first.size
      guard let command = first.command else { return results.append(.failure(tooLarge(first.size))) }
      let line = try await finish(command)
      results.append(result(line))
    }
    for item in items {
      while !waiting.isEmpty,
        waiting.count >= IMAPClientLimits.appendWindow || octets + item.size > IMAPClientLimits.appendWindowOctets
      {
        try await reap()
      }
      if item.size > appendLimit {
        waiting.append((nil, item.size))
      } else {
        waiting.append((try await send(item, to: mailbox), item.size))
      }
      octets += item.size
    }
    while !waiting.isEmpty { try await reap() }
    return results
  }

  /// APPENDLIMIT=n (RFC 7889), octets.
  private var appendLimit: Int {
    let values = capabilities.compactMap { $0.hasPrefix("APPENDLIMIT=") ? Int($0.dropFirst(12)) : nil }
    return values.first ?? .max
  }

  private func tooLarge(_ size: Int) -> ClientError {
    failure(
      .refused(
        command: "APPEND", code: "TOOBIG", text: "the message has \(size) octets, the server takes \(appendLimit)"))
  }

  private func result(_ line: StatusLine) -> Result<UInt32?, ClientError> {
    if let refusal = refusal(line, "APPEND") { return .failure(refusal) }
    if case .appendUID(_, let assigned)? = line.code, assigned.count == 1 { return .success(assigned[0]) }
    return .success(nil)
  }

  /// Sends one message; if its literal is refused, the command is over without it.
  private func send(_ item: AppendItem, to mailbox: String) async throws -> SentCommand {
    var batch = CommandBatch()
    var isAsked = false
    let command = addAppend(item, to: mailbox, &batch, &isAsked)
    try await send(batch)
    if isAsked, completions[command.tag] != nil { return command }
    do {
      try await sendBody(item)
    } catch {
      // The server waits for octets that will never come.
      isBroken = true
      throw error
    }
    return command
  }

  /// The command up to its message, without a line end.
  private func addAppend(
    _ item: AppendItem, to mailbox: String, _ batch: inout CommandBatch, _ isAsked: inout Bool
  ) -> SentCommand {
    let flags = item.flags.sendable
    var asked = false
    let command = addOpen("APPEND", to: &batch) { printer in
      printer.word("APPEND ")
      write(mailbox, to: &printer)
      printer.space()
      if !flags.isEmpty {
        printer.flags(flags)
        printer.space()
      }
      if let date = item.internalDate {
        printer.buffer.writeDateTime(date)
        printer.space()
      }
      printer.literalHeader(size: item.size)
      asked = printer.pauses.last == printer.buffer.writerIndex
    }
    isAsked = asked
    return command
  }

  private func sendBody(_ item: AppendItem) async throws {
    var left = item.size
    var out = ByteBuffer()
    while let piece = try await item.body() {
      left -= piece.readableBytes
      guard left >= 0 else { throw AppendSizeError(announced: item.size, found: item.size - left) }
      if out.readableBytes == 0, piece.readableBytes >= IMAPClientLimits.appendPiece {
        try await send(piece)
        continue
      }
      out.writeImmutableBuffer(piece)
      if out.readableBytes >= IMAPClientLimits.appendPiece {
        try await send(out)
        out = ByteBuffer()
      }
    }
    guard left == 0 else { throw AppendSizeError(announced: item.size, found: item.size - left) }
    out.writeCRLF()
    try await send(out)
  }
}
