/// Every bound of this room. What a reply may have is bounded in `LMTPLimits`.
public enum LMTPClientLimits {
  /// Octets of a message gathered before they are handed to the socket.
  public static let piece = 64 << 10
  /// Characters of the server's text in an error.
  public static let errorText = 400
}
