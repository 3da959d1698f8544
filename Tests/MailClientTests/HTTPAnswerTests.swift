import MailNet
import NIOCore
import NIOPosix
import Testing

@testable import MailClient

@Suite(.timeLimit(.minutes(1)))
struct HTTPAnswerTests {
  /// Feeds it in pieces of each size; nil: more would be needed.
  private func read(_ text: String, step: Int, atEnd: Bool) throws -> (Int, String)? {
    var answer = HTTPAnswer()
    var rest = ByteBuffer(string: text)
    while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
      if try answer.feed(piece) { return (answer.status, String(buffer: answer.body)) }
    }
    return atEnd && answer.end() ? (answer.status, String(buffer: answer.body)) : nil
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
    ("HTTP/1.1 200 OK\r\ncontent-length:5\r\nConnection: keep-alive\r\n\r\nhello", 200, "hello"),
    ("HTTP/1.1 400\r\nContent-Length: 0\r\n\r\n", 400, ""),
    ("HTTP/1.0 200 OK\n\nuntil the end", 200, "until the end"),
    ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
    (
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n", 200,
      "hello world"
    ),
    (
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", 200,
      "0123456789"
    ),
  ])
  func `Bodies of all kinds, in pieces of all sizes`(text: String, status: Int, body: String) throws {
    for step in [1, 2, 3, 7, 1000] {
      let answer = try #require(try read(text, step: step, atEnd: true))
      #expect(answer.0 == status)
      #expect(answer.1 == body)
    }
  }

  @Test(arguments: [
    "SSH-2.0-x\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1_048_577),
    String(repeating: "x", count: 70_000), "HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 70_000),
    String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 5000),
  ])
  func `What is no answer, or has no bound, is refused`(text: String) {
    #expect(throws: HTTPAnswer.Problem.self) { _ = try read(text, step: 1000, atEnd: true) }
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
  ])
  func `An answer cut short is not whole`(text: String) throws {
    #expect(try read(text, step: 1000, atEnd: true) == nil)
  }

  @Test func `An answer need not wait for the end of the connection, and a cut one is an error`() async throws {
    var open = ScriptedHTTP.Answer.json(#"{"access_token":"t"}"#)
    open.ending = false
    try await withHTTP([
      open, .init(bytes: "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
      .init(bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{\"access_token\":\"t\"}\r\n0\r\n\r\n"),
    ]) { server in
      let endpoint = try OAuthEndpoint(
        url: server.url, trust: .system, group: MultiThreadedEventLoopGroup.singleton)
      #expect(try await endpoint.post([]).fields.access_token == "t")
      let error = await #expect(throws: ClientError.self) { _ = try await endpoint.post([]) }
      #expect(error?.kind == .protocolViolation("HTTP: the answer ends in the middle"))
      #expect(try await endpoint.post([("a", "b")]).fields.access_token == "t")
    }
  }

  @Test func `TLS is verified before anything is said`() async throws {
    let certificate = try TestCertificate()
    let answer = ScriptedHTTP.Answer.json(#"{"access_token":"t"}"#)
    try await withHTTP([answer], tls: try certificate.server()) { server in
      let url = "https://127.0.0.1:\(server.port)/"
      let group = MultiThreadedEventLoopGroup.singleton
      let open = try OAuthEndpoint(url: url, trust: .system, group: group)
      let error = await #expect(throws: ClientError.self) { _ = try await open.post([("client_secret", "geheim")]) }
      guard case .tls = error?.kind else { throw Unexpected(error) }
      #expect(server.requests.isEmpty)
      let trusting = try OAuthEndpoint(url: url, trust: .authorities(file: certificate.file), group: group)
      #expect(try await trusting.post([("client_secret", "geheim")]).fields.access_token == "t")
      #expect(server.requests.count == 1)
    }
  }

  /// An address of this machine that others can reach, so that a line to it counts as open.
  private static let outerAddress: String? = try? System.enumerateDevices().lazy
    .compactMap { device -> String? in
      guard case .v4? = device.address, let ip = device.address?.ipAddress, !ip.hasPrefix("127.") else { return nil }
      return ip
    }.first

  @Test(.enabled(if: outerAddress != nil))
  func `Without TLS secrets go to this machine only`() async throws {
    let host = try #require(Self.outerAddress)
    try await withHTTP([.json("{}")], host: "0.0.0.0") { server in
      let endpoint = try OAuthEndpoint(
        url: "http://\(host):\(server.port)/", trust: .system, group: MultiThreadedEventLoopGroup.singleton)
      let error = await #expect(throws: ClientError.self) { _ = try await endpoint.post([("client_secret", "geheim")]) }
      #expect(error?.kind == .cleartextRefused)
      #expect(server.requests.isEmpty)
    }
  }
}
