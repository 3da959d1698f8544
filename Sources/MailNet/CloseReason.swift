/// Why a connection ended.
public enum CloseReason: Sendable, Hashable, CustomStringConvertible {
  /// The peer went away, or ended its side and has all its answers.
  case peerClosed
  /// This side closed it: after LOGOUT or QUIT, on a deadline, at shutdown.
  case local
  /// The peer stopped taking what was sent to it.
  case writeTimeout
  /// A failure of the socket or of TLS, or a rule of the connection broken. For the log only.
  case error(String)

  public var description: String {
    switch self {
    case .peerClosed: "closed by peer"
    case .local: "closed"
    case .writeTimeout: "peer does not read"
    case .error(let text): text
    }
  }
}

/// Thrown to a session that waits for room in the socket when there will be none any more.
public struct ConnectionClosed: Error, Sendable, Hashable {
  public var reason: CloseReason
  public init(reason: CloseReason) { self.reason = reason }
}
