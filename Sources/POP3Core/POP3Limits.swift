/// Every bound of this room. What a session may do (errors, idle time) is bounded in POP3Server.
public enum POP3Limits {
  /// Octets of a command with its CRLF. RFC 2449 §4 asks for 255; a password of 255 octets (RFC 4616 §2) needs more.
  public static let commandLine = 512
  /// Octets of an AUTH command or of a line that answers a challenge (RFC 5034 §4: independent of other limits).
  public static let authenticationLine = 12_288
  /// Octets of the first line of a response with its CRLF (RFC 2449 §4).
  public static let responseLine = 512
  /// Octets of the argument of LANG.
  public static let languageRange = 64

  // What a client takes from a server; far more than RFC 2449 §4 lets servers send.

  /// Octets of the first line of a response, its end included; challenges (RFC 5034 §4) among them.
  public static let receivedLine = 64 << 10
  /// Empty lines passed over in front of a response.
  public static let strayLines = 16
  /// Octets of an AUTH command with an initial response (RFC 5034 §4), its end included.
  public static let initialResponseLine = 255
  /// Octets gathered before a piece of a long body is handed out.
  public static let bodyPiece = 128 << 10
  /// Runs of a long body from this size on are handed out as they lie in the input, without a copy.
  public static let bodySlice = 16 << 10
}
