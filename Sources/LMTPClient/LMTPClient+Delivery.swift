import Bytes
import LMTPCore
public import MailNet
public import NIOCore
import POP3Core

extension LMTPClient {
  /// One message to one recipient. MAIL, RCPT and DATA are pipelined (RFC 2920). Bytes come from `body` until it gives nil;
  /// lines end in CRLF; dots are stuffed here. Returns the final reply's text.
  ///
  /// The first piece is asked for before anything is sent: what stands in it decides what MAIL says (8BITMIME, SMTPUTF8).
  /// When `body` throws, the connection is dropped before the end of the message, so that the server delivers nothing, and
  /// the error is thrown on.
  ///
  /// - Parameters:
  ///   - sender: empty for `<>`, the sender of bounces.
  ///   - size: octets of the message, if they are known; held against the server's limit before anything is sent.
  /// - Throws: `.refused` with the reply code in `code` (`452`) and the enhanced code in front of the text. 4xx: the same may
  ///   work later; 5xx: never. `.disconnected` and `.timedOut` after the end of the message leave it open whether it was
  ///   delivered: sending it again may make a second copy (RFC 2033 §5).
  public func deliver(
    from sender: String, to recipient: String, size: Int?, body: () async throws -> ByteBuffer?
  ) async throws -> String {
    if let ended { throw failure(ended) }
    guard let from = LMTPPath(address: sender) else {
      throw failure(.invalidAddress("the sender \(Self.clean(sender)) is no address"))
    }
    guard let to = LMTPPath(address: recipient), !to.isNull else {
      throw failure(.invalidAddress("the recipient \(Self.clean(recipient)) is no address"))
    }
    if let limit = extensions.size, limit > 0, let size, Int64(size) > limit {
      // RFC 1870 §6.1: the reply it would get.
      throw failure(
        .refused(
          command: "MAIL", code: "552", text: "5.3.4 \(size) octets are more than the server's limit of \(limit)"))
    }
    let first = try await body()
    do {
      let mail = try mailCommand(from, to, size: size, first: first)
      try await openTransaction(mail, to)
      return try await sendMessage(first, body)
    } catch let error as ClientError {
      switch error.kind {
      case .refused(_, let code, _):
        needsReset = true
        // RFC 5321 §3.8: after 421 the server closes.
        if code == "421" { await end(error.kind) }
      case .unsupported: break
      default: await end(error.kind)
      }
      throw error
    } catch {
      await end(.cancelled)
      throw error
    }
  }

  private func mailCommand(
    _ from: LMTPPath, _ to: LMTPPath, size: Int?, first: ByteBuffer?
  ) throws(ClientError) -> String {
    var command = "MAIL FROM:\(from.text)"
    if let size, extensions.size != nil { command += " SIZE=\(size)" }
    let start = first ?? ByteBuffer()
    // Where all of the message is in hand it can be told; else it may have 8-bit octets further on (RFC 6152 §3).
    let mayBeEightBit = size.map { $0 > start.readableBytes } ?? true
    if extensions.eightBitMIME, mayBeEightBit || !Self.isASCII(start) { command += " BODY=8BITMIME" }
    if !from.isASCII || !to.isASCII {
      // RFC 6531 §3.2: such an address MUST NOT be sent to a server without.
      guard extensions.smtpUTF8 else {
        throw failure(.unsupported("SMTPUTF8, which addresses with letters beyond ASCII need"))
      }
      command += " SMTPUTF8"
    } else if extensions.smtpUTF8, Self.hasUTF8Header(start) {
      command += " SMTPUTF8"
    }
    return command
  }

  /// MAIL, RCPT and DATA, up to the server's leave to send the message.
  private func openTransaction(_ mail: String, _ to: LMTPPath) async throws(ClientError) {
    let commands = (needsReset ? ["RSET"] : []) + [mail, "RCPT TO:\(to.text)", "DATA"]
    needsReset = false
    if extensions.pipelining {
      try await send(ByteBuffer(string: commands.joined(separator: "\r\n") + "\r\n"))
    }
    var refusal: ClientError?
    for command in commands {
      let name = String(command.prefix(4))
      if !extensions.pipelining {
        if let refusal { throw refusal }
        try await send(ByteBuffer(string: "\(command)\r\n"))
      }
      let reply = try await reply(name)
      if reply.code == 421 { throw self.refusal(reply, name) }
      guard name == "DATA" else {
        // The first refusal is the cause of those that follow.
        if !(200...299).contains(reply.code), refusal == nil { refusal = self.refusal(reply, name) }
        continue
      }
      if reply.code == 354 {
        guard let refusal else {
          // Or it would pass for the verdict.
          guard reader.unread == 0 else {
            throw failure(.protocolViolation("a reply to a message that has not been sent"))
          }
          return
        }
        // RFC 2033 §4.2 forbids it. How many answers an empty message would get can't be known: no further.
        await end(.disconnected)
        throw refusal
      }
      throw refusal ?? self.refusal(reply, name)
    }
  }

  /// The message, its end, and the answer for the one recipient (RFC 2033 §4.2).
  private func sendMessage(_ first: ByteBuffer?, _ body: () async throws -> ByteBuffer?) async throws -> String {
    var stuffer = DotStuffer()
    var output = ByteBuffer()
    var piece = first
    while let bytes = piece {
      stuffer.stuff(bytes, into: &output)
      if output.readableBytes >= LMTPClientLimits.piece {
        let full = output
        output = ByteBuffer()
        try await sendContent(full)
      }
      piece = try await body()
    }
    stuffer.finish(into: &output)
    try await sendContent(output)
    let reply = try await reply("the message")
    guard (200...299).contains(reply.code) else { throw refusal(reply, "DATA") }
    return Self.clean(reply.text)
  }

  /// A server that closes in the middle has mostly said why.
  private func sendContent(_ bytes: ByteBuffer) async throws(ClientError) {
    do {
      try await send(bytes)
    } catch {
      guard case .disconnected = error.kind else { throw error }
      if let last = try? await connection.receive(within: .seconds(1)) { reader.feed(last) }
      guard let reply = try? reader.next(), !reply.isPositive else { throw error }
      // The session is over all the same.
      await end(.disconnected)
      throw refusal(reply, "DATA")
    }
  }

  private static func isASCII(_ bytes: ByteBuffer) -> Bool {
    bytes.withUnsafeReadableBytes { bytes in
      var high: UInt8 = 0
      for byte in bytes { high |= byte }
      return high < 0x80
    }
  }

  /// Whether the header, as far as it is in the first piece, holds UTF-8 beyond ASCII.
  private static func hasUTF8Header(_ start: ByteBuffer) -> Bool {
    let view = start.readableBytesView
    var end = view.endIndex
    var line = view.startIndex
    while line < view.endIndex, let stop = view[line...].firstIndex(of: .lf) {
      if stop == line || (stop == line + 1 && view[line] == .cr) {
        end = line
        break
      }
      line = stop + 1
    }
    let header = view[view.startIndex..<end]
    guard header.contains(where: { $0 >= 0x80 }) else { return false }
    // A letter cut at the end of the piece must not make it look like something else.
    var whole = header
    while let last = whole.last, last >= 0x80 { whole = whole.dropLast() }
    return String(validating: whole, as: UTF8.self) != nil
  }
}

extension ClientError {
  /// A refusal by LMTP that is for now only (4yz, RFC 5321 §4.2.1); and what `isTemporary` says of everything else.
  public var isTemporaryDelivery: Bool {
    if case .refused(_, let code?, _) = kind, code.utf8.count == 3, code.utf8.allSatisfy(\.isASCIIDigit) {
      return code.hasPrefix("4")
    }
    return isTemporary
  }
}
