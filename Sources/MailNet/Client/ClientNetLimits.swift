import NIOCore

/// Every limit of the client's side of this room.
public enum ClientNetLimits {
  /// Octets that may wait for the consumer before the socket is left unread. One burst of reads may come on top.
  public static let incomingHighWater = 512 << 10
  /// One read of the socket: begins at the second figure, and moves between the others with what comes.
  static let smallestRead = 16 << 10
  static let firstRead = 64 << 10
  static let largestRead = 256 << 10
  /// Reads of one burst.
  static let readsPerBurst: UInt = 2
  /// Outgoing octets are handed to the socket in pieces of this size, so that progress shows on a slow line.
  static let outgoingPiece = 128 << 10
  /// What one `receive` hands over of compressed data, however far it inflates.
  public static let inflatedPiece = 256 << 10
  /// How long `close` waits for the last bytes to leave, and TLS for the server's farewell.
  static let closeLinger = TimeAmount.seconds(2)
  /// The longest wait anybody can ask for; stands for "no limit".
  static let longestWait = Duration.seconds(400 * 86_400)
  /// Octets of a host name (RFC 1035 §2.3.4, and room for a zone).
  public static let hostName = 255
  /// Octets of a file of certificate authorities.
  static let authoritiesFile = 16 << 20
}
