import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct ClientConnectionTests {
  private let group = MultiThreadedEventLoopGroup.singleton

  @Test func `What is sent arrives, what is answered is received, and both are counted`() async throws {
    try await withServer { server in
      let port = try #require(server.listener.boundAddress?.port)
      let connection = try await ClientConnection.connect(
        to: .host("127.0.0.1", port: port), security: .test(.none, .system), group: group, timeouts: .init())
      #expect(try await connection.read(until: "\n") == "hello\r\n")
      try await connection.send("echo one\r\n")
      #expect(try await connection.read(until: "\n") == "one\r\n")
      try await connection.send("quit\r\n")
      #expect(try await connection.read(until: "\n") == "bye\r\n")
      #expect(try await connection.receive() == nil)
      #expect(try await connection.receive() == nil)
      var counters = TransportCounters()
      counters.received = 17
      counters.wireReceived = 17
      counters.sent = 16
      counters.wireSent = 16
      #expect(connection.counters == counters)
      #expect(connection.isLoopback)
      #expect(connection.tlsVersion == nil)
      #expect(connection.peerFingerprint == nil)
      await connection.close()
    }
  }

  @Test func `The words of a server that greets and closes at once are heard`() async throws {
    try await RawServer.run { peer in
      try await peer.channel.writeAndFlush(ByteBuffer(string: "* BYE too many connections\r\n"))
    } _: { server in
      for _ in 0..<50 {
        let connection = try await server.connect()
        #expect(try await connection.read(until: "\n") == "* BYE too many connections\r\n")
        await connection.close()
      }
    }
  }

  @Test func `Many small sends keep their order`() async throws {
    let lines = (0..<2000).map { "line \($0)\r\n" }
    try await RawServer.run { peer in
      let all = try await peer.read(lines.joined().utf8.count)
      try await peer.channel.writeAndFlush(all)
    } _: { server in
      let connection = try await server.connect()
      for line in lines { try await connection.send(line) }
      #expect(String(buffer: try await connection.read(lines.joined().utf8.count)) == lines.joined())
    }
  }

  @Test func `The name's other address is tried when the first refuses`() async throws {
    try await RawServer.run {
      try await $0.send("here\r\n")
    } _: { server in
      // localhost is ::1 too on most machines, where nobody listens.
      let connection = try await server.connect(host: "localhost")
      #expect(try await connection.read(until: "\n") == "here\r\n")
    }
  }

  @Test func `A unix socket is a local line`() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("s-\(UUID().uuidString.prefix(8))").path
    try await RawServer.run(unix: path) {
      try await $0.send("local\r\n")
    } _: { _ in
      let connection = try await ClientConnection.connect(
        to: .unix(path: path), security: .test(.none, .system), group: group, timeouts: .init())
      #expect(try await connection.read(until: "\n") == "local\r\n")
      #expect(connection.isLoopback)
    }
  }

  @Test func `Nobody there is said in plain words`() async throws {
    // tcpmux, which nobody has run for decades.
    let refused = 1
    let error = await #expect(throws: ClientError.self) {
      try await ClientConnection.connect(
        to: .host("127.0.0.1", port: refused), security: .test(.none, .system), group: group, timeouts: .init())
    }
    #expect(error?.server == "127.0.0.1:\(refused)")
    guard case .cannotConnect(let why) = error?.kind else { throw Unexpected(error) }
    #expect(why.contains("connection refused"))
    #expect(error?.isTemporary == true)

    let unknown = await #expect(throws: ClientError.self) {
      try await ClientConnection.connect(
        to: .host("nowhere.invalid", port: 143), security: .test(.none, .system), group: group, timeouts: .init())
    }
    guard case .cannotConnect(let why) = unknown?.kind else { throw Unexpected(unknown) }
    #expect(why.contains("the name has no address"))

    let socket = await #expect(throws: ClientError.self) {
      try await ClientConnection.connect(
        to: .unix(path: "/nonexistent/socket"), security: .test(.none, .system), group: group, timeouts: .init())
    }
    guard case .cannotConnect(let why) = socket?.kind else { throw Unexpected(socket) }
    #expect(why.contains("no such file"))
  }

  @Test(arguments: [
    ClientAddress.host("", port: 143), .host("a b", port: 143), .host("a\r\nb", port: 143), .host("a\0b", port: 143),
    .host(String(repeating: "a", count: 300), port: 143), .host("localhost", port: 0), .host("localhost", port: 70000),
  ])
  func `What is no address is refused before anything is tried`(address: ClientAddress) async {
    for encryption in [TransportSecurity.Encryption.none, .implicit] {
      let error = await #expect(throws: ClientError.self) {
        try await ClientConnection.connect(
          to: address, security: .test(encryption, .system), group: group, timeouts: .init())
      }
      guard case .invalidAddress = error?.kind else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  @Test func `Silence ends the wait and leaves the connection usable`() async throws {
    let gate = Gate()
    try await RawServer.run { peer in
      await gate.pass()
      try await peer.send("at last\r\n")
    } _: { server in
      var timeouts = ClientTimeouts()
      timeouts.silence = .milliseconds(20)
      let connection = try await server.connect(timeouts: timeouts)
      await #expect(throws: ClientError(.timedOut(waitingFor: "the server's answer"), server: "\(server.address)")) {
        try await connection.receive()
      }
      await #expect(throws: ClientError(.timedOut(waitingFor: "the server's answer"), server: "\(server.address)")) {
        try await connection.receive(within: .milliseconds(1))
      }
      gate.open()
      #expect(try await connection.receive(within: .seconds(50)).map { String(buffer: $0) } == "at last\r\n")
    }
  }

  @Test func `A shorter wait is not held up by a longer one before it`() async throws {
    try await RawServer.run { peer in
      try await peer.send("x")
      _ = await peer.rest()
    } _: { server in
      let connection = try await server.connect()
      // Arms the timer far away.
      _ = try await connection.receive(within: .seconds(3600))
      let waiting = Task { try await connection.receive(within: .seconds(3600)) }
      await Task.yield()
      waiting.cancel()
      _ = await waiting.result
      await #expect(throws: ClientError.self) { try await connection.receive(within: .milliseconds(5)) }
    }
  }

  @Test func `A cancelled task stops waiting, and the connection goes on`() async throws {
    try await RawServer.run { peer in
      _ = try await peer.line()
      try await peer.send("still here\r\n")
    } _: { server in
      let connection = try await server.connect()
      for delay in [0, 1, 20] {
        let waiting = Task { try await connection.receive() }
        if delay > 0 { try await Task.sleep(for: .milliseconds(delay)) }
        waiting.cancel()
        await #expect(throws: ClientError(.cancelled, server: "\(server.address)")) { try await waiting.value }
      }
      try await connection.send("ping\r\n")
      #expect(try await connection.read(until: "\n") == "still here\r\n")
    }
  }

  @Test func `A cancelled task stops connecting`() async throws {
    try await RawServer.run { peer in
      _ = await peer.rest()
    } _: { server in
      // The server never answers the handshake.
      let waiting = Task { try await server.connect(.implicit) }
      try await Task.sleep(for: .milliseconds(20))
      waiting.cancel()
      await #expect(throws: ClientError(.cancelled, server: "\(server.address)")) { _ = try await waiting.value }
    }
  }

  @Test func `What came before the end is received after it`() async throws {
    try await RawServer.run { peer in
      try await peer.send("* BYE\r\n")
    } _: { server in
      let connection = try await server.connect()
      while !connection.pipe.isEnded { await Task.yield() }
      await #expect(throws: ClientError(.disconnected, server: "\(server.address)")) {
        try await connection.send("late\r\n")
      }
      #expect(try await connection.receive().map { String(buffer: $0) } == "* BYE\r\n")
      #expect(try await connection.receive() == nil)
    }
  }

  @Test func `Closing sends what waits, and may be done twice`() async throws {
    let heard = Mutex<String?>(nil)
    let done = Gate()
    try await RawServer.run { peer in
      let rest = await peer.rest()
      heard.withLock { $0 = rest }
      done.open()
    } _: { server in
      let connection = try await server.connect()
      try await connection.send("LOGOUT\r\n")
      await connection.close()
      await connection.close()
      await done.pass()
      #expect(heard.withLock { $0 } == "LOGOUT\r\n")
      await #expect(throws: ClientError(.disconnected, server: "\(server.address)")) { try await connection.receive() }
      await #expect(throws: ClientError(.disconnected, server: "\(server.address)")) { try await connection.send("x") }
    }
  }

  @Test func `A connection that is let go is closed`() async throws {
    let done = Gate()
    try await RawServer.run { peer in
      _ = await peer.rest()
      done.open()
    } _: { server in
      do { _ = try await server.connect() }
      await done.pass()
    }
  }
}

struct Unexpected: Error {
  let what: String
  init(_ what: (some Any)?) { self.what = "\(what.map { "\($0)" } ?? "nothing")" }
}
