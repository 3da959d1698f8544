public import MailNet

/// Where a login comes from: a connection of a client, or a program on this machine that asks for one of its own clients.
///
/// Used on one event loop, like a connection.
public protocol LoginOrigin: AnyObject, Sendable {
  /// For logs.
  var id: UInt64 { get }
  var listenerName: String { get }
  var tlsVersion: String? { get }
  /// Whose failures these are.
  var peer: PeerAddress { get }
  /// Secrets from there cross no network that others can listen on, as far as it is ours to know.
  var isPrivate: Bool { get }
  /// The host name asked for in TLS.
  var serverName: String? { get }
  /// The names in a certificate that was shown there and verified.
  var certificateNames: CertificateNames? { get }
  var loginFailures: Int { get set }
}

extension Connection: LoginOrigin {
  public var isPrivate: Bool { isTLS || peer.isUnixSocket }
}
