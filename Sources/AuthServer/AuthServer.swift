public import Logging
public import MailAuth
public import MailNet

/// What all connections of the socket share.
public final class AuthServer: Sendable {
  let authenticator: Authenticator
  let process: Int32
  let logger: Logger

  /// - Parameter process: our process, which the handshake tells.
  public init(authenticator: Authenticator, process: Int32, logger: Logger) {
    self.authenticator = authenticator
    self.process = process
    self.logger = logger
  }

  /// For `Listener(makeSession:)`.
  public func makeSession(_ connection: Connection) -> any ConnectionSession { AuthSession(connection, self) }
}

/// A client of the MTA, as the MTA describes it.
///
/// That it has spoken TLS to the MTA is for the MTA to demand: its own socket is on this machine, and what came over it
/// has crossed the network before we could say anything. `secured` is written to the log.
final class RemoteLogin: LoginOrigin {
  let id: UInt64
  let listenerName: String
  let tlsVersion: String?
  let peer: PeerAddress
  let isPrivate = true
  let serverName: String? = nil
  let certificateNames: CertificateNames? = nil
  /// Each exchange is one try; the MTA counts them.
  var loginFailures: Int {
    get { 0 }
    set {}
  }

  init(_ connection: Connection, _ request: AuthRequest) {
    id = connection.id
    listenerName = connection.listenerName
    tlsVersion = request.isSecured ? "secured" : nil
    // No address, or none that can be read: then it waits for no failures, as all of this machine.
    peer = request.remote.flatMap { PeerAddress(ip: $0, port: request.remotePort) } ?? .unixSocket
  }
}
