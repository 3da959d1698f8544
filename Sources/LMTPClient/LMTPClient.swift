import Bytes
import LMTPCore
public import MailNet
public import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// An LMTP session (RFC 2033), used by one task, for one message after the other.
///
/// After an error other than `.refused`, `.unsupported` and `.invalidAddress` the connection is closed, and every later call
/// throws that error again: connect anew.
public final class LMTPClient {
  public var counters: TransportCounters { connection.counters }

  let connection: ClientConnection
  var extensions = LMTPExtensions()
  var reader = LMTPReplyReader()
  /// Why no further command may be sent.
  var ended: ClientError.Kind?
  /// A transaction failed in the middle: RSET goes before the next one.
  var needsReset = false

  init(connection: ClientConnection) { self.connection = connection }

  /// Connects and says LHLO. `127.0.0.1:24`, `[::1]:24` or `unix:/path`.
  ///
  /// - Throws: `.unsupported` when TLS is wanted by STARTTLS and the server has none.
  public static func connect(
    to address: ClientAddress, security: TransportSecurity, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> LMTPClient {
    let connection = try await ClientConnection.connect(
      to: address, security: security, group: group, timeouts: timeouts)
    let client = LMTPClient(connection: connection)
    do {
      try await client.greet(startsTLS: security.encryption == .startTLS)
    } catch {
      await client.end(error.kind)
      throw error
    }
    return client
  }

  private func greet(startsTLS: Bool) async throws(ClientError) {
    try require(try await reply("the greeting"), "the connection")
    try await sayHello()
    guard startsTLS else { return }
    guard extensions.startTLS else { throw failure(.unsupported("STARTTLS")) }
    try require(try await command("STARTTLS"), "STARTTLS")
    // RFC 3207 §4.2: what came in the clear is forgotten, and what comes behind the answer was put there by others.
    guard reader.unread == 0 else {
      throw failure(.protocolViolation("bytes in the clear behind the answer to STARTTLS"))
    }
    try await connection.startTLS()
    try await sayHello()
  }

  private func sayHello() async throws(ClientError) {
    let answer = try await command("LHLO \(Self.ownName())")
    try require(answer, "LHLO")
    extensions = LMTPExtensions(answer)
  }

  /// The name of this machine, as far as it can stand in a command.
  static func ownName() -> String {
    var bytes = [CChar](repeating: 0, count: 256)
    let result = gethostname(&bytes, bytes.count - 1)
    let name = bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let isName = name.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x2E }
    guard result == 0, isName, let first = name.first, first != 0x2D, first != 0x2E else { return "localhost" }
    return String(decoding: name, as: UTF8.self)
  }

  /// Says QUIT, waits shortly for the answer, and closes the connection.
  public func quit() async {
    if ended == nil {
      ended = .disconnected
      do {
        try await connection.send(ByteBuffer(string: "QUIT\r\n"))
        _ = try await connection.receive(within: .seconds(2))
      } catch {
        // The session is over either way.
      }
    }
    await connection.close()
  }
}

/// Bytes out, replies in.
extension LMTPClient {
  func failure(_ kind: ClientError.Kind) -> ClientError { ClientError(kind, server: connection.address.description) }

  /// Nothing can be sent on this connection any more.
  func end(_ kind: ClientError.Kind) async {
    if ended == nil { ended = kind }
    await connection.close()
  }

  func send(_ bytes: ByteBuffer) async throws(ClientError) { try await connection.send(bytes) }

  /// The next whole reply. 421 (RFC 5321 §4.2.2) comes in place of any.
  func reply(_ what: String) async throws(ClientError) -> LMTPReply {
    while true {
      do {
        if let reply = try reader.next() { return reply }
      } catch {
        switch error {
        case .replyTooLong: throw failure(.protocolViolation("a reply that does not end"))
        case .notAReply(let line): throw failure(.protocolViolation("no LMTP reply: \(Self.clean(line))"))
        }
      }
      do throws(ClientError) {
        guard let bytes = try await connection.receive() else { throw failure(.disconnected) }
        reader.feed(bytes)
      } catch {
        if case .timedOut = error.kind { throw failure(.timedOut(waitingFor: "the answer to \(what)")) }
        throw error
      }
    }
  }

  func command(_ line: String) async throws(ClientError) -> LMTPReply {
    try await send(ByteBuffer(string: "\(line)\r\n"))
    return try await reply(line)
  }

  func require(_ reply: LMTPReply, _ command: String) throws(ClientError) {
    guard reply.isPositive else { throw refusal(reply, command) }
  }

  /// The code of three digits in `code`, the enhanced one in front of the text.
  func refusal(_ reply: LMTPReply, _ command: String) -> ClientError {
    failure(.refused(command: command, code: "\(reply.code)", text: Self.clean(reply.text)))
  }

  /// On one line, bounded, and nothing a terminal would obey.
  static func clean(_ text: String) -> String {
    var clean = ""
    for scalar in text.unicodeScalars.prefix(LMTPClientLimits.errorText) {
      let isControl = scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
      clean.unicodeScalars.append(isControl ? "?" : scalar)
    }
    return clean
  }
}
