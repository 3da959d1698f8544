public import NIOCore

/// Every limit of this room, with its default. Servers override them through `ListenerSettings`.
public enum NetLimits {
  /// Connections of one listener, or of all that share a `ConnectionLimiter`.
  public static let connections = 20_000
  /// Connections from one IPv4 address or one IPv6 /64. Unix sockets have no address and count only in total.
  public static let connectionsPerAddress = 100
  /// A peer that takes none of what waits for it for this long is disconnected.
  public static let writeTimeout = TimeAmount.seconds(60)
  /// From the first byte of TLS (or the connection, where TLS is implicit) to the end of the handshake.
  public static let handshakeTimeout = TimeAmount.seconds(30)
  /// After our last byte, how long the peer's end of the connection is waited for.
  public static let closeLinger = TimeAmount.seconds(2)
  /// Octets waiting for the socket: above the upper one a connection is not writable, below the lower one it is again.
  public static let outgoingLowWater = 64 << 10
  public static let outgoingHighWater = 256 << 10
  /// Octets kept for a session that is paused before the socket itself is left unread.
  public static let pausedInput = 64 << 10
  /// Octets a session may leave unconsumed; beyond it the connection is closed. A session's own limits are lower.
  public static let unconsumedInput = 1 << 20
  /// One read of the socket: starts at the first, grows up to the second, which a connection that was busy once keeps.
  /// A connection keeps two buffers of the size it reads with, the idle one as well.
  static let firstRead = 512
  static let largestRead = 16 << 10
  /// How long a session carries out commands that have come before the others of its loop have their turn.
  public static let turn = TimeAmount.milliseconds(2)
  /// Connections accepted, and reads of a connection, before the loop looks at its other sockets.
  static let acceptsPerRound: UInt = 4
  static let readsPerRound: UInt = 2
  /// After this long a session without work gives up memory that it can do without.
  static let quiet = TimeAmount.seconds(1)
  /// Addresses in a client's certificate that are looked at, and octets of one.
  static let certificateNames = 16
  static let certificateName = 255
  static let backlog: Int32 = 1024
  /// A peer that says the next thing within the first time after an answer, several times running, and is the only one
  /// its loop hears from, is waited for awake for the second.
  static let promptReply = TimeAmount.microseconds(200)
  static let promptWait = TimeAmount.microseconds(100)
  /// After accepting has failed, until it is tried again.
  static let acceptPause = TimeAmount.seconds(1)
}
