import IMAPCore

/// Every bound of this room.
public enum IMAPClientLimits {
  /// Octets of a section of FETCH that comes whole; larger ones come in pieces.
  public static let whole = 1 << 20
  /// Octets of a command line that we send, literals apart; sets are split to fit. RFC 7162 §4 asks servers for 8192.
  public static let commandLine = 7000
  /// Changes nobody asked for that wait for `events()`. Beyond, the connection ends: whoever does not look for so long
  /// has to compare anew.
  public static let events = 100_000
  /// Messages that SELECT says have changed. Beyond, the connection ends.
  public static let resynced = 4_000_000
  /// Mailboxes of one LIST. Beyond, the connection ends.
  public static let mailboxes = 200_000
  /// Quota roots and resources of one answer. Beyond, they are left out.
  public static let quotas = 1000
  /// UIDs a SEARCH may find. Beyond, the connection ends.
  public static let found = 4_000_000
  /// STATUS commands on the way at a time.
  public static let statusWindow = 32
  /// STORE, COPY and MOVE commands on the way at a time.
  public static let storeWindow = 8
  /// Pieces of one FETCH set on the way at a time.
  public static let fetchWindow = 4
  /// APPEND commands on the way at a time, where the server does not have to be asked for each literal.
  public static let appendWindow = 16
  /// Octets of messages in them.
  public static let appendWindowOctets = 4 << 20
  /// Octets of a message collected before they are handed to the connection.
  public static let appendPiece = 64 << 10
  /// Ranges of known UIDs that SELECT tells a server; more are left to it (RFC 7162 §3.2.5.1).
  public static let knownRanges = 300
  /// IDLE is begun anew after this long: servers may end it after 30 minutes (RFC 9051 §6.3.13).
  public static let idleRenewal = Duration.seconds(25 * 60)
  /// A server that ends IDLE by itself before this is asked by NOOP instead.
  public static let shortestIdle = Duration.seconds(5)
  /// How long a server may take to say goodbye.
  public static let logout = Duration.seconds(5)
  /// Challenges of one AUTHENTICATE.
  public static let challenges = 16
  /// Octets of a challenge, in base64.
  public static let challenge = 64 << 10

  static var responses: ResponseLimits {
    var limits = ResponseLimits.standard
    limits.whole = Int64(whole)
    limits.numbers = found
    return limits
  }
}
