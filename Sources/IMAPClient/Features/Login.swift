import Bytes
import IMAPCore
public import MailClient
public import MailNet
import NIOCore

extension IMAPClient {
  /// By the best mechanism both know; then CAPABILITY, ID, NAMESPACE, COMPRESS (if `compress` and offered), ENABLE QRESYNC
  /// or CONDSTORE, UTF8=ACCEPT.
  /// - Parameter expectsMailboxes: the mailboxes and their status are asked for along with ID, NAMESPACE and ENABLE; the
  ///   first `mailboxes(status: true)` then costs no round trip. For who will ask for them anyway.
  /// - Throws: `.cleartextRefused` before any secret is asked for; `.authenticationFailed` with the server's words.
  public func logIn(
    user: String, _ credential: Credential, compress: Bool, expectsMailboxes: Bool = false
  ) async throws(ClientError) {
    if !isLoggedIn {
      // RFC 9051 §6.2.2: what was known before login may be less than what is offered after it.
      let line = try await authenticate(user: user, credential)
      isLoggedIn = true
      if case .capability(let names)? = line.code { take(capabilities: names) } else { try await askCapabilities() }
    }
    try await introduce(expectsMailboxes: expectsMailboxes)
    if compress { try await startCompression() }
  }

  private func authenticate(user: String, _ credential: Credential) async throws(ClientError) -> StatusLine {
    let isProtected = connection.tlsVersion != nil || connection.isLoopback
    let announced = capabilities.compactMap { $0.hasPrefix("AUTH=") ? String($0.dropFirst(5)) : nil }.sorted()
    let exchange = try await LoginExchange.choose(
      announced: announced, credential: credential, user: user, server: server, isProtected: isProtected)
    if let exchange {
      do {
        return try await authenticate(exchange)
      } catch {
        // A token may have run out; the one asked for now is new.
        guard case .token = credential, case .authenticationFailed = error.kind, !isBroken else { throw error }
        let again = try await LoginExchange.choose(
          announced: announced, credential: credential, user: user, server: server, isProtected: isProtected)
        guard let again else { throw error }
        return try await authenticate(again)
      }
    }
    // RFC 9051 §6.2.3: a client MUST NOT use LOGIN where LOGINDISABLED is announced.
    guard !has("LOGINDISABLED") else {
      throw failure(.authenticationFailed("the server allows no way to log in that is known here (LOGINDISABLED)"))
    }
    let password = try await LoginExchange.password(of: credential, server: server, isProtected: isProtected)
    let command = try await begin("LOGIN") { printer in
      printer.word("LOGIN ")
      printer.astring(user)
      printer.space()
      printer.astring(password.span.bytes)
    }
    let line = try await finish(command)
    guard line.condition == .ok else { throw loginFailure(line) }
    return line
  }

  private func loginFailure(_ line: StatusLine) -> ClientError {
    // RFC 5530 §3: the name and the password may be right all the same.
    switch line.code {
    case .unavailable?, .inUse?, .limit?, .contactAdmin?:
      failure(.refused(command: "LOGIN", code: line.code?.name, text: line.text))
    default: failure(.authenticationFailed(line.text))
    }
  }

  // MARK: AUTHENTICATE

  private func authenticate(_ chosen: LoginExchange) async throws(ClientError) -> StatusLine {
    var exchange = chosen
    var initial = exchange.initialResponse()
    let mechanism = exchange.mechanism
    let isSentAlong = has("SASL-IR")
    let first = isSentAlong ? initial : nil
    let command = try await begin("AUTHENTICATE") { printer in
      printer.word("AUTHENTICATE ")
      printer.text(mechanism)
      guard let first else { return }
      printer.space()
      // RFC 4959 §3: "=" is an empty response.
      if first.readableBytes == 0 { printer.word("=") } else { Base64.encode(first, into: &printer.buffer) }
    }
    if isSentAlong { initial = nil }
    var count = 0
    while let challenge = try await continuation(of: command.tag) {
      count += 1
      let answer: ByteBuffer
      do {
        answer = try await self.answer(challenge, count, &initial, &exchange)
      } catch {
        try await cancel(command)
        throw error
      }
      var line = ByteBuffer()
      Base64.encode(answer, into: &line)
      line.writeCRLF()
      try await send(line)
    }
    let line = try await finish(command)
    guard line.condition == .ok else {
      let error = loginFailure(line)
      if case .authenticationFailed(let text) = error.kind { throw await exchange.rejected(text) }
      throw error
    }
    guard exchange.isServerProven else {
      isBroken = true
      throw failure(.authenticationFailed("the server did not prove that it knows the account"))
    }
    return line
  }

  private func answer(
    _ challenge: ByteBuffer, _ count: Int, _ initial: inout ByteBuffer?, _ exchange: inout LoginExchange
  ) async throws(ClientError) -> ByteBuffer {
    guard count <= IMAPClientLimits.challenges, challenge.readableBytes <= IMAPClientLimits.challenge else {
      throw failure(.protocolViolation("its login asks too much"))
    }
    if let first = initial {
      initial = nil
      return first
    }
    guard let decoded = Base64.decode(challenge, .tolerant) else {
      throw failure(.protocolViolation("a challenge of its login is not base64"))
    }
    return try await exchange.step(decoded)
  }

  /// RFC 9051 §6.2.2: `*` ends the exchange, and the server answers BAD.
  private func cancel(_ command: SentCommand) async throws(ClientError) {
    try await send(ByteBuffer(string: "*\r\n"))
    _ = try await finish(command)
  }

  // MARK: Afterwards

  /// ID, NAMESPACE and ENABLE in one go, and LIST where it is wanted.
  private func introduce(expectsMailboxes: Bool) async throws(ClientError) {
    var batch = CommandBatch()
    let id = has("ID") ? add(.id(IDCommand(IDParameters([.init("name", "Merpati")]))), to: &batch) : nil
    let names =
      has("NAMESPACE")
      ? add(.namespace, to: &batch)
      : add("LIST", to: &batch) { $0.word(#"LIST "" """#) }
    let wanted = wantedExtensions
    let enable = has("ENABLE") && !wanted.isEmpty ? add(.enable(EnableCommand(wanted)), to: &batch) : nil
    // UTF8=ACCEPT changes how names are written: LIST waits for it.
    let lists = expectsMailboxes && !wanted.contains("UTF8=ACCEPT")
    let listing = lists ? addListing(status: true, to: &batch) : nil
    try await send(batch)
    let take = { (response: IMAPResponse) throws(ClientError) -> Bool in
      switch response {
      case .id(let parameters): self.serverID = parameters
      case .namespace(let response): self.take(response)
      case .list(let line): self.namespace = ("", line.delimiter)
      default: return false
      }
      return true
    }
    // A server may refuse any of them; nothing depends on it.
    for command in [id, names, enable] {
      if let command { _ = try await finish(command, take) }
    }
    if let listing { listed = try await readListing(listing) }
    // RFC 6855 §3, RFC 9051 §6.3.1.
    if enabled.contains("UTF8=ACCEPT") || enabled.contains("IMAP4REV2") { options = .rev2 }
  }

  private var wantedExtensions: [String] {
    var wanted: [String] = []
    // RFC 7162 §3.2.3: QRESYNC brings CONDSTORE along.
    if has("QRESYNC") { wanted.append("QRESYNC") } else if has("CONDSTORE") { wanted.append("CONDSTORE") }
    if has("UTF8=ACCEPT") || has("UTF8=ONLY") { wanted.append("UTF8=ACCEPT") }
    return wanted
  }

  private func take(_ response: NamespaceResponse) {
    let first = response.personal.first
    namespace = (first?.prefix ?? "", first?.separator.map { Character(Unicode.Scalar($0)) })
    otherNamespaces = (response.otherUsers + response.shared).map(\.prefix).filter { !$0.isEmpty }
  }
}
