/// Every fixed bound of import and export.
public enum TransferLimits {
  /// Messages that go into the store in one transaction.
  public static let messagesPerAppend = 256
  /// Octets of messages that go into the store in one transaction, unless it is a single message.
  public static let bytesPerAppend = 8 << 20
  /// Larger messages are not held in memory, and go alone.
  public static let wholeMessage = 1 << 20
  /// Octets of one piece of a message that is not held.
  public static let piece = 256 << 10
  /// Messages described in one page.
  public static let page = 1000
  /// Messages whose fingerprints are asked for at a time.
  public static let fingerprintsAtOnce = 1000
  /// Messages asked for in one reading.
  public static let readAtOnce = 2000
}
