import MailNet
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailClient

@Suite(.timeLimit(.minutes(1)))
struct OAuthTests {
  private let group = MultiThreadedEventLoopGroup.singleton

  private func endpoint(_ server: ScriptedHTTP) throws -> OAuthEndpoint {
    try OAuthEndpoint(url: server.url, trust: .system, group: group)
  }

  /// A clock that tests move.
  private final class Clock: Sendable {
    private let time = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { time.withLock { $0 } }
    func advance(_ by: Duration) { time.withLock { $0 += by } }
  }

  // MARK: Refresh tokens

  @Test func `A refresh token gets an access token, which is kept until a minute before its end`() async throws {
    try await withHTTP([
      .json(#"{"access_token":"one","token_type":"Bearer","expires_in":3600}"#),
      .json(#"{"access_token":"two","token_type":"Bearer","expires_in":"3600"}"#),
      .json(#"{"access_token":"three","token_type":"Bearer"}"#),
    ]) { server in
      let clock = Clock()
      let source = RefreshTokenSource(
        endpoint: try endpoint(server),
        client: OAuthClient(id: "an id&more", secret: .value("s e=c"), scope: "https://mail.example/"),
        refreshToken: .value("refresh/1"), now: { clock.now })
      #expect(try await source.accessToken() == "one")
      #expect(try await source.accessToken() == "one")
      clock.advance(.seconds(3600 - 61))
      #expect(try await source.accessToken() == "one")
      clock.advance(.seconds(2))
      #expect(try await source.accessToken() == "two")
      await source.invalidate()
      #expect(try await source.accessToken() == "three")
      #expect(server.requests.count == 3)
      #expect(server.requests[0].hasPrefix("POST /token HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\n"))
      #expect(
        server.form(0) == [
          "grant_type": "refresh_token", "client_id": "an%20id%26more", "client_secret": "s%20e%3Dc",
          "refresh_token": "refresh%2F1", "scope": "https%3A%2F%2Fmail.example%2F",
        ])
    }
  }

  @Test func `A new refresh token replaces the old one`() async throws {
    try await withHTTP([
      .json(#"{"access_token":"one","expires_in":10,"refresh_token":"new"}"#),
      .json(#"{"access_token":"two","expires_in":10,"refresh_token":"new"}"#),
    ]) { server in
      let told = Mutex<[String]>([])
      let source = RefreshTokenSource(
        endpoint: try endpoint(server), client: OAuthClient(id: "x"), refreshToken: .value("old"),
        refreshTokenChanged: { token in told.withLock { $0.append(token) } })
      // Ten seconds are less than the margin: none is kept.
      #expect(try await source.accessToken() == "one")
      #expect(try await source.accessToken() == "two")
      #expect(server.form(0)["refresh_token"] == "old")
      #expect(server.form(1)["refresh_token"] == "new")
      #expect(told.withLock { $0 } == ["new"])
    }
  }

  @Test func `Who asks at the same time gets the same token by one request`() async throws {
    try await withHTTP([.json(#"{"access_token":"one","expires_in":3600}"#)]) { server in
      let source = RefreshTokenSource(
        endpoint: try endpoint(server), client: OAuthClient(id: "x"), refreshToken: .value("r"))
      try await withThrowingTaskGroup(of: String.self) { group in
        for _ in 0..<20 { group.addTask { try await source.accessToken() } }
        for try await token in group { #expect(token == "one") }
      }
      #expect(server.requests.count == 1)
    }
  }

  @Test func `Refusals say what to do, and hold no secret`() async throws {
    try await withHTTP([
      .json(
        #"{"error":"invalid_grant","error_description":"Token has been\u001b revoked"}"#, status: "400 Bad Request"),
      .json(#"{"error":"invalid_client"}"#, status: "401 Unauthorized"),
      .json("{}"), .json("<html>", status: "404 Not Found"), .json("", status: "503 Busy"),
      .json("", status: "302 Found"),
    ]) { server in
      let source = RefreshTokenSource(
        endpoint: try endpoint(server), client: OAuthClient(id: "x", secret: .value("geheim77")),
        refreshToken: .value("geheim78"))
      var kinds: [ClientError.Kind] = []
      for _ in 0..<6 {
        let error = await #expect(throws: ClientError.self) { try await source.accessToken() }
        #expect(error?.description.contains("geheim7") == false)
        kinds += [error?.kind].compactMap(\.self)
      }
      #expect(
        kinds == [
          .authenticationFailed(
            "invalid_grant: Token has been revoked; sign in again to get a new refresh token"),
          .refused(command: "the token request", code: nil, text: "invalid_client"),
          .protocolViolation("an OAuth answer without a token"),
          .protocolViolation("HTTP 404 without an OAuth answer; is the endpoint's URL right?"),
          .cannotConnect("the OAuth server is not available now (HTTP 503)"),
          .protocolViolation("HTTP 302 without an OAuth answer; is the endpoint's URL right?"),
        ])
    }
  }

  // MARK: Where secrets may go

  @Test(arguments: [
    ("https://login.example.org/oauth2/token?x=1#y", "login.example.org", 443, "/oauth2/token?x=1"),
    ("HTTPS://Login.Example.Org", "login.example.org", 443, "/"), ("http://[::1]:8080/t", "::1", 8080, "/t"),
    ("https://h?x", "h", 443, "/?x"),
  ])
  func `Endpoints are read`(text: String, host: String, port: Int, target: String) throws {
    let url = try EndpointURL(text)
    #expect(url.host == host)
    #expect(url.port == port)
    #expect(url.target == target)
  }

  @Test(arguments: [
    "", "login.example.org", "ftp://h/", "https://", "https:///x", "https://u:p@h/", "https://h:x/", "https://h:0/",
    "https://h:70000/", "https://h/a b", "https://h/\r\nX: y", "https://[::1]x/",
  ])
  func `What is no endpoint is refused`(text: String) {
    #expect(throws: ClientError.self) { try EndpointURL(text) }
  }

  // MARK: Device code

  private let device = ScriptedHTTP.Answer.json(
    #"{"device_code":"dc","user_code":"WDJB-MJHT","verification_uri":"https://example.com/device","#
      + #""verification_uri_complete":"https://example.com/device?c=WDJB-MJHT","expires_in":1800,"interval":5}"#)

  private func refusal(_ code: String) -> ScriptedHTTP.Answer {
    .json(#"{"error":"\#(code)"}"#, status: "400 Bad Request")
  }

  private func flow(_ server: ScriptedHTTP, _ sleeps: Sleeps) throws -> DeviceCodeFlow {
    DeviceCodeFlow(
      deviceEndpoint: try endpoint(server), tokenEndpoint: try endpoint(server),
      client: OAuthClient(id: "merpati", scope: "mail"), sleep: { sleeps.note($0) })
  }

  private final class Sleeps: Sendable {
    private let all = Mutex<[Duration]>([])
    var seconds: [Int64] { all.withLock { $0.map(\.components.seconds) } }
    func note(_ duration: Duration) { all.withLock { $0.append(duration) } }
  }

  @Test func `The user is shown a code, and asked after until he has agreed`() async throws {
    try await withHTTP([
      device, refusal("authorization_pending"), refusal("slow_down"), refusal("authorization_pending"),
      .json("", status: "503 Busy"),
      .json(#"{"access_token":"at","refresh_token":"rt","expires_in":3599}"#),
    ]) { server in
      let sleeps = Sleeps()
      var shown: [DevicePrompt] = []
      let grant = try await flow(server, sleeps).run { shown.append($0) }
      #expect(grant.accessToken == "at")
      #expect(grant.refreshToken == "rt")
      #expect(grant.lifetime == .seconds(3599))
      #expect("\(grant)" == "a token for 3599 s")
      #expect(
        shown == [
          DevicePrompt(
            userCode: "WDJB-MJHT", verificationURI: "https://example.com/device",
            completeURI: "https://example.com/device?c=WDJB-MJHT", lifetime: .seconds(1800))
        ])
      #expect(sleeps.seconds == [5, 5, 10, 10, 20])
      #expect(server.form(0) == ["client_id": "merpati", "scope": "mail"])
      #expect(
        server.form(1) == [
          "grant_type": "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code", "device_code": "dc",
          "client_id": "merpati",
        ])
    }
  }

  @Test func `A no, and a code that has run out, end the asking`() async throws {
    for (answer, kind) in [
      (
        "access_denied",
        ClientError.Kind.authenticationFailed(
          "access_denied; the sign-in was not allowed; begin anew")
      ),
      ("expired_token", .timedOut(waitingFor: "the user to agree")),
    ] {
      try await withHTTP([device, refusal(answer)]) { server in
        let error = await #expect(throws: ClientError.self) { try await flow(server, Sleeps()).run { _ in } }
        #expect(error?.kind == kind)
      }
    }
    // A server that never says so itself.
    let short = ScriptedHTTP.Answer.json(
      #"{"device_code":"dc","user_code":"u","verification_url":"https://e","expires_in":12}"#)
    try await withHTTP([short] + Array(repeating: refusal("authorization_pending"), count: 9)) { server in
      let sleeps = Sleeps()
      let error = await #expect(throws: ClientError.self) { try await flow(server, sleeps).run { _ in } }
      #expect(error?.kind == .timedOut(waitingFor: "the user to agree"))
      #expect(sleeps.seconds == [5, 5, 5])
    }
  }

  @Test func `Codes that would play with the terminal are not shown`() async throws {
    let nasty = ScriptedHTTP.Answer.json(
      #"{"device_code":"dc","user_code":"\u001b[2J","verification_uri":"https://e","expires_in":12}"#)
    try await withHTTP([nasty]) { server in
      await #expect(throws: ClientError.self) {
        try await flow(server, Sleeps()).run { _ in Issue.record("shown") }
      }
    }
  }

  @Test func `A command's token is asked for each time`() async throws {
    let source = CommandTokenSource(command: "echo token", server: "h")
    #expect(try await source.accessToken() == "token")
    let failing = CommandTokenSource(command: "exit 1", server: "h")
    await #expect(throws: ClientError.self) { try await failing.accessToken() }
  }
}
