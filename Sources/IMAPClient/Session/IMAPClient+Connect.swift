import IMAPCore
public import MailClient
public import MailNet
public import NIOCore

extension IMAPClient {
  /// Connects, reads the greeting, CAPABILITY, STARTTLS where `security` says so.
  /// - Throws: `.cannotConnect` with the server's words too when it greets with BYE.
  public static func connect(
    to server: RemoteServer, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> IMAPClient {
    let connection = try await ClientConnection.connect(
      to: server.address, security: server.security, group: group, timeouts: timeouts)
    let client = IMAPClient(server: server, connection: connection)
    do {
      try await client.open()
    } catch {
      await client.abandon()
      throw error
    }
    return client
  }

  private func open() async throws(ClientError) {
    try await greeting()
    if server.security.encryption == .startTLS { try await startTLS() }
    if capabilities.isEmpty { try await askCapabilities() }
  }

  private func greeting() async throws(ClientError) {
    while true {
      guard case .status(let line) = try await response() else { continue }
      if case .capability(let names)? = line.code { take(capabilities: names) }
      switch line.condition {
      case .ok: return
      case .preauth:
        // Nothing can be told apart from what somebody on the way put there (RFC 9051 §11.1).
        guard server.security.encryption != .startTLS else {
          throw failure(.tls("the server logs in before STARTTLS; nothing sent after that would be safe"))
        }
        isLoggedIn = true
        return
      case .bye: throw failure(.cannotConnect("the server said: \(line.text)"))
      case .no, .bad: throw failure(.protocolViolation("it greets with \(line.condition.keyword)"))
      }
    }
  }

  private func startTLS() async throws(ClientError) {
    if capabilities.isEmpty { try await askCapabilities() }
    guard has("STARTTLS") else { throw failure(.tls("the server does not offer STARTTLS")) }
    do {
      _ = try await run("STARTTLS")
    } catch {
      guard case .refused(_, _, let text) = error.kind else { throw error }
      throw failure(.tls("the server refused STARTTLS: \(text)"))
    }
    // RFC 9051 §11.1: what came in clear behind the OK was put there by somebody else.
    guard framer.isIdle else { throw failure(.protocolViolation("it sent something between STARTTLS and TLS")) }
    try await connection.startTLS()
    // RFC 9051 §6.2.1: what was known before MUST be discarded.
    capabilities = []
    noticed = []
  }

  func askCapabilities() async throws(ClientError) {
    _ = try await run("CAPABILITY")
  }

  func take(capabilities names: [String]) {
    capabilities = Set(names)
    guard capabilities.contains("IMAP4REV2"), !capabilities.contains("IMAP4REV1") else { return }
    // RFC 9051 appendix E.
    capabilities.formUnion([
      "NAMESPACE", "UNSELECT", "UIDPLUS", "ESEARCH", "SEARCHRES", "ENABLE", "IDLE", "SASL-IR", "LIST-EXTENDED",
      "LIST-STATUS", "MOVE", "LITERAL-", "BINARY", "SPECIAL-USE", "STATUS=SIZE", "CHILDREN",
    ])
    options = .rev2
  }
}
