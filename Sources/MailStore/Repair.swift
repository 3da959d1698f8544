/// What a repair may do.
public struct RepairOptions: Sendable, Hashable, Codable {
  /// Works everything out and leaves the store as it is.
  public var dryRun: Bool
  /// A folder that takes a file for each damaged message with what is left of it. Empty: none is written.
  public var salvage: String
  public init(dryRun: Bool = false, salvage: String = "") {
    self.dryRun = dryRun
    self.salvage = salvage
  }
}

/// How far a repair has come.
public struct RepairProgress: Sendable, Hashable {
  /// In the present participle: "reading packs".
  public var phase: String
  public var done: Int
  public var total: Int
  public init(phase: String, done: Int, total: Int) {
    self.phase = phase
    self.done = done
    self.total = total
  }
}

/// What a repair did, or would do.
public struct RepairReport: Sendable, Hashable, Codable {
  /// One account of the store, in words that may be passed on to its user.
  public struct AccountNews: Sendable, Hashable, Codable {
    public var name: String
    /// Messages whose rows were lost and that came back from the packs, by what is known of them.
    public var restored = 0
    /// Messages that are in the mailbox Recovered now.
    public var recovered = 0
    /// Messages of which nothing was left to bring back.
    public var lost = 0
    /// Messages whose bytes are damaged.
    public var damaged = 0
    /// Mailboxes that clients will load anew (new UIDVALIDITY).
    public var renewed: [String] = []
    /// True: the account has no password and must get one before anybody can log in.
    public var needsPassword = false
    /// Sentences: what cannot be known any more.
    public var unknown: [String] = []
    public init(name: String) { self.name = name }
  }

  /// Everything that was done, a sentence each.
  public var actions: [String] = []
  public var accounts: [AccountNews] = []
  /// Messages that cannot be read, and why, one by one.
  public var damaged: [String] = []
  /// Files with what is left of them.
  public var salvaged: [String] = []
  /// Where the files are now that were replaced.
  public var setAside: [String] = []
  /// What could not be done, and what to do about it.
  public var remaining: [String] = []
  public var isDryRun = false
  public init() {}
}

/// What is known of the state of the disk under a store.
public struct ScrubStatus: Sendable, Hashable, Codable {
  /// Octets read a second at most; 0: it does not run.
  public var rate: Int64 = 0
  /// Seconds since 1970: when the round under way began. 0: none is.
  public var roundBegun: Int64 = 0
  /// When the last whole round ended. 0: there was none yet.
  public var roundEnded: Int64 = 0
  /// Octets of packs verified in the round under way, and octets of all packs.
  public var doneBytes: Int64 = 0
  public var totalBytes: Int64 = 0
  /// When the database was last looked through, and whether it was whole.
  public var databaseChecked: Int64 = 0
  public var databaseIsSound = true
  /// Messages known to be damaged, a sentence each.
  public var damaged: [String] = []
  /// Nil: there is no search index.
  public var searchIndex: SearchIndexStatus?
  public init() {}
}

/// A store that can be mended while it runs, as far as that goes.
public protocol RepairableStore: MailStore {
  /// Isolates damaged messages and mends them where another copy is left, brings back messages that no row knows, and
  /// names what has to wait until the store is closed.
  func repairOnline(_ options: RepairOptions) async throws(StoreError) -> RepairReport
  func scrubStatus() async throws(StoreError) -> ScrubStatus
}
