import Foundation
import NIOCore
import NIOSSL
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct TLSTests {
  let certificates: TestCertificates

  init() throws { certificates = try TestCertificates() }

  @Test func `With implicit TLS the greeting comes after the handshake`() async throws {
    try await withServer(tls: try certificates.contexts(), implicitTLS: true) { server in
      let client = try await server.client()
      try await client.startTLS(host: "mail.example.org")
      #expect(try await client.line() == "hello")
      try await client.send("echo safe\r\n")
      #expect(try await client.line() == "safe")
      let connection = try #require(server.log.now.connections.first)
      let (tls, version) = try await connection.eventLoop.submit { (connection.isTLS, connection.tlsVersion) }.get()
      #expect(tls)
      #expect(version == "TLSv1.3")
      #expect(server.log.now.serverNames == ["mail.example.org"])
      #expect(server.log.now.tlsStarted == 0)
    }
  }

  @Test func `STARTTLS goes on inside TLS`() async throws {
    try await withServer(tls: try certificates.contexts()) { server in
      let client = try await server.greetedClient()
      try await client.send("starttls\r\n")
      #expect(try await client.line() == "go")
      try await client.startTLS(host: "mail.example.org")
      try await client.send("echo inside\r\n")
      #expect(try await client.line() == "inside")
      #expect(server.log.now.tlsStarted == 1)
      #expect(server.log.now.opened == 1)
      try await client.send("quit\r\n")
      #expect(try await client.line() == "bye")
      await server.log.until { $0.closed == [.local] }
      #expect(server.log.now.offLoop == 0)
    }
  }

  @Test(arguments: ["echo injected\r\n", "\r\n", "x"])
  func `Anything in the clear behind STARTTLS closes the connection`(injected: String) async throws {
    try await withServer(tls: try certificates.contexts()) { server in
      let client = try await server.greetedClient()
      try await client.send("starttls\r\n" + injected)
      #expect(await client.rest() == "")
      await server.log.until { $0.closed.count == 1 }
      #expect(server.log.now.closed == [.error("commands in the clear behind STARTTLS")])
      #expect(server.log.now.tlsStarted == 0)
    }
  }

  @Test func `Commands in the clear after the answer to STARTTLS never reach the session`() async throws {
    try await withServer(tls: try certificates.contexts()) { server in
      let client = try await server.greetedClient()
      try await client.send("starttls\r\n")
      #expect(try await client.line() == "go")
      let deliveries = server.log.now.deliveries
      try await client.send("echo injected\r\n")
      _ = await client.rest()
      await server.log.until { $0.closed.count == 1 }
      #expect(server.log.now.deliveries == deliveries)
    }
  }

  @Test func `The host name chooses the certificate`() async throws {
    let hosts = [
      HostCertificate(names: ["mail.one.test"], files: try certificates.make("one", file: "one")),
      HostCertificate(names: ["*.two.test", "two.test"], files: try certificates.make("two", file: "two")),
    ]
    try await withServer(tls: try certificates.contexts(hosts), implicitTLS: true) { server in
      for (host, name) in [
        ("mail.one.test", "one"), ("MAIL.ONE.TEST", "one"), ("other.one.test", "default.test"), ("a.two.test", "two"),
        ("two.test", "two"), ("a.b.two.test", "default.test"), (nil, "default.test"),
      ] as [(String?, String)] {
        let client = try await server.client()
        try await client.startTLS(host: host)
        #expect(try await client.line() == "hello")
        #expect(try await client.certificateName() == name, "\(host ?? "no name")")
        client.close()
      }
    }
  }

  @Test func `Changed files are loaded, for new connections only`() async throws {
    let contexts = try certificates.contexts()
    try await withServer(tls: contexts, implicitTLS: true) { server in
      let before = try await server.client()
      try await before.startTLS(host: nil)
      #expect(try await before.line() == "hello")
      #expect(contexts.reloadIfChanged() == 0)
      try certificates.make("renewed.test", file: "default")
      #expect(contexts.reloadIfChanged() == 1)
      let after = try await server.client()
      try await after.startTLS(host: nil)
      #expect(try await after.line() == "hello")
      #expect(try await after.certificateName() == "renewed.test")
      try await before.send("echo still\r\n")
      #expect(try await before.line() == "still")
    }
  }

  @Test func `Files that can't be used leave the old certificate in service and are named in the log`() async throws {
    let (logger, lines) = KeepingLog.make()
    let files = try certificates.make("good.test", file: "default")
    let contexts = try TLSContexts(TLSSettings(certificate: files, minimum: .tls12), logger: logger)
    let secret = try String(contentsOfFile: files.key, encoding: .utf8)
    // The certificate is new, the key not yet.
    let key = try Data(contentsOf: URL(fileURLWithPath: files.key))
    try certificates.make("new.test", file: "default")
    let newKey = try Data(contentsOf: URL(fileURLWithPath: files.key))
    try key.write(to: URL(fileURLWithPath: files.key))
    #expect(contexts.reloadIfChanged() == 0)
    try Data("rubbish".utf8).write(to: URL(fileURLWithPath: files.chain))
    #expect(contexts.reloadIfChanged() == 0)
    // Once is enough for the log.
    #expect(contexts.reloadIfChanged() == 0)
    #expect(lines.all.count == 2)
    #expect(lines.all[0].contains(files.key))
    #expect(lines.all[1].contains(files.chain))
    for line in secret.split(separator: "\n").dropFirst().dropLast() {
      #expect(!lines.all.contains { $0.contains(line) })
    }
    try await withServer(tls: contexts, implicitTLS: true) { server in
      let client = try await server.client()
      try await client.startTLS(host: nil)
      #expect(try await client.line() == "hello")
      #expect(try await client.certificateName() == "good.test")
    }
    try certificates.make("newest.test", file: "default")
    #expect(try Data(contentsOf: URL(fileURLWithPath: files.key)) != newKey)
    #expect(contexts.reloadIfChanged() == 1)
  }

  @Test func `Missing or mismatched files are refused at the start by name`() throws {
    let one = try certificates.make("one", file: "one")
    let two = try certificates.make("two", file: "two")
    let mismatched = CertificateFiles(chain: one.chain, key: two.key)
    let missing = CertificateFiles(chain: certificates.path("none.pem"), key: one.key)
    for (files, named) in [(mismatched, two.key), (missing, missing.chain)] {
      let error = #expect(throws: TLSFileError.self) {
        _ = try TLSContexts(TLSSettings(certificate: files, minimum: .tls12), logger: .silent)
      }
      #expect(error?.file == named)
    }
  }

  @Test func `TLS 1_1 is refused, TLS 1_2 is served`() async throws {
    try await withServer(tls: try certificates.contexts(), implicitTLS: true) { server in
      let old = try await server.client()
      try await old.startTLS(host: nil, maximum: .tlsv11)
      #expect(await old.rest() == "")
      #expect(server.log.now.opened == 0)
      let client = try await server.client()
      try await client.startTLS(host: nil, maximum: .tlsv12)
      #expect(try await client.line() == "hello")
    }
  }

  @Test func `A handshake that isn't finished in time is given up`() async throws {
    try await withServer(
      tls: try certificates.contexts(), implicitTLS: true, change: { $0.handshakeTimeout = .milliseconds(50) }
    ) { server in
      let client = try await server.client()
      #expect(await client.rest() == "")
      while server.listener.connectionCount > 0 { await Task.yield() }
      #expect(server.log.now.opened == 0)
    }
  }

  @Test func `Commands in the clear on a TLS port end the connection`() async throws {
    try await withServer(tls: try certificates.contexts(), implicitTLS: true) { server in
      let client = try await server.client()
      try await client.send("echo hello, is this TLS?\r\n")
      let heard = await client.rest()
      #expect(!heard.contains("hello"))
      while server.listener.connectionCount > 0 { await Task.yield() }
      #expect(server.log.now.opened == 0)
    }
  }

  @Test func `Commands before a close_notify still get their answers`() async throws {
    try await withServer(tls: try certificates.contexts(), implicitTLS: true) { server in
      let client = try await server.client()
      try await client.startTLS(host: nil)
      #expect(try await client.line() == "hello")
      try await client.send("echo a\r\necho b\r\n")
      try await client.endOutput()
      #expect(await client.rest() == "a\r\nb\r\n")
      await server.log.until { $0.closed == [.peerClosed] }
    }
  }

  @Test func `Without a certificate STARTTLS isn't there`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let connection = try #require(server.log.now.connections.first)
      #expect(try await connection.eventLoop.submit { connection.canStartTLS }.get() == false)
      try await client.send("starttls\r\necho in the clear\r\n")
      #expect(try await client.line() == "go")
      try await client.send("echo more\r\n")
      #expect(try await client.line() == "in the clear")
      #expect(server.log.now.tlsStarted == 0)
    }
  }

  @Test func `Implicit TLS without a certificate doesn't start`() async {
    await #expect(throws: ListenerError.noCertificate("toy")) {
      try await withServer(implicitTLS: true) { _ in }
    }
  }

  @Test func `A large answer comes whole through TLS with a slow reader`() async throws {
    try await withServer(tls: try certificates.contexts(), implicitTLS: true) { server in
      let client = try await server.client(receiveBuffer: 64 << 10)
      try await client.startTLS(host: nil)
      #expect(try await client.line() == "hello")
      try await client.send("flood \(8 << 20)\r\nquit\r\n")
      let bytes = try await client.read(8 << 20)
      #expect(bytes.readableBytes == 8 << 20)
      #expect(await client.rest() == "done\r\nbye\r\n")
    }
  }
}
