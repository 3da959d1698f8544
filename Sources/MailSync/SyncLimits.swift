/// Every limit of this room.
public enum SyncLimits {
  /// Messages whose bodies are fetched, landed and journalled together.
  public static let batchMessages = 256
  /// Octets of such a batch. Two batches are in memory at most: one being filled, one being written into files; a third
  /// one, in files already, is made durable meanwhile.
  public static let batchOctets: Int64 = 4 << 20
  /// Batches that are being written or made durable.
  static let batchesLanding = 2
  /// Messages above this are fetched in pieces into a file that the next run goes on with.
  public static let bigMessage: Int64 = 4 << 20
  /// Octets of one such piece; after each the file is durable.
  public static let piece = 1 << 20
  /// Octets of a body that is taken as a whole because its RFC822.SIZE was wrong.
  public static let wrongSizeBody: Int64 = 64 << 20
  /// Fetch commands on the way.
  public static let window = 3
  /// Connections to one server.
  public static let connections = 3
  /// Ranges of known UIDs handed to QRESYNC; more and the server is left to know (RFC 7162 §3.2.5.2).
  public static let knownRanges = 400
  /// UIDs and ranges of one command: keeps command lines under 8 KiB (RFC 7162 §4).
  public static let setElements = 400
  /// Octets at the start of a message in which its Message-ID is looked for.
  public static let headerOctets = 64 << 10
  /// Octets of a Message-ID that are kept.
  public static let messageID = 998
  /// Messages whose flags are changed by one round.
  public static let flagBatch = 1000
  /// Messages for APPEND whose bodies are held in memory, so that no change of the file can spoil the literal.
  public static let appendInMemory = 1 << 20
  /// Messages of one pipelined APPEND.
  public static let appendMessages = 32
  public static let appendOctets = 8 << 20
  /// Messages that the server would not take, kept in mind by a daemon; and for how many seconds they are not sent again.
  public static let refusals = 10_000
  public static let refusalSeconds: Int64 = 3600
  /// Messages of a mailbox that is renamed whose sizes are compared.
  public static let renameSamples = 20
  /// Reasons for failures that a report keeps for each mailbox.
  public static let reasons = 20
  /// Reports of progress a second.
  public static let progressPerSecond = 4
  /// Octets of one piece of a part kept in the header replica.
  public static let partPiece = 256 << 10
  /// Messages whose headers are fetched and stored together.
  public static let headerBatch = 200
  /// Octets of one header of the replica.
  public static let replicaHeader = 1 << 20
  /// Seconds between the first pass that finds something in the quarantine too old and one that removes it.
  static let quarantineGrace: Int64 = 86_400
  /// Mailboxes that an error names as those there are.
  static let namesInErrors = 20
  /// Bases or UIDs bound to one SQL statement.
  public static let sqlBatch = 400
  /// Waiting time before the first reconnection, and the longest.
  public static let firstBackoff: Duration = .seconds(2)
  public static let longestBackoff: Duration = .seconds(300)
  /// Between two passes of a daemon.
  public static let afterPass: Duration = .seconds(1)
  /// IDLE is renewed before servers may end it (RFC 2177: at least every 29 minutes).
  public static let idle: Duration = .seconds(28 * 60)
  /// NOOP in place of IDLE.
  public static let poll: Duration = .seconds(60)
}
