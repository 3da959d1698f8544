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
  /// Octets of small messages that are read in one go, while the ones before are being stored.
  public static let readAhead = 4 << 20
  /// Messages of one go.
  public static let readAheadMessages = 256
  /// Messages that a report names for each mailbox.
  public static let problems = 100
  /// Messages after which an export writes down which UIDs its files have.
  public static let messagesPerUIDList = 5000
  /// UIDs of one command that fetches from an IMAP server, and commands on the way.
  public static let fetchedAtOnce = 32
  public static let fetchWindow = 4
  /// Octets of a keyword, as in the store.
  public static let keyword = 255
  /// Seconds since 1970 that INTERNALDATE can print: the years 1 to 9999.
  public static let dates: ClosedRange<Int64> = -62_135_596_800...253_402_300_799
  /// Mailboxes of a source.
  public static let mailboxes = 10_000
  /// Levels of folders in which mbox files are looked for.
  public static let folderDepth = 16
}
