/// Every bound of this room.
public enum SASLLimits {
  /// Octets of a user name or an authorization identity. RFC 4616 §2 asks for 255 at least.
  public static let name = 1024
  /// Octets of a password. RFC 4616 §2 asks for 255 at least.
  public static let password = 4096
  /// Octets of one decoded message of an exchange.
  public static let message = 9216
  /// Octets of a client's SCRAM nonce.
  public static let nonce = 512
  /// Octets of the word by which a server refuses a token.
  public static let status = 128
  /// Octets of the salt of new SCRAM keys.
  public static let newSalt = 16
  /// Octets of the secret that the salts of names without an account are derived from.
  public static let decoySecret = 32
  /// PBKDF2 rounds of new SCRAM keys (RFC 7677 §4).
  public static let newIterations = 15_000
  /// PBKDF2 rounds below which stored keys are accepted no more.
  public static let leastIterations = 1_000
  /// PBKDF2 rounds above which neither stored keys nor a server's demand are accepted (RFC 5802 §9: a big count is a
  /// denial of service).
  public static let mostIterations = 2_000_000
}
