/// Every fixed bound of the control socket.
public enum ControlLimits {
  /// Octets of a request line: the data about the messages of one `append` fit.
  public static let requestLine = 1 << 20
  /// Octets of one chunk of a message.
  public static let chunk = 16 << 20
  /// Messages of one `append`.
  public static let appendMessages = 512
  /// Octets of the messages of one `append`, unless it is a single one.
  public static let appendBytes = 64 << 20
  /// Messages of one `append` that are parsed and compressed while the next ones come in.
  public static let appendAhead = 4
  /// Messages that one `describe` tells of.
  public static let describedMessages = 1000
  /// UIDs in one request for fingerprints or messages.
  public static let uidsPerRequest = 10_000
  /// After so many octets an answer with fingerprints is complete; the rest is asked for again.
  public static let fingerprintBytes = 256 << 20
  /// Octets of messages that are gathered before they are sent, and of one piece of a message larger than that.
  public static let readBatch = 256 << 10
  /// Octets hashed in one visit, so that other readers have their turn.
  public static let hashBatch = 4 << 20
  /// Octets of an answer line that the other end takes.
  public static let replyLine = 8 << 20
  /// Seconds without a byte from the server after which a command gives up.
  public static let silence = 600
}
