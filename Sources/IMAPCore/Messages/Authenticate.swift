import Bytes
public import NIOCore

/// `AUTHENTICATE` (RFC 9051 §6.2.2, RFC 4959).
public struct AuthenticateCommand: Hashable, Sendable {
  /// In upper case.
  public var mechanism: String
  /// Decoded. Empty for `=`. Nil: none was sent, the server speaks first or asks with an empty continuation.
  public var initialResponse: ByteBuffer?
  public init(mechanism: String, initialResponse: ByteBuffer? = nil) {
    self.mechanism = mechanism
    self.initialResponse = initialResponse
  }
}

/// A client's line while AUTHENTICATE is under way (what `FramerEvent.line` then brings).
public enum AuthenticateLine: Hashable, Sendable {
  /// Decoded from base64.
  case response(ByteBuffer)
  /// `*`: the client gives up; the command is answered BAD (RFC 9051 §6.2.2).
  case cancel
}

extension AuthenticateLine {
  /// Reads a line as `FramerEvent.line` brings it. Nil: not base64; the command is answered BAD (RFC 9051 §6.2.2).
  public init?(_ line: ByteBuffer) {
    if line.readableBytes == 1, line.getInteger(at: line.readerIndex, as: UInt8.self) == UInt8(ascii: "*") {
      self = .cancel
    } else if let bytes = Base64.decode(line) {
      self = .response(bytes)
    } else {
      return nil
    }
  }
}

extension CommandReader {
  /// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]
  mutating func authenticateCommand() throws(IMAPSyntaxError) -> AuthenticateCommand {
    try space()
    let mechanism = try atom("a mechanism").uppercased()
    guard cursor.take(.space) else { return AuthenticateCommand(mechanism: mechanism) }
    let start = cursor.position
    // RFC 4959 §3: "=" is an empty response.
    if cursor.remaining == 1, cursor.take(UInt8(ascii: "=")) {
      return AuthenticateCommand(mechanism: mechanism, initialResponse: ByteBuffer())
    }
    cursor.position = cursor.count
    guard start < cursor.count, let response = Base64.decode(bytes(start..<cursor.count)) else {
      throw error("The initial response is not base64", at: start)
    }
    return AuthenticateCommand(mechanism: mechanism, initialResponse: response)
  }
}

extension CommandPrinter {
  mutating func print(_ command: AuthenticateCommand) {
    space()
    text(command.mechanism)
    guard let response = command.initialResponse else { return }
    space()
    if response.readableBytes == 0 { word("=") } else { Base64.encode(response, into: &buffer) }
  }
}
