public import MailClient
public import MailNet
public import NIOCore
import POP3Core

/// A POP3 session, used by one task. Commands are pipelined where the server allows it (RFC 2449 §6.6), within a window.
///
/// After an error other than `.refused`, `.authenticationFailed`, `.cleartextRefused`, `.secretUnavailable` and `.unsupported` nobody knows
/// which answer belongs to which command any more: every later command throws that error again, and only `abandon` is
/// right. In particular no QUIT is sent then, so that nothing is deleted.
public final class POP3Client {
  /// What the server said it can do; asked for again after STLS and after login.
  public internal(set) var capabilities = POP3Capabilities()
  public var counters: TransportCounters { connection.counters }
  /// Where the session is.
  public let server: RemoteServer

  enum Condition {
    case ready
    /// Something ended in the middle.
    case broken(ClientError.Kind)
    case ended
  }

  /// What was asked for along with the login.
  enum Ahead {
    case nothing
    /// LIST and UIDL have been sent.
    case sent
    case read(Result<[POP3Listing], ClientError>)
  }

  let connection: ClientConnection
  var reader = POP3ResponseReader()
  var condition = Condition.ready
  var ahead = Ahead.nothing
  var isUTF8Asked = false

  init(server: RemoteServer, connection: ClientConnection) {
    self.server = server
    self.connection = connection
  }

  /// Connects, reads the greeting, starts TLS where `security` says so, and asks CAPA.
  ///
  /// - Throws: `.refused` when the greeting says no; `.unsupported` when TLS is wanted by STLS and the server has none.
  public static func connect(
    to server: RemoteServer, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> POP3Client {
    let connection = try await ClientConnection.connect(
      to: server.address, security: server.security, group: group, timeouts: timeouts)
    let client = POP3Client(server: server, connection: connection)
    do {
      try await client.greet()
    } catch {
      await client.abandon()
      throw error
    }
    return client
  }

  private func greet() async throws(ClientError) {
    let greeting = try await status("the greeting")
    guard greeting.isOK else { throw refusal(greeting, "the connection") }
    if server.security.encryption == .startTLS { try await startTLS() }
    try await askCapabilities()
  }

  /// STLS (RFC 2595 §4). Not asked for in CAPA first: the answer to CAPA could not be believed anyway.
  private func startTLS() async throws(ClientError) {
    try await send("STLS\r\n")
    let answer = try await status("STLS")
    guard answer.isOK else {
      let refusal = refusal(answer, "STLS")
      throw refusal.isTemporary ? refusal : failure(.unsupported("STLS"))
    }
    // RFC 2595 §4: what came in the clear is forgotten. What comes behind the answer was put there by somebody else.
    guard reader.unread == 0 else { throw broken(.protocolViolation("bytes in the clear behind the answer to STLS")) }
    do {
      try await connection.startTLS()
    } catch {
      throw broken(error.kind)
    }
  }

  func askCapabilities() async throws(ClientError) {
    try await send("CAPA\r\n")
    try await readCapabilities()
  }

  /// -ERR leaves what is known as it is.
  func readCapabilities() async throws(ClientError) {
    let answer = try await status("CAPA")
    guard answer.isOK else { return }
    capabilities = POP3Capabilities(body: try await lines("CAPA", limit: POP3ClientLimits.capabilities))
  }

  public func stat() async throws(ClientError) -> (messages: Int, octets: Int64) {
    let answer = try await command("STAT")
    guard let figures = POP3ListingLine.dropListing(answer.text) else {
      throw failure(.protocolViolation("STAT: \(ServerText.clean(answer.text))"))
    }
    return figures
  }

  public func noop() async throws(ClientError) { _ = try await command("NOOP") }

  /// RSET: what was marked to be deleted is not.
  public func reset() async throws(ClientError) { _ = try await command("RSET") }

  /// QUIT: deletions happen now. Throws `.refused` when the server says that some were not made (RFC 1939 §6). Any other
  /// error leaves it unknown what was deleted. The connection is closed in every case.
  public func quit() async throws(ClientError) {
    do {
      _ = try await command("QUIT")
    } catch {
      await abandon()
      throw error
    }
    await abandon()
  }

  /// QUIT without waiting for the answer: for a session in which nothing was deleted, so that nothing hangs on it. Whoever
  /// logs in again at once may still find the maildrop locked.
  public func leave() async {
    if case .ready = condition { try? await send("QUIT\r\n") }
    await abandon()
  }

  /// Drops the connection without QUIT: nothing is deleted (RFC 1939 §6). Right in every state, and any number of times.
  public func abandon() async {
    condition = .ended
    await connection.close()
  }
}
