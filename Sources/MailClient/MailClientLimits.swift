/// Every limit of this room.
public enum MailClientLimits {
  /// Octets of a URL.
  public static let url = 8 << 10
  /// Octets that a command prints or a file holds, of which the first line is the secret.
  public static let secret = 64 << 10
  /// How long a command may take to give a secret: time enough to answer a prompt.
  public static let secretCommand = Duration.seconds(30)
  /// How often a running command is looked at.
  static let commandPoll: Int32 = 50
  /// Octets of an HTTP answer's status line and header.
  static let httpHead = 64 << 10
  /// Octets of an HTTP answer's body.
  static let httpBody = 1 << 20
  /// From the first octet to the last of one HTTP request and its answer, the connection included.
  static let httpRequest = Duration.seconds(60)
  /// An access token is renewed this long before its end.
  static let tokenMargin = Duration.seconds(60)
  /// For how long an access token is taken to be valid when the server does not say; and the most that is believed.
  static let tokenLifetime = Duration.seconds(300)
  static let longestTokenLifetime = Duration.seconds(30 * 86_400)
  /// Between two questions whether the user has agreed (RFC 8628 §3.2, §3.5).
  static let devicePoll = Duration.seconds(5)
  static let longestDevicePoll = Duration.seconds(300)
  /// The longest time the user is given to agree.
  static let deviceLifetime = Duration.seconds(3600)
}
