/// Every limit of this room.
public enum LocalMailLimits {
  /// Octets a piece of a file that is read, written or handed out at once.
  public static let piece = 256 * 1024
  /// Octets a message is written in at once; a smaller one is one write.
  public static let largestWrite = 1024 * 1024
  /// Octets a stream collects before it goes to a worker thread.
  public static let streamBuffer = 128 * 1024
  /// Files that are synced or read back side by side. More than there are threads: syncs wait for the disk, not the CPU.
  public static let parallelFiles = 8

  /// Keywords of a Maildir folder: letters `a` to `z`.
  public static let keywords = 26
  /// Listings until one was not disturbed by others who rename; then what was seen counts.
  public static let listings = 5
  /// A folder changed less than this before it was listed may have changed again without its time showing it.
  public static let listingQuiet: Int64 = 20_000_000
  /// Times that a file is looked for again when others rename it.
  public static let renames = 5
  /// Seconds after which a file in `tmp` belongs to nobody: 36 hours, as the Maildir description has it.
  public static let temporaryAge: Int64 = 36 * 3600
  /// Octets of a file name on every usual file system; what is longer is refused before the disk does.
  public static let fileName = 255
  /// Levels of directories that are removed with a folder.
  public static let folderDepth = 16

  /// Seconds after which a lock file counts as left over, as Dovecot has it for `dovecot-uidlist.lock`.
  public static let staleLock: Int64 = 120
  /// Octets of a lock file in which its holder is looked for.
  public static let lockText = 512
  /// Seconds to wait for a lock that another process holds.
  public static let lockWait: Int64 = 30
  /// Microseconds between two looks at it.
  public static let lockPause: UInt32 = 20_000

  /// Octets a line of `dovecot-uidlist`, `dovecot-keywords`, `subscriptions` and the like.
  public static let listLine = 16 * 1024

  /// Octets of the header of an mbox message in which `Status:` and its kin are looked for.
  public static let mboxHeader = 256 * 1024
  /// Octets that are first read of an mbox message, most of which are small; then four times as many, up to `piece`.
  public static let mboxWindow = 16 * 1024
  /// Octets of a From line.
  public static let fromLine = 1024
}
