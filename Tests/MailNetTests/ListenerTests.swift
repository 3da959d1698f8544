import Foundation
import NIOCore
import NIOPosix
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct ListenerTests {
  @Test func `One connection too many from an address hears a line and is closed`() async throws {
    try await withServer(limits: ConnectionLimits(total: 100, perAddress: 2)) { server in
      let first = try await server.greetedClient()
      let second = try await server.greetedClient()
      let third = try await server.client()
      #expect(await third.rest() == "full\r\n")
      first.close()
      while server.listener.connectionCount > 1 { await Task.yield() }
      let fourth = try await server.greetedClient()
      try await second.send("echo still here\r\n")
      #expect(try await second.line() == "still here")
      fourth.close()
    }
  }

  @Test func `The limit in total counts all listeners that share a limiter`() async throws {
    let limiter = ConnectionLimiter(ConnectionLimits(total: 2, perAddress: 100))
    let log = ToyLog()
    let listeners = (0..<2).map { number in
      Listener(
        settings: ListenerSettings(
          name: "toy\(number)", address: .tcp(host: "127.0.0.1", port: 0), implicitTLS: false,
          refusalLine: "full\r\n"),
        tls: nil, group: MultiThreadedEventLoopGroup.singleton, limiter: limiter,
        makeSession: { ToySession($0, log: log, gate: Gate()) }, logger: .silent)
    }
    var clients: [TestClient] = []
    for listener in listeners {
      try await listener.bind()
      let client = try await TestClient.connect(to: try #require(listener.boundAddress))
      #expect(try await client.line() == "hello")
      clients.append(client)
    }
    for listener in listeners {
      let client = try await TestClient.connect(to: try #require(listener.boundAddress))
      #expect(await client.rest() == "full\r\n")
    }
    #expect(limiter.total == 2)
    for listener in listeners { await listener.shutdown(grace: .zero) }
    #expect(limiter.total == 0)
  }

  @Test func `A refused connection with implicit TLS hears nothing`() async throws {
    let certificates = try TestCertificates()
    try await withServer(
      tls: try certificates.contexts(), implicitTLS: true, limits: ConnectionLimits(total: 0, perAddress: 0)
    ) { server in
      let client = try await server.client()
      #expect(await client.rest() == "")
    }
  }

  @Test func `Shutdown asks every session to take leave and waits for the last`() async throws {
    try await withServer { server in
      let address = try #require(server.listener.boundAddress)
      let running = Task { try await server.listener.run() }
      let clients = [try await server.greetedClient(), try await server.greetedClient()]
      server.listener.beginShutdown(grace: .minutes(1))
      for client in clients {
        #expect(await client.rest() == "going down\r\n")
        client.close()
      }
      try await running.value
      #expect(server.log.now.closed == [.local, .local])
      #expect(server.listener.connectionCount == 0)
      await #expect(throws: (any Error).self) { _ = try await TestClient.connect(to: address) }
    }
  }

  @Test func `A session that doesn't go is closed when the grace is over`() async throws {
    let (log, gate) = (ToyLog(), Gate())
    let listener = Listener(
      settings: ListenerSettings(
        name: "stubborn", address: .tcp(host: "127.0.0.1", port: 0), implicitTLS: false, refusalLine: ""),
      tls: nil, group: MultiThreadedEventLoopGroup.singleton,
      makeSession: { Stubborn(ToySession($0, log: log, gate: gate)) }, logger: .silent)
    try await listener.bind()
    let client = try await TestClient.connect(to: try #require(listener.boundAddress))
    #expect(try await client.line() == "hello")
    await listener.shutdown(grace: .milliseconds(50))
    #expect(await client.rest() == "")
    await log.until { $0.closed == [.local] }
  }

  @Test func `Cancelling the task that runs a listener shuts it down`() async throws {
    try await withServer { server in
      let running = Task { try await server.listener.run() }
      let client = try await server.greetedClient()
      running.cancel()
      try await running.value
      _ = await client.rest()
      #expect(server.listener.connectionCount == 0)
    }
  }

  @Test func `A listener shut down before it starts doesn't start`() async throws {
    let listener = Listener(
      settings: ListenerSettings(
        name: "early", address: .tcp(host: "127.0.0.1", port: 0), implicitTLS: false, refusalLine: ""),
      tls: nil, group: MultiThreadedEventLoopGroup.singleton,
      makeSession: { ToySession($0, log: ToyLog(), gate: Gate()) }, logger: .silent)
    await listener.shutdown(grace: .minutes(1))
    await #expect(throws: ListenerError.shutDown("early")) { try await listener.run() }
    #expect(listener.boundAddress == nil)
  }

  @Test func `A unix socket has its mode and goes with the listener`() async throws {
    let folder = try Folder()
    let path = folder.path("lmtp.sock")
    try await withServer(
      limits: ConnectionLimits(total: 10, perAddress: 0), address: .unix(path: path, mode: 0o620)
    ) { server in
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o620)
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      #expect(connection.peer.isUnixSocket)
      #expect(connection.peer.description == "unix")
      client.close()
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func `A socket left over by a dead server is replaced, a living one is not`() async throws {
    let folder = try Folder()
    let path = folder.path("lmtp.sock")
    // A server that dies leaves its file behind.
    let dead = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(unixDomainSocketPath: path).get()
    try FileManager.default.moveItem(atPath: path, toPath: path + ".kept")
    try await dead.close()
    try FileManager.default.moveItem(atPath: path + ".kept", toPath: path)
    try await withServer(address: .unix(path: path, mode: 0o600)) { server in
      _ = try await server.greetedClient()
      await #expect(throws: (any Error).self) {
        try await withServer(address: .unix(path: path, mode: 0o600)) { _ in }
      }
      _ = try await server.greetedClient()
    }
  }

  @Test func `A file that isn't a socket is left alone`() async throws {
    let folder = try Folder()
    let path = folder.path("precious")
    try Data("mail".utf8).write(to: URL(fileURLWithPath: path))
    await #expect(throws: IOError.self) {
      try await withServer(address: .unix(path: path, mode: 0o600)) { _ in }
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "mail")
  }

  @Test func `A port in use is an error`() async throws {
    try await withServer { server in
      let port = try #require(server.listener.boundAddress?.port)
      await #expect(throws: (any Error).self) {
        try await withServer(address: .tcp(host: "127.0.0.1", port: port)) { _ in }
      }
    }
  }

  @Test func `Running out of file descriptors is no end of accepting`() async throws {
    let (logger, lines) = KeepingLog.make()
    try await withServer(logger: logger) { server in
      // The kernel's error, as NIO hands it to the pipeline of the listening socket.
      for _ in 0..<3 {
        await server.listener.simulateAcceptError(IOError(errnoCode: EMFILE, reason: "accept"))
      }
      #expect(lines.all.count { $0.contains("cannot accept connections") } == 1)
      _ = try await server.greetedClient()
      #expect(lines.all.count { $0.contains("accepting connections again") } == 1)
    }
  }
}

/// Hears of the shutdown and does nothing.
private final class Stubborn: ConnectionSession {
  let inner: ToySession
  init(_ inner: ToySession) { self.inner = inner }
  func opened() { inner.opened() }
  func received(_ buffer: inout ByteBuffer) { inner.received(&buffer) }
  func deadlineReached() {}
  func shutdownRequested() {}
  func closed(_ why: CloseReason) { inner.closed(why) }
}

private final class Folder {
  let url: URL
  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("mn-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: url) }
  func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}
