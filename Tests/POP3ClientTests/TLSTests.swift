import MailClient
import MailNet
import MailTestKit
import NIOPosix
import Testing

@testable import POP3Client

private func connectByTLS(_ port: Int, trust: TransportSecurity.Trust = .system) async throws -> POP3Client {
  try await POP3Client.connect(
    to: remote(port, encryption: .startTLS, trust: trust), group: MultiThreadedEventLoopGroup.singleton,
    timeouts: ClientTimeouts())
}

@Suite(.timeLimit(.minutes(1))) struct TLSTests {
  @Test("STLS comes first, and CAPA is believed behind it alone")
  func upgrade() async throws {
    let certificate = try Certificate()
    defer { certificate.remove() }
    let context = certificate.context
    try await withServer { peer in
      try await peer.send("+OK\r\n")
      try await peer.expect("STLS")
      try await peer.startTLS(context, saying: "+OK begin\r\n")
      try await peer.expect("CAPA")
      try await peer.send("+OK\r\nUSER\r\nPIPELINING\r\n.\r\n")
      try await peer.expect("QUIT")
      try await peer.send("+OK\r\n")
    } _: { port in
      let client = try await connectByTLS(port, trust: .authorities(file: certificate.file))
      #expect(client.capabilities.pipelining)
      #expect(client.connection.tlsVersion != nil)
      try await client.quit()
    }
  }

  @Test("A server without STLS is refused, and nothing more said")
  func missing() async throws {
    for (answer, expected) in [
      ("-ERR unknown command\r\n", .unsupported("STLS")),
      ("-ERR [SYS/TEMP] later\r\n", .refused(command: "STLS", code: "SYS/TEMP", text: "later")),
    ] as [(String, ClientError.Kind)] {
      try await withServer { peer in
        try await peer.send("+OK\r\n")
        try await peer.expect("STLS")
        try await peer.send(answer)
        #expect(await peer.endsSilently())
      } _: { port in
        #expect(await kind { _ = try await connectByTLS(port) } == expected)
      }
    }
  }

  @Test("Bytes behind the answer to STLS end the session: they were put there by somebody in the line")
  func injection() async throws {
    try await withServer { peer in
      try await peer.send("+OK\r\n")
      try await peer.expect("STLS")
      try await peer.send("+OK begin\r\n+OK\r\nUSER\r\n.\r\n")
      #expect(await peer.endsSilently())
    } _: { port in
      let why = await kind { _ = try await connectByTLS(port) }
      #expect(why == .protocolViolation("bytes in the clear behind the answer to STLS"))
    }
  }
}
