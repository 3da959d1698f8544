import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct WaitingAwakeTests {
  /// A server with one loop of its own: on that of the other suites, others would be heard.
  private func withLoneServer(
    tls: TLSContexts? = nil, implicitTLS: Bool = false, _ body: (TestServer) async throws -> Void
  ) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    try await withServer(tls: tls, implicitTLS: implicitTLS, group: group, body: body)
    try await group.shutdownGracefully()
  }

  /// From here on the peer counts as prompt.
  private func makePrompt(_ connection: Connection) async throws {
    try await connection.eventLoop.submit {
      connection.resources.prompt = PromptPeer(connection: connection.id, score: 16, loss: 64)
    }.get()
  }

  private func wasAwaited(_ connection: Connection) async throws -> Bool {
    // The burst that asks for the wait is over when the first of these is run.
    try await connection.eventLoop.submit {}.get()
    return try await connection.eventLoop.submit { connection.resources.prompt.waits > 0 }.get()
  }

  @Test func `A peer that is waited for gets all its answers`() async throws {
    try await withLoneServer { server in
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      for number in 0..<500 {
        try await makePrompt(connection)
        try await client.send("echo \(number)\r\n")
        #expect(try await client.line() == "\(number)")
        #expect(try await wasAwaited(connection))
      }
    }
  }

  @Test func `Inside TLS a peer is waited for as well`() async throws {
    let certificates = try TestCertificates()
    try await withLoneServer(tls: try certificates.contexts(), implicitTLS: true) { server in
      let client = try await server.client()
      try await client.startTLS(host: "mail.example.org")
      #expect(try await client.line() == "hello")
      let connection = try #require(server.log.now.connections.first)
      for number in 0..<200 {
        try await makePrompt(connection)
        try await client.send("echo \(number)\r\n")
        #expect(try await client.line() == "\(number)")
        #expect(try await wasAwaited(connection))
      }
    }
  }

  @Test func `A peer that closes while it is waited for is gone`() async throws {
    try await withLoneServer { server in
      for round in 1...100 {
        let client = try await server.greetedClient()
        let connection = try #require(server.log.now.connections.last)
        try await makePrompt(connection)
        try await client.send("echo x\r\n")
        #expect(try await client.line() == "x")
        client.close()
        await server.log.until { $0.closed.count == round }
        #expect(try await wasAwaited(connection))
      }
      #expect(server.log.now.closed.allSatisfy { $0 == .peerClosed })
    }
  }

  @Test func `Two connections in turn are answered, and neither is waited for`() async throws {
    try await withLoneServer { server in
      let one = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      let two = try await server.greetedClient()
      try await makePrompt(connection)
      for number in 0..<200 {
        let client = number % 2 == 0 ? two : one
        try await client.send("echo \(number)\r\n")
        #expect(try await client.line() == "\(number)")
      }
      #expect(try await !wasAwaited(connection))
    }
  }

  @Test func `A session that is at work or has ended its side is not waited for`() async throws {
    try await withLoneServer { server in
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      try await makePrompt(connection)
      try await client.send("echo before\r\nwait\r\n")
      #expect(try await client.line() == "before")
      #expect(try await !wasAwaited(connection))
      server.gate.open()
      #expect(try await client.line() == "waited")
      try await makePrompt(connection)
      try await client.send("echo before\r\nquit\r\n")
      #expect(await client.rest() == "before\r\nbye\r\n")
      await server.log.until { $0.closed == [.local] }
      #expect(try await !wasAwaited(connection))
    }
  }

  @Test func `Listeners with one loop share what they know of its peers`() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    try await withServer(group: group) { one in
      try await withServer(group: group) { two in
        _ = try await one.greetedClient()
        _ = try await two.greetedClient()
        let first = try #require(one.log.now.connections.first)
        let second = try #require(two.log.now.connections.first)
        #expect(first.resources === second.resources)
      }
    }
    try await group.shutdownGracefully()
  }

  // MARK: The wait itself, by a clock that moves 10 µs at each look

  private final class Ticks {
    var now: UInt64 = 1_000_000
    func next() -> UInt64 {
      now += 10_000
      return now
    }
  }

  /// What is left of the score 16 after a wait for a socket, and what the next one in vain costs.
  private func wait<Ignored>(
    _ prepare: @escaping @Sendable (_ ours: CInt, _ theirs: CInt, LoopResources) -> Ignored
  ) async throws -> [Int] {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let result = try await loop.submit { () -> [Int] in
      var pair: [CInt] = [-1, -1]
      #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair) == 0)
      defer { for end in pair { Glibc.close(end) } }
      let resources = LoopResources.of(loop)
      let ticks = Ticks()
      resources.prompt = PromptPeer(connection: 1, score: 16, loss: 64)
      resources.prompt.heard(1, sent: 0, at: ticks.now)
      let isAwaited = resources.prompt.answered(1, sent: 10, at: ticks.now)
      #expect(isAwaited)
      let arrivals = resources.taskExecutor.arrivals
      _ = prepare(pair[0], pair[1], resources)
      resources.awaitAwake(1, pair[0], arrivals: arrivals) { ticks.next() }
      #expect(ticks.now <= 1_000_000 + 110_000)
      resources.prompt.heard(1, sent: 10, at: ticks.now)
      return [resources.prompt.score, resources.prompt.loss]
    }.get()
    try await group.shutdownGracefully()
    return result
  }

  @Test func `A wait in vain is over in time and costs`() async throws {
    #expect(try await wait { _, _, _ in } == [16 - 64 + 1, 128])
  }

  @Test func `A wait for octets that are there pays`() async throws {
    #expect(try await wait { _, theirs, _ in write(theirs, "x", 1) } == [16, 59])
  }

  @Test func `A peer that hung up ends the wait`() async throws {
    #expect(try await wait { _, theirs, _ in shutdown(theirs, CInt(SHUT_RDWR)) } == [16, 59])
  }

  @Test func `A task that comes to the loop ends the wait`() async throws {
    #expect(
      try await wait { _, _, resources in
        let executor = resources.taskExecutor
        Task(executorPreference: executor) {}
      } == [16, 64])
  }

  @Test func `Another peer in the meantime leaves nothing to wait for`() async throws {
    let after = try await wait { _, _, resources in resources.prompt.seen(2) }
    #expect(after == [0, 64])
  }
}
