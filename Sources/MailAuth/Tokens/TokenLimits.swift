/// Every limit of logins by token.
public enum TokenLimits {
  /// Octets of a token. What carries it has its own limit (`SASLLimits.message`).
  public static let token = 8 << 10
  /// Octets of a document of keys (RFC 7517 §5).
  public static let document = 1 << 20
  /// Keys of a document that are looked at; each stands for as many as it has algorithms.
  public static let keys = 100
  /// Octets of a key's name (`kid`).
  public static let keyName = 512
  /// Between two readings of the document because a token names a key that is not in it.
  static let refetch: Duration = .seconds(60)
  /// Keys that can't be read anew are used for so long after they ought to have been.
  static let stale: Duration = .seconds(24 * 3600)
  /// Octets of the claim that names the account.
  public static let claim = 1024
}
