/// Every fixed bound of backup and restore.
public enum BackupLimits {
  /// Pages of a database that are copied between two looks at whether to stop.
  public static let pagesPerStep: Int32 = 256
  /// Octets that stay free on a disk that is written to.
  public static let freeAtLeast: Int64 = 4 << 20
  /// Octets of a manifest.
  public static let manifest = 256 << 20
  /// Octets between two reports of progress.
  public static let progressStep: Int64 = 4 << 20
  /// Descriptors of packs that are open while one account is read from a backup.
  public static let openPacks = 32
  /// Octets of a message that is held in memory while it is restored; larger ones come in pieces.
  public static let wholeMessage = 1 << 20
}
