import Foundation
import LocalMail
import MailNet
import MailStore
import MailTransfer
import NIOCore
import NIOPosix

/// One request to a running server and its answer, without blocking a thread: for work that sends or fetches many
/// messages. One task at a time.
final class ControlConversation {
  private let connection: ClientConnection
  private let socket: String
  private var answer = ControlAnswerReader()

  private init(_ connection: ClientConnection, _ socket: String) {
    self.connection = connection
    self.socket = socket
  }

  /// Nil: nobody listens there, so no server runs on this folder.
  static func open(socket path: String) async throws -> ControlConversation? {
    guard SocketOwner.isTrusted(path) else { throw SocketOwner.refusal(path) }
    // Nothing secret crosses the socket that its file mode does not guard: no TLS, no login.
    let security = TransportSecurity(encryption: .none, trust: .system, allowsCleartextLogin: false)
    var timeouts = ClientTimeouts()
    timeouts.silence = .seconds(ControlLimits.silence)
    do throws(ClientError) {
      let connection = try await ClientConnection.connect(
        to: .unix(path: path), security: security, group: MultiThreadedEventLoopGroup.singleton, timeouts: timeouts)
      return ControlConversation(connection, path)
    } catch {
      // Why not: no server, no permission, too long a path. Says it in the words of the other commands.
      guard try ControlClient(socket: path) != nil else { return nil }
      throw ControlFailure(.temporary, error.description)
    }
  }

  // MARK: Sending

  func send(_ request: ControlRequest) async throws {
    let line = try await ControlCoding.line(request)
    guard line.readableBytes <= ControlLimits.requestLine else {
      throw ControlFailure(.software, "the request is longer than \(ControlLimits.requestLine) octets")
    }
    try await send(line)
  }

  /// A message, and the mark of its end.
  func sendMessage(_ body: () async throws -> ByteBuffer?) async throws {
    var out = ByteBuffer()
    while var piece = try await body() {
      while let chunk = piece.readSlice(length: min(piece.readableBytes, ControlLimits.readBatch)),
        chunk.readableBytes > 0
      {
        out.writeString("\(chunk.readableBytes)\n")
        out.writeImmutableBuffer(chunk)
        guard out.readableBytes >= ControlLimits.readBatch else { continue }
        try await send(out)
        out.clear()
      }
    }
    out.writeString("0\n")
    try await send(out)
  }

  private func send(_ bytes: ByteBuffer) async throws {
    do throws(ClientError) { try await connection.send(bytes) } catch {
      // A server that has refused says why before it closes.
      if let reply = try? await finalReply(), let failure = reply.failure { throw Self.thrown(failure) }
      throw gone(error)
    }
  }

  // MARK: The answer

  /// Throws what the store or the server refused.
  func reply() async throws -> ControlReply {
    let reply = try await finalReply()
    if let failure = reply.failure { throw Self.thrown(failure) }
    return reply
  }

  private func finalReply() async throws -> ControlReply {
    try Self.decode(try await line())
  }

  /// Ends what `backup` began. Throws when the server has not been there all the time.
  func endHold() async throws {
    try await send(ByteBuffer(string: "end\n"))
    _ = try await reply()
  }

  /// The messages of a `read`, up to the reply.
  func messages(_ handle: (StoreReadEvent) async throws -> Void) async throws {
    while true {
      switch try await next({ answer throws(ControlAnswerReader.Malformed) in try answer.next() }) {
      case .message(let event): try await handle(event)
      case .reply(let line):
        if let failure = try Self.decode(line).failure { throw Self.thrown(failure) }
        return
      }
    }
  }

  private func line() async throws -> ByteBuffer {
    try await next { answer throws(ControlAnswerReader.Malformed) in try answer.line() }
  }

  /// Takes something off the answer, as soon as enough of it has come.
  private func next<Value>(
    _ take: (inout ControlAnswerReader) throws(ControlAnswerReader.Malformed) -> Value?
  ) async throws -> Value {
    while true {
      do throws(ControlAnswerReader.Malformed) {
        if let value = try take(&answer) { return value }
      } catch {
        throw broken()
      }
      let received: ByteBuffer?
      do throws(ClientError) { received = try await connection.receive() } catch { throw gone(error) }
      guard let bytes = received else { throw gone(nil) }
      answer.feed(bytes)
    }
  }

  func close() async { await connection.close() }

  private static func decode(_ line: ByteBuffer) throws -> ControlReply {
    let reply = try? JSONDecoder().decode(ControlReply.self, from: Data(line.readableBytesView))
    guard let reply, reply.isAnswer else { throw ControlFailure(.temporary, "the server gave no answer; try again") }
    return reply
  }

  /// A refusal by the store comes back as what the store threw.
  private static func thrown(_ failure: ControlFailure) -> any Error { failure.store ?? failure }

  private func gone(_ error: ClientError?) -> ControlFailure {
    var why = "the server closed the control connection"
    if let error, case .timedOut = error.kind { why = "the server did not answer for too long" }
    return ControlFailure(
      .temporary, "\(socket): \(why); run the command again: what is in the store already is not brought twice")
  }

  private func broken() -> ControlFailure {
    ControlFailure(.data, "\(socket): the answer is not understood; are server and command of one version?")
  }
}

extension Fingerprint {
  var hexText: String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }

  init?(hexText: String) {
    let digits = Array(hexText.utf8)
    var bytes: [UInt8] = []
    guard digits.count == 64 else { return nil }
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    self.init(bytes: bytes)
  }
}
