/// Every limit of compressed connections on the server's side (RFC 4978).
public enum CompressionLimits {
  /// zlib's level for what goes out. On mail 3 takes off nearly what 6 does, for less than half of the work.
  static let level: Int32 = 3
  /// History that what goes out may refer to, as a power of two (32 KiB), and zlib's measure of its other tables.
  static let window: Int32 = 15
  static let memory: Int32 = 8
  /// Octets that a deflater of these takes: 2^(window + 2) + 2^(memory + 9). A connection has one while it is busy.
  public static let deflaterOctets = 256 << 10
  /// Deflaters at a time in the process. A connection that gets none sends its answers as they are, in stored blocks.
  public static let deflaters = 128
  /// Without a deflater at hand, so many octets go out in a stored block: a line of news from IDLE needs none.
  static let storedOutright = 160
  /// Octets inflated at a time.
  static let inflatedPiece = 16 << 10
  /// Pieces inflated before the others of the loop have their turn.
  static let piecesPerTurn = 64
  /// DEFLATE makes up to 1032 octets of one, mail and commands about ten. Beyond this many for one, and what the session
  /// allows on top, it is no longer taken for mail.
  static let ratio = 200
  /// What one stored block holds (RFC 1951 §3.2.4).
  static let storedBlock = 65_535
}
