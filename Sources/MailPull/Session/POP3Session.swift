public import MailClient
public import MailNet
public import NIOCore
public import POP3Client

/// A logged-in POP3 session as the engine uses it, from one task. `POP3Client` is one; tests have others.
public protocol POP3Session: AnyObject {
  var capabilities: POP3Capabilities { get }
  func listing() async throws(ClientError) -> [POP3Listing]
  func retrieve(
    _ messages: [POP3Listing], window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws
  func top(
    _ messages: [POP3Listing], lines: Int, window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws
  func delete(_ numbers: [Int], window: Int) async throws(ClientError) -> [Int: ClientError]
  func quit() async throws(ClientError)
  /// QUIT without waiting for its answer: for a session in which nothing was deleted.
  func leave() async
  func abandon() async
}

extension POP3Session {
  public func leave() async { try? await quit() }
}

extension POP3Client: POP3Session {}

/// Opens sessions: one for each attempt.
public protocol POP3Connector: Sendable {
  func connect() async throws -> any POP3Session
}

/// A server, and how to log in there.
public struct POP3Login: POP3Connector {
  public var server: RemoteServer
  public var credential: Credential
  public var group: any EventLoopGroup
  public var timeouts: ClientTimeouts

  public init(
    server: RemoteServer, credential: Credential, group: any EventLoopGroup, timeouts: ClientTimeouts = ClientTimeouts()
  ) {
    self.server = server
    self.credential = credential
    self.group = group
    self.timeouts = timeouts
  }

  public func connect() async throws -> any POP3Session {
    guard let user = server.user else {
      throw ClientError(.invalidAddress("no user: write pop3s://USER@\(server.host)"), server: server.address.description)
    }
    let client = try await POP3Client.connect(to: server, group: group, timeouts: timeouts)
    do {
      try await client.logIn(user: user, credential, expectsListing: true)
    } catch {
      await client.abandon()
      throw error
    }
    return client
  }
}
