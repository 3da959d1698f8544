import IMAPClient
import MailClient
import MailNet
import NIOCore
import NIOPosix
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What went otherwise than the script says.
struct ScriptError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// The server's end of one connection, for a script that says line by line what is heard and said. It blocks, on a thread
/// of its own.
final class ScriptedPeer {
  private let socket: CInt
  private var input: [UInt8] = []
  /// Set for COMPRESS: what is sent and received goes through these.
  var deflate: (([UInt8]) throws -> [UInt8])?
  var inflate: (([UInt8]) throws -> [UInt8])?

  init(socket: CInt) { self.socket = socket }

  func send(_ lines: String...) throws {
    try send(Array(lines.joined().utf8))
  }

  func send(_ bytes: [UInt8]) throws {
    let wire = try deflate?(bytes) ?? bytes
    var sent = 0
    while sent < wire.count {
      let count = wire[sent...].withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw ScriptError("the client does not take what is sent") }
      sent += count
    }
  }

  private func fill() throws {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(socket, &buffer, buffer.count, 0)
    guard count > 0 else { throw ScriptError(count == 0 ? "the client has gone" : "the client says nothing") }
    input += try inflate?(Array(buffer[..<count])) ?? Array(buffer[..<count])
  }

  func bytes(_ count: Int) throws -> String {
    while input.count < count { try fill() }
    defer { input.removeFirst(count) }
    return String(decoding: input[..<count], as: UTF8.self)
  }

  func line() throws -> String {
    while true {
      if let end = input.firstIndex(of: 0x0A) {
        let line = String(decoding: input[..<end].dropLast(), as: UTF8.self)
        input.removeFirst(end + 1)
        return line
      }
      try fill()
    }
  }

  /// The next command; its tag is given back.
  @discardableResult
  func expect(_ command: String) throws -> String {
    let line = try line()
    let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
    guard parts.count == 2, parts[1] == command else { throw ScriptError("expected \(command), heard \(line)") }
    return parts[0]
  }

  func expectLine(_ expected: String) throws {
    let line = try line()
    guard line == expected else { throw ScriptError("expected the line \(expected), heard \(line)") }
  }

  func expectBytes(_ expected: String) throws {
    let bytes = try bytes(expected.utf8.count)
    guard bytes == expected else { throw ScriptError("expected \(expected), heard \(bytes)") }
  }

  /// Hears a command and says `lines`, then `tag OK done`.
  func answer(_ command: String, _ lines: String...) throws {
    let tag = try expect(command)
    try send(lines.map { $0 + "\r\n" }.joined() + "\(tag) OK done\r\n")
  }

  /// Hears a command and says `tag` and `completion`.
  func complete(_ command: String, _ completion: String) throws {
    let tag = try expect(command)
    try send("\(tag) \(completion)\r\n")
  }

  /// What it wrote last, it did not say in vain: the client hangs up first.
  func expectEnd() throws {
    guard input.isEmpty else { throw ScriptError("heard \(String(decoding: input, as: UTF8.self))") }
    var byte: UInt8 = 0
    guard recv(socket, &byte, 1, 0) <= 0 else { throw ScriptError("the client goes on") }
  }
}

/// A listener for one connection.
struct ScriptedServer {
  let listener: CInt
  let port: Int

  init() throws {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(listener, pointer, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, pointer, &length) == 0
      }
    }
    guard bound else { throw ScriptError("no socket") }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
  }

  /// Longer than any script takes; a script that waits in vain fails.
  private static let patience = timeval(tv_sec: 20, tv_usec: 0)

  func run(_ script: (ScriptedPeer) throws -> Void) throws {
    defer { close(listener) }
    var limit = Self.patience
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let accepted = accept(listener, nil, nil)
    guard accepted >= 0 else { throw ScriptError("nobody connects") }
    defer { close(accepted) }
    setsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var on: CInt = 1
    setsockopt(accepted, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    try script(ScriptedPeer(socket: accepted))
  }
}

/// Runs a script and the client's side against it. What goes wrong with the script is told rather than what the client
/// makes of it.
func withScript(
  _ script: @escaping @Sendable (ScriptedPeer) throws -> Void, encryption: TransportSecurity.Encryption = .none,
  _ body: (RemoteServer) async throws -> Void
) async throws {
  let scripted = try ScriptedServer()
  let pool = NIOThreadPool(numberOfThreads: 1)
  pool.start()
  async let played: Void = pool.runIfActive { try scripted.run(script) }
  let security = TransportSecurity(encryption: encryption, trust: .system, allowsCleartextLogin: false)
  let server = RemoteServer(
    mailProtocol: .imap, host: "127.0.0.1", port: scripted.port, user: "budi", security: security)
  var failure: (any Error)?
  do {
    try await body(server)
  } catch {
    failure = error
  }
  do {
    try await played
  } catch {
    Issue.record("the script: \(error)")
  }
  try await pool.shutdownGracefully()
  if let failure { throw failure }
}

extension RemoteServer {
  func connect(silence: Duration = .seconds(20)) async throws -> IMAPClient {
    var timeouts = ClientTimeouts()
    timeouts.silence = silence
    return try await IMAPClient.connect(to: self, group: MultiThreadedEventLoopGroup.singleton, timeouts: timeouts)
  }
}

/// Runs a script behind greeting and login with these capabilities; the client is closed at the end.
func withSession(
  _ capabilities: String, _ script: @escaping @Sendable (ScriptedPeer) throws -> Void,
  _ body: (IMAPClient) async throws -> Void
) async throws {
  try await withScript({ peer in
    try peer.logIn(capabilities)
    try script(peer)
    try peer.expectEnd()
  }) { server in
    let client = try await server.connect()
    do {
      try await client.logIn(user: "budi", .password(.value("secret")), compress: capabilities.contains("COMPRESS"))
      try await body(client)
    } catch {
      await client.abandon()
      throw error
    }
    await client.abandon()
  }
}

extension ScriptedPeer {
  /// Greeting, LOGIN and what follows it.
  func logIn(_ capabilities: String) throws {
    try send("* OK [CAPABILITY IMAP4rev1 \(capabilities)] hello\r\n")
    try complete("LOGIN budi secret", "OK [CAPABILITY IMAP4rev1 \(capabilities)] in")
    let offered = Set(capabilities.split(separator: " "))
    if offered.contains("ID") { try answer(#"ID ("name" "Merpati")"#, #"* ID ("name" "Script")"#) }
    if offered.contains("NAMESPACE") {
      try answer("NAMESPACE", #"* NAMESPACE (("" "/")) (("~" "/")) (("Shared/" "/"))"#)
    } else {
      try answer(#"LIST "" """#, #"* LIST (\Noselect) "/" """#)
    }
    guard offered.contains("ENABLE") else { return }
    var wanted: [String] = []
    if offered.contains("QRESYNC") {
      wanted.append("QRESYNC")
    } else if offered.contains("CONDSTORE") {
      wanted.append("CONDSTORE")
    }
    if offered.contains("UTF8=ACCEPT") { wanted.append("UTF8=ACCEPT") }
    if !wanted.isEmpty {
      let words = wanted.joined(separator: " ")
      try answer("ENABLE \(words)", "* ENABLED \(words)")
    }
  }

  /// SELECT of INBOX with three messages.
  func select(_ arguments: String = "SELECT INBOX", _ more: String...) throws {
    let tag = try expect(arguments)
    try send(
      "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"
        + "* OK [UIDNEXT 10] x\r\n* OK [PERMANENTFLAGS (\\Deleted \\Seen $A \\*)] x\r\n"
        + more.map { $0 + "\r\n" }.joined()
        + "\(tag) OK [\(arguments.hasPrefix("EXAMINE") ? "READ-ONLY" : "READ-WRITE")] selected\r\n")
  }
}

/// The kind of the error that `body` throws.
func errorKind(_ body: () async throws -> Void) async -> ClientError.Kind? {
  do {
    try await body()
    return nil
  } catch {
    return (error as? ClientError)?.kind
  }
}
