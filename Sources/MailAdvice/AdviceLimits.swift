/// Every bound of this room.
public enum AdviceLimits {
  /// Mailboxes whose messages are listed; the fullest first. The others count by what STATUS says of them.
  public static let mailboxes = 1000
  /// Messages listed in one mailbox, the newest; the rest count by STATUS or by the average. 24 octets each in memory.
  public static let messagesPerMailbox = 1_000_000
  /// Messages listed in all mailboxes together.
  public static let messages = 3_000_000
  /// Messages whose BODYSTRUCTURE is asked for, over all mailboxes.
  public static let structureSample = 2000
  /// Fewest messages of a size class in that sample, where it has so many.
  public static let structureSamplePerClass = 40
  /// Messages of a store that one visit reads.
  public static let visitSlice = 10_000
  /// UIDs of one FETCH of BODYSTRUCTURE.
  public static let structuresPerCommand = 250
  /// POP3 messages whose header is read for its date, and as many again for its length.
  public static let topSample = 200
  /// TOPs on the way at a time.
  public static let topWindow = 32
  /// Octets of a header that are kept to look for its date.
  public static let headerOctets = 262_144
  /// NOOPs to measure the round trip with.
  public static let roundTrips = 7
  /// Octets to measure the throughput with, and the time after which no more are asked for.
  public static let throughputOctets = 2 << 20
  public static let throughputTime: Duration = .seconds(3)
  /// The first piece asked for; pieces double up to `throughputLargestPiece`, so that a slow line is not filled for long.
  public static let throughputFirstPiece = 32_768
  public static let throughputLargestPiece = 524_288
  /// Fewer octets than this say more about the server's answer time than about the line.
  public static let throughputFloor = 65_536
  /// Largest messages kept in mind to measure the throughput with.
  public static let throughputMessages = 64
  /// Octets in a line of base64 with its line end (RFC 2045 §6.8): what a line of TOP is reckoned with.
  public static let octetsPerLine = 78
  /// Weeks the growth is taken from (91 days), and the weeks before them it is compared with.
  public static let recentWeeks = 13
  public static let earlierWeeks = 52
  /// Days beyond which "full in" is "never".
  public static let horizonDays = 36_525.0
  /// Sentences of one report that tell of things left out.
  public static let notes = 50
  /// Mailboxes named one by one in the text, the chart and the page.
  public static let shownMailboxes = 8
  /// Years shown one by one; older ones are put together.
  public static let shownYears = 8
  /// Characters of a name in text and chart.
  public static let shownName = 40
}
