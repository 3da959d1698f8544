import Bytes
public import MailClient
public import MailNet
import NIOCore
import POP3Core

extension POP3Client {
  /// By the best of SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN, USER/PASS, or OAUTHBEARER/XOAUTH2; then CAPA again. A server with
  /// UTF8 (RFC 6856) is asked for messages as they are.
  ///
  /// - Parameter expectsListing: LIST and UIDL go out with the CAPA that follows the login, where the server has PIPELINING;
  ///   `listing` then costs no round trip. For who will ask for it anyway.
  /// - Throws: `.authenticationFailed` with the server's words when name, password or token are wrong; `.refused` with a
  ///   code (`IN-USE`, `LOGIN-DELAY`, `SYS/TEMP`, `SYS/PERM`) when they may be right; `.cleartextRefused` when the
  ///   password would cross the line readable. Another attempt may follow these.
  public func logIn(
    user: String, _ credential: Credential, expectsListing: Bool = false
  ) async throws(ClientError) {
    try checkReady()
    guard user.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), !user.isEmpty else {
      throw failure(.authenticationFailed("the user name is empty or holds control characters"))
    }
    // What a server repeats in an answer that is none must not be seen either.
    defer { secrets = [] }
    var login = Login(user: user, credential: credential, isPipelined: capabilities.pipelining)
    if case .failed(let error) = try await attempt(&login) { throw error }
    // Nothing is sent behind the last line of a login before its answer, PIPELINING or not: Courier hands the connection to
    // another process there, and what came along is lost.
    guard capabilities.pipelining else {
      if capabilities.isKnown { try await askCapabilities() }
      return
    }
    try await send(expectsListing ? "CAPA\r\nLIST\r\nUIDL\r\n" : "CAPA\r\n")
    try await readCapabilities()
    if expectsListing { ahead = .sent }
  }

  private struct Login {
    let user: String
    let credential: Credential
    /// RFC 2449 §6.6.
    let isPipelined: Bool
    /// What was sent and must not be seen in an error.
    var secrets: [String] = []

    /// A response, and the password in it where it stands there readable.
    mutating func hide(_ response: ByteBuffer, _ base64: String, _ mechanism: String, steps: Int) {
      if base64.utf8.count > 1 { secrets.append(base64) }
      guard mechanism == "PLAIN" || (mechanism == "LOGIN" && steps == 2) else { return }
      let password = response.readableBytesView.split(separator: 0, omittingEmptySubsequences: false).last ?? []
      secrets.append(String(decoding: password, as: UTF8.self))
    }
  }

  private enum Verdict {
    case accepted
    case failed(ClientError)
  }

  private enum Answer {
    case status(POP3StatusLine)
    /// Nil: it is not base64.
    case challenge(ByteBuffer?)
  }

  private func attempt(_ login: inout Login) async throws(ClientError) -> Verdict {
    let isProtected = connection.tlsVersion != nil || connection.isLoopback
    let exchange = try await LoginExchange.choose(
      announced: capabilities.sasl, credential: login.credential, user: login.user, server: server,
      isProtected: isProtected)
    if let exchange {
      let verdict = try await authenticate(exchange, &login)
      // A token may have run out before its time: the exchange has dropped it, and a new one is asked for once.
      guard case .token = login.credential, case .failed(let error) = verdict,
        case .authenticationFailed = error.kind, case .ready = condition
      else { return verdict }
      guard
        let second = try await LoginExchange.choose(
          announced: capabilities.sasl, credential: login.credential, user: login.user, server: server,
          isProtected: isProtected)
      else { return verdict }
      return try await authenticate(second, &login)
    }
    let password = try await LoginExchange.password(
      of: login.credential, server: server, isProtected: isProtected)
    // RFC 2449 §6.3: without USER the server takes no password here. Over a readable line it is not shown for nothing.
    if capabilities.isKnown, !capabilities.user, !isProtected {
      throw failure(.unsupported("a login over this line; it may want TLS (pop3s:// or --starttls)"))
    }
    return try await userAndPass(password, &login)
  }

  // MARK: USER and PASS (RFC 1939 §7)

  private func userAndPass(_ password: [UInt8], _ login: inout Login) async throws(ClientError) -> Verdict {
    guard password.allSatisfy({ $0 != .cr && $0 != .lf && $0 != 0 }), !password.isEmpty else {
      throw failure(.authenticationFailed("the password is empty or holds a line end"))
    }
    login.secrets = [String(decoding: password, as: UTF8.self)]
    secrets = login.secrets
    var buffer = utf8Command()
    let asksUTF8 = buffer.readableBytes > 0
    buffer.writeString("USER \(login.user)\r\n")
    let isPipelined = login.isPipelined
    if !isPipelined {
      if asksUTF8 { try await sendUTF8(&buffer) }
      try await send(buffer)
      let user = try await status("USER")
      guard user.isOK else { return .failed(loginRefusal(user, "USER", login)) }
      buffer.clear()
    }
    buffer.writeStaticString("PASS ")
    buffer.writeBytes(password)
    buffer.writeCRLF()
    try await send(buffer)
    var user: POP3StatusLine?
    if isPipelined {
      if asksUTF8 { _ = try await status("UTF8") }
      user = try await status("USER")
    }
    let pass = try await status("PASS")
    if pass.isOK { return .accepted }
    if let user, !user.isOK { return .failed(loginRefusal(user, "USER", login)) }
    return .failed(loginRefusal(pass, "PASS", login))
  }

  // MARK: AUTH (RFC 5034 §4)

  private func authenticate(_ exchange: LoginExchange, _ login: inout Login) async throws(ClientError) -> Verdict {
    var exchange = exchange
    var buffer = utf8Command()
    let asksUTF8 = buffer.readableBytes > 0
    let isPipelined = login.isPipelined
    if asksUTF8, !isPipelined { try await sendUTF8(&buffer) }
    let initial = exchange.initialResponse()
    var isInitialSent = false
    buffer.writeString("AUTH \(exchange.mechanism)")
    if let response = initial {
      // RFC 5034 §4: an empty response is "="; a command is at most 255 octets.
      let text = response.readableBytes == 0 ? "=" : Base64.encodedString(response.readableBytesSpan)
      if exchange.mechanism.utf8.count + text.utf8.count + 8 <= POP3Limits.initialResponseLine {
        buffer.writeString(" \(text)")
        login.hide(response, text, exchange.mechanism, steps: 0)
        secrets = login.secrets
        isInitialSent = true
      }
    }
    buffer.writeCRLF()
    try await send(buffer)
    if asksUTF8, isPipelined { _ = try await status("UTF8") }
    return try await converse(&exchange, initial: initial, isSent: isInitialSent, &login)
  }

  /// Answers challenges until the server says yes or no.
  private func converse(
    _ exchange: inout LoginExchange, initial: ByteBuffer?, isSent: Bool, _ login: inout Login
  ) async throws(ClientError) -> Verdict {
    var initial = initial
    var steps = 0
    while true {
      switch try await answer() {
      case .status(let status) where status.isOK:
        guard exchange.isServerProven else {
          throw broken(.authenticationFailed("the server did not prove that it knows the account"))
        }
        return .accepted
      case .status(let status):
        let refusal = loginRefusal(status, "AUTH \(exchange.mechanism)", login)
        guard case .authenticationFailed(let text) = refusal.kind else { return .failed(refusal) }
        return .failed(await exchange.rejected(text))
      case .challenge(let challenge):
        let response: ByteBuffer
        // An empty challenge asks for the initial response, also of a server that passed over it before.
        if let first = initial, !isSent || challenge?.readableBytes == 0 {
          response = first
          initial = nil
        } else {
          initial = nil
          guard let challenge, steps < POP3ClientLimits.challenges else {
            // RFC 5034 §4: what can't be decoded MUST be cancelled.
            return try await cancel(failure(.protocolViolation("a challenge that is no base64, or one too many")))
          }
          do {
            response = try await exchange.step(challenge)
          } catch {
            return try await cancel(failure(error.kind))
          }
          steps += 1
        }
        var line = ByteBuffer()
        Base64.encode(response, into: &line)
        login.hide(response, String(buffer: line), exchange.mechanism, steps: steps)
        secrets = login.secrets
        line.writeCRLF()
        try await send(line)
      }
    }
  }

  private func cancel(_ error: ClientError) async throws(ClientError) -> Verdict {
    try await send("*\r\n")
    _ = try await status("AUTH")
    return .failed(error)
  }

  private func answer() async throws(ClientError) -> Answer {
    while true {
      let line: ByteBuffer?
      do {
        line = try reader.nextResponseLine()
      } catch {
        throw unreadable(error)
      }
      guard let line else {
        try await receive("the answer to AUTH")
        continue
      }
      if let status = POP3StatusLine(line) { return .status(status) }
      var cursor = ByteCursor(line.readableBytesSpan)
      guard cursor.take(UInt8(ascii: "+")) else { throw unreadable(.notAResponse("")) }
      cursor.skip(while: \.isBlank)
      return .challenge(Base64.decode(cursor.span.extracting(cursor.position..<cursor.count)))
    }
  }

  /// What a refused login means. RFC 3206 §4: AUTH says that the credentials are wrong; SYS and IN-USE say that they may be
  /// right. Without a code they are taken to be wrong, unless the words say that the maildrop is busy.
  private func loginRefusal(_ status: POP3StatusLine, _ command: String, _ login: Login) -> ClientError {
    let (code, text) = ServerText.split(status, capabilities, hiding: login.secrets)
    if let code, code != POP3ResponseCode.auth.rawValue {
      return failure(.refused(command: command, code: code, text: text))
    }
    if code == nil, ServerText.saysInUse(text) {
      return failure(.refused(command: command, code: POP3ResponseCode.inUse.rawValue, text: text))
    }
    return failure(.authenticationFailed(text.isEmpty ? "no reason given" : text))
  }

  // MARK: UTF8 (RFC 6856 §2.1)

  /// The command where it is due: without it the server may change messages, or refuse them. It belongs before the login
  /// and behind STLS.
  private func utf8Command() -> ByteBuffer {
    guard capabilities.utf8, !isUTF8Asked else { return ByteBuffer() }
    isUTF8Asked = true
    return ByteBuffer(string: "UTF8\r\n")
  }

  private func sendUTF8(_ command: inout ByteBuffer) async throws(ClientError) {
    try await send("UTF8\r\n")
    command.moveReaderIndex(forwardBy: 6)
    _ = try await status("UTF8")
  }
}
