/// Every bound of this room. RFC 5321 §4.5.3.1 names the least a server must take; these are what this one takes at
/// most.
public enum LMTPLimits {
  /// Octets of a command with its CRLF (RFC 5321 §4.5.3.1.4: 512 at least, and more for each extension).
  public static let commandLine = 4096
  /// Octets of a path (RFC 5321 §4.5.3.1.3: 256 at least; bounce addresses of mailing lists are longer).
  public static let path = 1000
  /// Octets of a domain name (RFC 5321 §4.5.3.1.2).
  public static let domain = 255
  /// Octets of a reply line with its CRLF (RFC 5321 §4.5.3.1.5).
  public static let replyLine = 512
  /// Parameters of one MAIL or RCPT.
  public static let parameters = 16

  // What a client takes from a server.

  /// Octets of a reply line, its end included.
  public static let receivedLine = 16 << 10
  /// Lines of one reply; the answer to LHLO has one for each extension.
  public static let receivedLines = 256
}
