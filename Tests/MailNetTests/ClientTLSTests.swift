import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct ClientTLSTests {
  let certificates: TestCertificates

  init() throws { certificates = try TestCertificates() }

  /// Connects to a server that says hello inside TLS.
  private func hello(
    _ files: CertificateFiles, trust: TransportSecurity.Trust, host: String = "127.0.0.1",
    change: (inout TLSConfiguration) -> Void = { _ in }, check: (ClientConnection) async throws -> Void
  ) async throws {
    try await RawServer.run(tls: try certificates.server(files, change)) { peer in
      try await peer.send("hello\r\n")
      _ = await peer.rest()
    } _: { server in
      let connection = try await server.connect(.implicit, trust: trust, host: host)
      #expect(try await connection.read(until: "\n") == "hello\r\n")
      try await check(connection)
    }
  }

  /// Why TLS failed.
  private func problem(
    _ files: CertificateFiles, trust: TransportSecurity.Trust, host: String = "127.0.0.1",
    change: (inout TLSConfiguration) -> Void = { _ in }
  ) async throws -> String {
    let error = await #expect(throws: ClientError.self) {
      try await hello(files, trust: trust, host: host, change: change) { _ in }
    }
    guard case .tls(let why) = error?.kind else { throw Unexpected(error) }
    return why
  }

  private func hex(_ files: CertificateFiles) throws -> String {
    guard case .fingerprint(let bytes) = try certificates.fingerprint(files) else { return "" }
    return Fingerprint.hex(bytes)
  }

  @Test func `An authority from a file is trusted for the names in the certificate`() async throws {
    let files = try certificates.signed(names: ["DNS:localhost", "IP:127.0.0.1"], file: "a")
    let pinned = try certificates.fingerprint(files)
    for host in ["localhost", "127.0.0.1", "LOCALHOST"] {
      try await hello(files, trust: .authorities(file: files.chain), host: host) { connection in
        #expect(connection.tlsVersion == "TLSv1.3")
        let seen = connection.peerFingerprint.map { TransportSecurity.Trust.fingerprint($0) }
        #expect(pinned == seen)
        #expect(connection.counters.wireReceived > connection.counters.received)
      }
    }
    try await hello(files, trust: .authorities(file: files.chain), change: { $0.maximumTLSVersion = .tlsv12 }) {
      connection in #expect(connection.tlsVersion == "TLSv1.2")
    }
  }

  @Test func `Another name is refused, and says how to go on`() async throws {
    let files = try certificates.signed(names: ["DNS:mail.example.org"], file: "a")
    for host in ["localhost", "127.0.0.1"] {
      let why = try await problem(files, trust: .authorities(file: files.chain), host: host)
      #expect(why.contains("another name (mail.example.org)"))
      #expect(why.contains("--fingerprint \(try hex(files))"))
    }
    // A name that looks like an address is none: the certificate must hold the address itself.
    let dns = try certificates.signed(names: ["DNS:127.0.0.1"], file: "b")
    _ = try await problem(dns, trust: .authorities(file: dns.chain))
  }

  @Test func `A certificate that signs itself is refused by the machine's authorities`() async throws {
    let files = try certificates.signed(names: ["DNS:localhost"], file: "a")
    let why = try await problem(files, trust: .system, host: "localhost")
    #expect(why.contains("no authority that this machine knows"))
    #expect(why.contains("its fingerprint is \(try hex(files)); if you trust it: --fingerprint \(try hex(files))"))
  }

  @Test func `Another authority's certificate is refused`() async throws {
    let files = try certificates.signed(names: ["IP:127.0.0.1"], file: "a")
    let other = try certificates.signed(names: ["IP:127.0.0.1"], file: "b")
    #expect(try await problem(files, trust: .authorities(file: other.chain)).contains("none of the authorities"))
  }

  @Test func `An expired certificate is called that`() async throws {
    let files = try certificates.signed(names: ["IP:127.0.0.1"], days: -1, file: "a")
    let why = try await problem(files, trust: .authorities(file: files.chain))
    #expect(why.contains("expired on 20"))
    #expect(why.contains("--fingerprint \(try hex(files))"))
  }

  @Test func `A pinned certificate counts whatever its name and dates`() async throws {
    let files = try certificates.signed(names: ["DNS:other.test"], days: -1, file: "a")
    for host in ["localhost", "127.0.0.1"] {
      try await hello(files, trust: try certificates.fingerprint(files), host: host) { _ in }
    }
  }

  @Test func `Any other certificate than the pinned one is refused, however good`() async throws {
    let files = try certificates.signed(names: ["IP:127.0.0.1"], file: "a")
    let pinned = try certificates.signed(names: ["IP:127.0.0.1"], file: "b")
    let why = try await problem(files, trust: try certificates.fingerprint(pinned))
    #expect(why.contains("not the pinned one"))
    #expect(why.contains("its fingerprint is \(try hex(files)), wanted was \(try hex(pinned))"))
    #expect(try await problem(files, trust: .fingerprint([1, 2, 3])).contains("64 hexadecimal digits"))
    #expect(try await problem(files, trust: .fingerprint([])).contains("64 hexadecimal digits"))
  }

  @Test func `TLS 1_1 is not spoken`() async throws {
    let files = try certificates.signed(names: ["IP:127.0.0.1"], file: "a")
    let why = try await problem(
      files, trust: .authorities(file: files.chain),
      change: {
        $0.minimumTLSVersion = .tlsv1
        $0.maximumTLSVersion = .tlsv11
      })
    #expect(why.contains("no TLS 1.2"))
  }

  @Test func `A file without authorities is named`() async throws {
    let files = try certificates.signed(names: ["IP:127.0.0.1"], file: "a")
    #expect(try await problem(files, trust: .authorities(file: "/nonexistent.pem")).contains("/nonexistent.pem"))
    #expect(try await problem(files, trust: .authorities(file: files.key)).contains(files.key))
  }

  @Test func `A server that speaks no TLS is recognised`() async throws {
    try await RawServer.run { peer in
      try await peer.send("* OK this is plain IMAP\r\n")
      _ = await peer.rest()
    } _: { server in
      let error = await #expect(throws: ClientError.self) { try await server.connect(.implicit) }
      guard case .tls(let why) = error?.kind else { throw Unexpected(error) }
      #expect(why.contains("does not speak TLS on this port"))
    }
  }

  @Test func `A server that hangs up in the handshake, or says nothing, is not waited for`() async throws {
    try await RawServer.run {
      _ = try await $0.read(1)
    } _: { server in
      let error = await #expect(throws: ClientError.self) { try await server.connect(.implicit) }
      guard case .tls(let why) = error?.kind else { throw Unexpected(error) }
      #expect(why.contains("closed the connection"))
    }
    try await RawServer.run {
      _ = await $0.rest()
    } _: { server in
      var timeouts = ClientTimeouts()
      timeouts.connect = .milliseconds(50)
      await #expect(throws: ClientError(.timedOut(waitingFor: "the TLS handshake"), server: "\(server.address)")) {
        try await server.connect(.implicit, timeouts: timeouts)
      }
    }
  }

  @Test func `A protected line that somebody writes into ends`() async throws {
    let files = try certificates.signed(names: ["IP:127.0.0.1"], file: "a")
    try await RawServer.run(tls: try certificates.server(files)) { peer in
      try await peer.send("hello\r\n")
      _ = try await peer.line()
      try await peer.channel.eventLoop.submit {
        let tls = try peer.channel.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        tls.writeAndFlush(NIOAny(ByteBuffer(string: "* 1 FETCH (injected below TLS)\r\n")), promise: nil)
      }.get()
      _ = await peer.rest()
    } _: { server in
      let connection = try await server.connect(.implicit, trust: .authorities(file: files.chain))
      #expect(try await connection.read(until: "\n") == "hello\r\n")
      try await connection.send("go on\r\n")
      let error = await #expect(throws: ClientError.self) { try await connection.receive() }
      guard case .tls = error?.kind else { throw Unexpected(error) }
    }
  }

  // MARK: Names and STARTTLS, against our own server

  private func withToy(
    implicitTLS: Bool, _ body: (TestServer, Int, TransportSecurity.Trust) async throws -> Void
  ) async throws {
    let files = try certificates.signed(names: ["DNS:localhost", "IP:127.0.0.1"], file: "toy")
    let contexts = try TLSContexts(TLSSettings(certificate: files, minimum: .tls12), logger: .silent)
    try await withServer(tls: contexts, implicitTLS: implicitTLS) { server in
      try await body(server, try #require(server.listener.boundAddress?.port), .authorities(file: files.chain))
    }
  }

  private func connect(
    _ host: String, _ port: Int, _ encryption: TransportSecurity.Encryption, _ trust: TransportSecurity.Trust
  ) async throws -> ClientConnection {
    try await .connect(
      to: .host(host, port: port), security: .test(encryption, trust),
      group: MultiThreadedEventLoopGroup.singleton, timeouts: .init())
  }

  @Test func `The server hears the name it is asked by, and no address`() async throws {
    try await withToy(implicitTLS: true) { server, port, trust in
      for (host, heard) in [("localhost", "localhost"), ("127.0.0.1", nil)] as [(String, String?)] {
        let connection = try await connect(host, port, .implicit, trust)
        #expect(try await connection.read(until: "\n") == "hello\r\n")
        #expect(server.log.now.serverNames.last == heard)
        await connection.close()
      }
    }
  }

  @Test func `STARTTLS goes on inside TLS`() async throws {
    try await withToy(implicitTLS: false) { server, port, trust in
      let connection = try await connect("localhost", port, .startTLS, trust)
      #expect(try await connection.read(until: "\n") == "hello\r\n")
      #expect(connection.tlsVersion == nil)
      try await connection.send("starttls\r\n")
      #expect(try await connection.read(until: "\n") == "go\r\n")
      try await connection.startTLS()
      #expect(connection.tlsVersion == "TLSv1.3")
      #expect(connection.peerFingerprint?.count == 32)
      try await connection.send("echo inside\r\n")
      #expect(try await connection.read(until: "\n") == "inside\r\n")
      #expect(server.log.now.tlsStarted == 1)
    }
  }

  @Test func `STARTTLS with a certificate that isn't trusted ends the connection`() async throws {
    try await withToy(implicitTLS: false) { _, port, _ in
      let connection = try await connect("localhost", port, .startTLS, .system)
      #expect(try await connection.read(until: "\n") == "hello\r\n")
      try await connection.send("starttls\r\n")
      #expect(try await connection.read(until: "\n") == "go\r\n")
      await #expect(throws: ClientError.self) { try await connection.startTLS() }
      await #expect(throws: ClientError.self) { try await connection.send("password\r\n") }
      await #expect(throws: ClientError.self) { try await connection.receive() }
    }
  }

  @Test func `Bytes in the clear behind the answer to STARTTLS end the connection`() async throws {
    try await RawServer.run { peer in
      _ = try await peer.line()
      try await peer.send("OK\r\n")
      _ = try await peer.line()
      try await peer.send("* CAPABILITY AUTH=PLAIN\r\n")
      _ = await peer.rest()
    } _: { server in
      let connection = try await server.connect(.startTLS)
      try await connection.send("STARTTLS\r\n")
      #expect(try await connection.read(until: "\n") == "OK\r\n")
      // Lets the server go on, so that what it slips in comes alone.
      try await connection.send("\r\n")
      while connection.pipe.isInboxEmpty { await Task.yield() }
      let violation = ClientError.Kind.protocolViolation("bytes in the clear behind the answer to STARTTLS")
      await #expect(throws: ClientError(violation, server: "\(server.address)")) { try await connection.startTLS() }
      await #expect(throws: ClientError(violation, server: "\(server.address)")) { try await connection.send("x") }
    }
  }

  @Test func `Bytes in the clear in the middle of the handshake are no part of the session`() async throws {
    try await RawServer.run { peer in
      _ = try await peer.line()
      try await peer.send("OK\r\n")
      _ = try await peer.read(1)
      try await peer.send("* CAPABILITY AUTH=PLAIN\r\n")
      _ = await peer.rest()
    } _: { server in
      let connection = try await server.connect(.startTLS)
      try await connection.send("STARTTLS\r\n")
      #expect(try await connection.read(until: "\n") == "OK\r\n")
      let error = await #expect(throws: ClientError.self) { try await connection.startTLS() }
      guard case .tls = error?.kind else { throw Unexpected(error) }
    }
  }

  @Test func `Fingerprints are read as people write them`() {
    let plain = String(repeating: "0aB", count: 21) + "f"
    let colons = stride(from: 0, to: 64, by: 2).map { Array(plain)[$0...($0 + 1)] }.map { String($0) }
      .joined(separator: ":")
    #expect(TransportSecurity.Trust.fingerprint(hexadecimal: plain) != nil)
    #expect(TransportSecurity.Trust.fingerprint(hexadecimal: plain) == .fingerprint(hexadecimal: colons))
    for wrong in ["", "ab", plain + "0", String(plain.dropLast()), String(repeating: "+1", count: 32)] {
      #expect(TransportSecurity.Trust.fingerprint(hexadecimal: wrong) == nil)
    }
  }
}
