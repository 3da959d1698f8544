import NIOCore
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct BackpressureTests {
  private static let amount = 64 << 20

  @Test func `A slow reader stops its session, and memory stays bounded`() async throws {
    try await withServer { server in
      let client = try await server.client(autoRead: false, receiveBuffer: 64 << 10)
      try await client.send("flood \(Self.amount)\r\n")
      await server.log.until { $0.waits > 0 }
      // Nobody reads: what has been produced is what the kernel holds, and our high-water mark.
      #expect(server.log.now.highestWaiting <= NetLimits.outgoingHighWater + (64 << 10))
      try await client.channel.setOption(.autoRead, value: true).get()
      #expect(try await client.line() == "hello")
      var left = Self.amount
      while left > 0 {
        let count = min(left, 1 << 20)
        _ = try await client.read(count)
        left -= count
      }
      #expect(try await client.line() == "done")
      #expect(server.log.now.highestWaiting <= NetLimits.outgoingHighWater + (64 << 10))
      #expect(server.log.now.offLoop == 0)
    }
  }

  @Test func `A peer that takes nothing is disconnected, and its session's wait ends`() async throws {
    try await withServer(change: { $0.writeTimeout = .milliseconds(200) }) { server in
      let client = try await server.client(autoRead: false, receiveBuffer: 64 << 10)
      try await client.send("flood \(Self.amount)\r\n")
      await server.log.until { $0.closed == [.writeTimeout] && $0.writableThrew == 1 }
      client.close()
    }
  }

  @Test func `A peer that vanishes ends its session's wait for room`() async throws {
    try await withServer { server in
      let client = try await server.client(autoRead: false, receiveBuffer: 64 << 10)
      try await client.send("flood \(Self.amount)\r\n")
      await server.log.until { $0.waits > 0 }
      client.close()
      await server.log.until { $0.closed.count == 1 && $0.writableThrew == 1 }
    }
  }

  @Test func `A paused session's socket is left unread`() async throws {
    try await withServer(change: { $0.maxBuffered = 64 << 20 }) { server in
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      let line = "echo \(String(repeating: "z", count: 1000))\r\n"
      let sent = client.channel.eventLoop.makePromise(of: Void.self)
      client.channel.writeAndFlush(
        ByteBuffer(string: "wait\r\n" + String(repeating: line, count: 5000)), promise: sent)
      while try await connection.eventLoop.submit({ !connection.flags.contains(.autoReadOff) }).get() {
        await Task.yield()
      }
      let waiting = try await connection.eventLoop.submit { connection.inbound.readableBytes }.get()
      #expect(waiting <= NetLimits.pausedInput + 8 * NetLimits.largestRead)
      server.gate.open()
      #expect(try await client.line() == "waited")
      for _ in 0..<5000 { #expect(try await client.line().utf8.count == 1000) }
      try await sent.futureResult.get()
    }
  }

  @Test func `Closing sends all that waits, however slowly it is read`() async throws {
    try await withServer { server in
      let client = try await server.client(autoRead: false, receiveBuffer: 64 << 10)
      let connection = try await {
        await server.log.until { $0.connections.count == 1 }
        return try #require(server.log.now.connections.first)
      }()
      try await connection.eventLoop.submit {
        connection.out.writeRepeatingByte(0x61, count: 16 << 20)
        connection.close()
      }.get()
      try await client.channel.setOption(.autoRead, value: true).get()
      #expect(await client.rest().utf8.count == "hello\r\n".utf8.count + (16 << 20))
      await server.log.until { $0.closed == [.local] }
    }
  }

  @Test func `A peer that has ended its side still gets all that waits`() async throws {
    try await withServer { server in
      let client = try await server.client(autoRead: false, receiveBuffer: 64 << 10)
      await server.log.until { $0.connections.count == 1 }
      let connection = try #require(server.log.now.connections.first)
      try await connection.eventLoop.submit {
        connection.out.writeRepeatingByte(0x61, count: 16 << 20)
        connection.flush()
      }.get()
      try await client.endOutput()
      while try await connection.eventLoop.submit({ !connection.isClosing }).get() { await Task.yield() }
      try await client.channel.setOption(.autoRead, value: true).get()
      #expect(await client.rest().utf8.count == "hello\r\n".utf8.count + (16 << 20))
      await server.log.until { $0.closed == [.peerClosed] }
    }
  }
}
