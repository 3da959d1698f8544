/// Every bound of this room.
public enum PullLimits {
  // MARK: Receiving

  /// RETR commands on the way at once: some milliseconds' worth for a fast server, so that a long line stays full. What
  /// they ask for is bounded by `POP3ClientLimits.windowOctets` as well.
  public static let window = 512
  /// A batch is full at so many messages, or at `batchOctets`. Two batches are in memory at most: one being received,
  /// one being written into files; a third one, in files already, is made durable meanwhile. For targets that hold what
  /// they are given until it lands it is in memory too.
  public static let batchMessages = 256
  public static let batchOctets = 5 << 20
  /// Batches that are being staged or made durable.
  static let batchesLanding = 2
  /// Lines of body that TOP asks for, and that the hash beside the fingerprint covers.
  public static let topLines = 20
  /// Of a message's beginning, looked at for its header and `topLines`; a longer one has no such hash.
  public static let topOctets = 256 << 10
  /// Of a Message-ID, kept in the journal; a longer one counts as none.
  public static let messageIDOctets = 998

  // MARK: Trying again

  /// Attempts that brought nothing further, in a row, before a run gives up.
  public static let attempts = 5
  public static let firstPause = Duration.seconds(1)
  public static let longestPause = Duration.seconds(60)
  /// A LOGIN-DELAY (RFC 2449 §6.5) up to this is waited for; beyond it the rest is left to the next run.
  public static let loginDelayWaited = 60
  /// Failures of single messages that a report names; the others are only counted.
  public static let failuresNamed = 1000
  public static let warningsNamed = 100

  // MARK: Journal

  /// How long a message that is gone from the server is remembered, in days. A UIDL that comes back within this time is
  /// compared with what was there.
  public static let goneDays: Int64 = 180
  public static let busySeconds = 10

  // MARK: Targets

  /// Files looked up one by one up to here; beyond it the folder is read once.
  public static let singleLooks = 8
  /// Octets of each message that the note before an append to an mbox keeps; the note as a whole; and a From line.
  public static let mboxBeginning = 256
  public static let mboxNote = 64 << 20
  public static let mboxFromLine: Int64 = 1024
  /// Output of a delivery command that an error may quote, octets; the rest is read and thrown away.
  public static let pipeOutput = 4 << 10
  public static let pipeTime = Duration.seconds(300)
  /// Read and written at once when a message goes through a file.
  public static let chunk = 128 << 10

  // MARK: Configuration

  public static let configurationOctets = 1 << 20
  public static let accounts = 1000
  public static let nameOctets = 255

  // MARK: Progress

  /// Between two events of one account.
  public static let progressPause = Duration.milliseconds(200)
}
