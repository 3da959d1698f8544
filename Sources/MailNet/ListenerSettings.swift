public import NIOCore

/// Where a listener waits.
public enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
  /// `host` is an address, or a name that is resolved at `bind`. Port 0 lets the system choose.
  case tcp(host: String, port: Int)
  /// `mode`: permission bits of the socket file. A file left over by a dead server is replaced.
  case unix(path: String, mode: UInt16)

  /// Reads `127.0.0.1:143`, `[::1]:143`, `*:143`, `:143` or `unix:/path`. Nil: none of these.
  public init?(_ text: String, unixMode: UInt16) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard !path.isEmpty else { return nil }
      self = .unix(path: path, mode: unixMode)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    self = .tcp(host: host.isEmpty || host == "*" ? "::" : String(host), port: Int(port))
  }

  public var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path, _): "unix:\(path)"
    }
  }
}

/// How many connections there may be.
public struct ConnectionLimits: Sendable, Hashable {
  public var total: Int
  /// From one IPv4 address or one IPv6 /64.
  public var perAddress: Int
  /// Loopback counts in the total only: a webmail on this machine opens hundreds.
  public var exemptsLoopback: Bool
  public init(
    total: Int = NetLimits.connections, perAddress: Int = NetLimits.connectionsPerAddress, exemptsLoopback: Bool = false
  ) {
    self.exemptsLoopback = exemptsLoopback
    self.total = total
    self.perAddress = perAddress
  }
}

/// One listener of one protocol.
public struct ListenerSettings: Sendable {
  /// For logs: `imap`, `imaps`, `lmtp`…
  public var name: String
  public var address: ListenAddress
  /// TLS from the first byte.
  public var implicitTLS: Bool
  public var limits: ConnectionLimits
  /// What a connection over a limit hears before it is closed, with its CRLF; with implicit TLS it hears nothing.
  public var refusalLine: String
  public var writeTimeout: TimeAmount
  public var handshakeTimeout: TimeAmount
  /// Octets a session may leave unconsumed.
  public var maxBuffered: Int
  /// A socket that is bound already, to be listened on in place of `address`, which is then for the log only. It is closed
  /// with the listener.
  public var descriptor: CInt?
  /// On a unix socket: only processes of our own user and of root get in, whatever the mode of its file.
  public var admitsOwnUserOnly = false
  /// The group of a unix socket's file; nil: our own.
  public var unixGroup: UInt32?

  public init(
    name: String, address: ListenAddress, implicitTLS: Bool, limits: ConnectionLimits = .init(), refusalLine: String,
    writeTimeout: TimeAmount = NetLimits.writeTimeout, handshakeTimeout: TimeAmount = NetLimits.handshakeTimeout,
    maxBuffered: Int = NetLimits.unconsumedInput
  ) {
    self.name = name
    self.address = address
    self.implicitTLS = implicitTLS
    self.limits = limits
    self.refusalLine = refusalLine
    self.writeTimeout = writeTimeout
    self.handshakeTimeout = handshakeTimeout
    self.maxBuffered = maxBuffered
  }
}
