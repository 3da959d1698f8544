/// Every bound of this room. What a line may have is bounded in `POP3Limits`.
public enum POP3ClientLimits {
  /// Octets of a message up to which it is handed out as one buffer; a longer one comes in pieces.
  public static let whole = 1 << 20
  /// Expected octets on the way: commands are sent ahead until the answers to them reach this.
  public static let windowOctets: Int64 = 4 << 20
  /// Commands on the way, whatever the caller asks for.
  public static let windowCommands = 1024
  /// What a message counts at least in `windowOctets`, for sizes that are not known.
  static let leastOctets: Int64 = 512
  /// What a line of TOP is taken to have, in `windowOctets`.
  static let octetsOfLine: Int64 = 80
  /// What a header is taken to have at most, in `windowOctets`.
  static let octetsOfHeader: Int64 = 8 << 10
  /// Octets of the answers to LIST and UIDL, each.
  public static let listing = 128 << 20
  /// Messages of a listing.
  public static let messages = 2_000_000
  /// Octets of the answer to CAPA.
  public static let capabilities = 64 << 10
  /// Characters of the server's text in an error.
  public static let errorText = 400
  /// Challenges of one login.
  static let challenges = 8
}
