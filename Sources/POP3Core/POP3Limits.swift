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
}
