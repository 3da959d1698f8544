import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct ConnectionTests {
  @Test func `A session greets and answers line by line`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("echo one\r\necho two\r\n")
      #expect(try await client.line() == "one")
      #expect(try await client.line() == "two")
      try await client.send("ec")
      try await client.send("ho th")
      try await client.send("ree\r\n")
      #expect(try await client.line() == "three")
      client.close()
      await server.log.until { $0.closed == [.peerClosed] }
      #expect(server.log.now.offLoop == 0)
    }
  }

  @Test func `A burst of commands is answered by one write`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      let counter = WriteCounter()
      try await connection.eventLoop.submit {
        try connection.context?.pipeline.syncOperations.addHandler(counter, position: .first)
      }.get()
      let commands = (0..<40).map { "echo \($0)\r\n" }.joined()
      try await client.send(commands)
      for number in 0..<40 { #expect(try await client.line() == "\(number)") }
      #expect(counter.flushes.withLock { $0 } == 1)
      #expect(server.log.now.bursts == 1)
    }
  }

  @Test func `Octets are counted both ways`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("echo 12345\r\n")
      #expect(try await client.line() == "12345")
      let connection = try #require(server.log.now.connections.first)
      let counts = try await connection.eventLoop.submit { [connection.bytesIn, connection.bytesOut] }.get()
      #expect(counts == [12, 14])
    }
  }

  @Test func `Commands sent before the peer's FIN still get their answers`() async throws {
    try await withServer { server in
      let client = try await server.client()
      try await client.send("echo a\r\necho b\r\nquit\r\n")
      try await client.endOutput()
      #expect(await client.rest() == "hello\r\na\r\nb\r\nbye\r\n")
      await server.log.until { $0.closed == [.local] }
    }
  }

  @Test func `A FIN without goodbye ends the connection after the last answer`() async throws {
    try await withServer { server in
      let client = try await server.client()
      try await client.send("echo a\r\nunfinished")
      try await client.endOutput()
      #expect(await client.rest() == "hello\r\na\r\n")
      await server.log.until { $0.closed == [.peerClosed] }
    }
  }

  @Test func `A FIN behind a running command waits for its answer and for those behind it`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("wait\r\necho after\r\n")
      try await client.endOutput()
      let connection = try #require(server.log.now.connections.first)
      while try await connection.eventLoop.submit({ !connection.inputEnded }).get() { await Task.yield() }
      server.gate.open()
      #expect(await client.rest() == "waited\r\nafter\r\n")
      await server.log.until { $0.closed == [.peerClosed] }
    }
  }

  @Test func `A paused session gets nothing until it resumes`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("wait\r\necho behind\r\n")
      let connection = try #require(server.log.now.connections.first)
      while try await connection.eventLoop.submit({ connection.inbound.readableBytes == 0 }).get() {
        await Task.yield()
      }
      let deliveries = server.log.now.deliveries
      try await client.send("echo more\r\n")
      while try await connection.eventLoop.submit({ connection.inbound.readableBytes < 24 }).get() {
        await Task.yield()
      }
      #expect(server.log.now.deliveries == deliveries)
      server.gate.open()
      #expect(try await client.line() == "waited")
      #expect(try await client.line() == "behind")
      #expect(try await client.line() == "more")
    }
  }

  @Test func `Pausing and resuming within one turn goes on with what is left`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("again\r\nagain\r\necho x\r\n")
      #expect(try await client.line() == "again")
      #expect(try await client.line() == "again")
      #expect(try await client.line() == "x")
    }
  }

  @Test func `A deadline fires once, and not after it was removed`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("deadline\r\nnodeadline\r\necho still here\r\n")
      #expect(try await client.line() == "still here")
      try await client.send("deadline\r\n")
      #expect(await client.rest() == "too late\r\n")
      await server.log.until { $0.closed == [.local] }
    }
  }

  @Test func `A later deadline doesn't wait for the earlier callback to be cancelled`() async throws {
    try await withServer { server in
      _ = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      let armed = try await connection.eventLoop.submit {
        connection.setDeadline(.minutes(10))
        let first = connection.timer.armedFor
        connection.setDeadline(.minutes(30))
        let second = connection.timer.armedFor
        connection.setDeadline(.minutes(1))
        return [first, second, connection.timer.armedFor]
      }.get()
      #expect(armed[0] == armed[1])
      let (early, late) = (try #require(armed[2]), try #require(armed[1]))
      #expect(early < late)
    }
  }

  @Test func `What a session says last arrives although its client is still sending`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("quit\r\n" + String(repeating: "x", count: 300_000))
      #expect(await client.rest() == "bye\r\n")
      // A socket closed on unread bytes would have reset the connection.
      #expect(client.failure == nil)
      client.close()
    }
  }

  @Test func `Octets that a session never consumes close the connection`() async throws {
    try await withServer(change: { $0.maxBuffered = 10_000 }) { server in
      let client = try await server.greetedClient()
      try? await client.send(String(repeating: "x", count: 200_000))
      await server.log.until { $0.closed.count == 1 }
      guard case .error(let text) = try #require(server.log.now.closed.first) else {
        Issue.record("not an error")
        return
      }
      #expect(text.contains("unconsumed"))
      #expect(server.log.now.highestWaiting <= 10_000 + NetLimits.largestRead)
    }
  }

  @Test func `An idle connection keeps no buffers`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let text = String(repeating: "y", count: 20_000)
      try await client.send("echo \(text)\r\n")
      #expect(try await client.line() == text)
      try await client.send("begun")
      let connection = try #require(server.log.now.connections.first)
      while try await connection.eventLoop.submit({ connection.inbound.readableBytes != 5 }).get() {
        await Task.yield()
      }
      let kept = try await connection.eventLoop.submit {
        [connection.out.storageCapacity, connection.inbound.storageCapacity]
      }.get()
      #expect(kept[0] == 0)
      #expect(kept[1] <= 64)
    }
  }

  @Test func `Nor does one that was told something unasked`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      let kept = try await connection.eventLoop.submit {
        connection.out.writeString("news\r\n")
        connection.push()
        return connection.out.storageCapacity
      }.get()
      #expect(kept == 0)
      #expect(try await client.line() == "news")
    }
  }

  @Test func `Closing twice tells the session once`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      connection.eventLoop.execute {
        connection.close()
        connection.close()
      }
      #expect(await client.rest() == "")
      client.close()
      while server.listener.connectionCount > 0 { await Task.yield() }
      await server.log.until { !$0.closed.isEmpty }
      #expect(server.log.now.closed == [.local])
    }
  }

  #if DEBUG
    @Test func `Touching a connection off its loop stops a debug build`() async {
      await #expect(processExitsWith: .failure) {
        let core = ListenerCore(
          settings: ListenerSettings(
            name: "toy", address: .tcp(host: "127.0.0.1", port: 0), implicitTLS: false, refusalLine: ""),
          tls: nil, limiter: ConnectionLimiter(.init()), group: MultiThreadedEventLoopGroup.singleton,
          logger: .silent, makeSession: { ToySession($0, log: ToyLog(), gate: Gate()) })
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        Connection(core: core, peer: .unixSocket, eventLoop: loop).pauseReading()
      }
    }
  #endif
}

private final class WriteCounter: ChannelOutboundHandler, Sendable {
  typealias OutboundIn = ByteBuffer
  let flushes = Mutex(0)
  func flush(context: ChannelHandlerContext) {
    flushes.withLock { $0 += 1 }
    context.flush()
  }
}
