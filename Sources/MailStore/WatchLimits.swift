/// What a watch remembers between two looks; see `AccountWatch`.
public enum WatchLimits {
  /// Touched mailboxes that it names, 8 octets each. Beyond, it shows the whole account.
  public static let mailboxes = 256
  /// Annotations that it names. Beyond, it says that it has missed some.
  public static let annotations = 1024
}
