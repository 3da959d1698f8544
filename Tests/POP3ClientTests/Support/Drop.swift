import Bytes
import MailClient
import MailNet
import MailTestKit
import NIOCore
import NIOPosix
import POP3Core
import Synchronization
import Testing

@testable import POP3Client

/// A maildrop behind a server that knows what it is told to know.
struct Drop: Sendable {
  /// Lines of CAPA; nil: the server has none.
  var capabilities: [String]? = ["TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "SASL PLAIN"]
  var messages: [String] = ["Subject: one\r\n\r\n.dot\r\nend\r\n", "Subject: two\r\n\r\nbody\r\n"]

  /// Serves until QUIT.
  func serve(_ peer: ScriptedPeer) async throws {
    try await peer.send("+OK ready\r\n")
    while true {
      let line = try await peer.line()
      let words = line.split(separator: " ").map(String.init)
      let number = words.dropFirst().first.flatMap { Int($0) } ?? 0
      switch words.first?.uppercased() ?? "" {
      case "CAPA":
        try await peer.send(
          capabilities.map { "+OK\r\n" + ($0 + ["."]).map { "\($0)\r\n" }.joined() } ?? "-ERR what?\r\n")
      case "USER", "NOOP", "RSET", "DELE": try await peer.send("+OK\r\n")
      case "PASS": try await peer.send(line == "PASS rahasia" ? "+OK\r\n" : "-ERR [AUTH] wrong\r\n")
      case "AUTH":
        let isRight = words.last == Base64.encodedString(Array("\0budi\0rahasia".utf8).span.bytes)
        try await peer.send(isRight ? "+OK\r\n" : "-ERR [AUTH] wrong\r\n")
      case "STAT": try await peer.send("+OK \(messages.count) \(messages.reduce(0) { $0 + $1.utf8.count })\r\n")
      case "LIST":
        try await peer.send(
          "+OK\r\n" + messages.indices.map { "\($0 + 1) \(messages[$0].utf8.count)\r\n" }.joined() + ".\r\n")
      case "UIDL":
        try await peer.send("+OK\r\n" + messages.indices.map { "\($0 + 1) id\($0 + 1)\r\n" }.joined() + ".\r\n")
      case "RETR", "TOP": try await peer.send(Self.response(messages[number - 1]))
      case "QUIT":
        try await peer.send("+OK bye\r\n")
        return
      default: try await peer.send("-ERR unknown command\r\n")
      }
    }
  }

  /// `+OK` and the message, stuffed.
  static func response(_ message: String) -> String {
    var output = ByteBuffer(string: "+OK \(message.utf8.count) octets\r\n")
    var stuffer = DotStuffer()
    stuffer.stuff(ByteBuffer(string: message), into: &output)
    stuffer.finish(into: &output)
    return String(buffer: output)
  }
}

/// A server on loopback, without TLS.
func remote(
  _ port: Int, host: String = "127.0.0.1", encryption: TransportSecurity.Encryption = .none,
  trust: TransportSecurity.Trust = .system, allowsCleartextLogin: Bool = false
) -> RemoteServer {
  RemoteServer(
    mailProtocol: .pop3, host: host, port: port, user: "budi",
    security: TransportSecurity(encryption: encryption, trust: trust, allowsCleartextLogin: allowsCleartextLogin))
}

func connect(_ port: Int, silence: Duration = .seconds(60)) async throws -> POP3Client {
  var timeouts = ClientTimeouts()
  timeouts.silence = silence
  return try await POP3Client.connect(
    to: remote(port), group: MultiThreadedEventLoopGroup.singleton, timeouts: timeouts)
}

let rightPassword = Credential.password(.value("rahasia"))

/// The kind of the client's error that `body` throws.
func kind(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> ClientError.Kind? {
  do {
    try await body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    return nil
  } catch let error as ClientError {
    return error.kind
  } catch {
    Issue.record(error, sourceLocation: sourceLocation)
    return nil
  }
}

/// What came of a retrieval, a line each; the content of pieces joined.
struct Brought: Equatable {
  var log: [String] = []
  private var streamed = ByteBuffer()

  mutating func add(_ event: POP3Retrieval) {
    switch event {
    case .whole(let number, let bytes): log.append("\(number) whole \(String(buffer: bytes))")
    case .begin(let number): log.append("\(number) begins")
    case .piece(let bytes): streamed.writeImmutableBuffer(bytes)
    case .end(let number):
      log.append("\(number) ends \(streamed.readableBytes)")
      streamed.clear()
    case .refused(let number, let error): log.append("\(number) refused \(error.kind)")
    }
  }
}
