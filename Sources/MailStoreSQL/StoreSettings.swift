public import BlobStore
public import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What an administrator may set. Fixed bounds stand in `StoreLimits`.
public struct StoreSettings: Sendable {
  /// How message bytes are stored.
  public var packs: PackSettings
  /// Holds for accounts whose own bound is nil.
  public var defaultQuota: QuotaLimits
  /// Octets of one message without trace headers.
  public var maximumMessageBytes: Int
  /// Threads that read. Two keep two cores busy.
  public var readerThreads: Int
  /// Threads that parse and compress mail on its way in.
  public var prepareThreads: Int
  /// Days that an expunged message's bytes are kept for undelete. 0: until the next round of upkeep.
  public var expungedRetentionDays: Int
  /// Days that the expunge log remembers UIDs (RFC 7162 §5).
  public var expungeLogDays: Int
  /// Seconds between two rounds of upkeep (purge, compaction). 0: only when `compact()` is called.
  public var upkeepInterval: Int
  /// A pack with more than this share of dead bytes (0 to 1) is rewritten.
  public var deadShare: Double
  /// Entries of mailboxes that nobody has open and that stay in memory for the next SELECT, 24 octets each. Where there are more,
  /// those of large mailboxes are packed, and eight count as one.
  public var cachedViewEntries: Int
  /// How flags are kept together; tests set it.
  public var flagChunks = FlagChunkSizes()
  /// How what is kept of messages is brought together; tests set it.
  public var contentChunks = ContentChunkSizes()
  /// Octets of free space on the volume below which no new mail is taken. 0: until the disk is full.
  public var freeSpaceFloor: Int64
  /// Called once, from a thread of the store, when a sync has failed: nothing is written any more until the store is
  /// opened anew. It must only schedule work.
  public var onFailure: @Sendable (StoreError) -> Void
  /// Octets a second that the scrubber reads. 0: it does not run.
  public var scrubRate: Int64
  /// Seconds between the end of one round of the scrubber and the beginning of the next.
  public var scrubInterval: Int
  public var searchIndexing: SearchIndexing
  /// Milliseconds between two looks for mail that the search index lacks.
  public var searchIndexPause: Int
  /// Seconds since 1970. Tests set it.
  public var now: @Sendable () -> Int64
  /// Seconds since whenever, running evenly whatever is done to the date. Tests that set `now` need not set it: then
  /// `now` is believed.
  public var steady: @Sendable () -> Int64

  public init(
    packs: PackSettings = PackSettings(), defaultQuota: QuotaLimits = QuotaLimits(),
    maximumMessageBytes: Int = 100 << 20, readerThreads: Int = 2, prepareThreads: Int = 2,
    expungedRetentionDays: Int = 0, expungeLogDays: Int = 30, upkeepInterval: Int = 60, deadShare: Double = 0.5,
    cachedViewEntries: Int = 1_000_000, freeSpaceFloor: Int64 = 0, scrubRate: Int64 = 0,
    scrubInterval: Int = 7 * 86_400, searchIndexing: SearchIndexing = .kept, searchIndexPause: Int = 1000,
    onFailure: @escaping @Sendable (StoreError) -> Void = { _ in },
    now: (@Sendable () -> Int64)? = nil, steady: (@Sendable () -> Int64)? = nil
  ) {
    self.packs = packs
    self.defaultQuota = defaultQuota
    self.maximumMessageBytes = maximumMessageBytes
    self.readerThreads = readerThreads
    self.prepareThreads = prepareThreads
    self.expungedRetentionDays = expungedRetentionDays
    self.expungeLogDays = expungeLogDays
    self.upkeepInterval = upkeepInterval
    self.deadShare = deadShare
    self.cachedViewEntries = cachedViewEntries
    self.freeSpaceFloor = freeSpaceFloor
    self.scrubRate = scrubRate
    self.scrubInterval = scrubInterval
    self.searchIndexing = searchIndexing
    self.searchIndexPause = searchIndexPause
    self.onFailure = onFailure
    self.now = now ?? Clock.seconds
    self.steady = steady ?? now ?? Clock.steadySeconds
  }
}

/// The system's clocks.
public enum Clock {
  /// Runs on evenly whatever is done to the system's date, also while the machine sleeps.
  @Sendable public static func steadySeconds() -> Int64 {
    var time = timespec()
    #if canImport(Glibc)
      clock_gettime(CLOCK_BOOTTIME, &time)
    #else
      clock_gettime(CLOCK_MONOTONIC, &time)
    #endif
    return Int64(time.tv_sec)
  }

  /// Runs on evenly whatever is done to the system's date.
  @Sendable static func milliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// Seconds since 1970.
  @Sendable public static func seconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec)
  }
}
