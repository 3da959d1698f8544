/// Every fixed bound of the store in one place. What an administrator may set stands in `StoreSettings`.
public enum StoreLimits {
  /// Mailboxes of one account, INBOX and `\Noselect` names included.
  public static let mailboxesPerAccount = 10_000
  /// Keywords of one mailbox; each has a bit in a 64-bit column.
  public static let keywordsPerMailbox = 64
  /// Octets of one keyword.
  public static let keywordBytes = 255
  /// Octets of a mailbox name in UTF-8, all levels together.
  public static let mailboxNameBytes = 1000
  /// Levels of a mailbox name.
  public static let mailboxDepth = 32
  /// Accounts that one mailbox is shared with, each a row of its access control list.
  public static let grantsPerMailbox = 1_000
  /// Octets of an account name.
  public static let accountNameBytes = 255
  /// Header lines put before a message for one recipient, in octets.
  public static let traceBytes = 64 << 10
  /// Writes that share one commit at most, so that the first of them does not wait too long.
  public static let jobsPerCommit = 512
  /// A STORE or EXPUNGE over more rows than this is done in parts of this size, deliveries going between them.
  public static let rowsPerSlice = 20_000
  /// Rows of a MOVE, or of a RENAME of INBOX, between which others may write. They are written one by one.
  public static let rowsPerMove = 4096
  /// Messages of one COPY, which must be of one piece (RFC 9051 §6.4.7) and so holds up all others.
  public static let copiedMessages = 100_000
  /// Messages of a chunk of flags (see `FlagTable`); as many as a chunk of a snapshot has, so that SELECT makes the one of
  /// the other. More would make a STORE on one message write more than a page.
  public static let flagChunk = 1024
  /// Messages with their flags in rows of their own from which on a delivery makes chunks of them.
  public static let looseFlags = 2048
  /// A STORE on so many of them makes chunks first.
  public static let leastFlagChunk = 64
  /// Messages of a chunk of contents (see `ContentSealing`). Of 128 a message takes 7 % less, and one that
  /// is looked for alone has twice as much decompressed.
  public static let contentChunk = 64
  /// Newest messages of an account that keep what FETCH asks for in a row each.
  public static let looseContents = 96
  /// Octets of that of one message, beyond which it keeps its row.
  public static let sealedContentOctets = 16 << 10
  /// Messages of such a chunk that are believed.
  public static let believedContentChunk = 1 << 16
  /// Octets of one column of such a chunk that are believed.
  public static let believedContentColumn = 64 << 20
  /// A POP3 session of a larger maildrop is let in when its totals are known, before its messages are.
  public static let maildropAtOnce = 1024
  /// Blob numbers between two writes of the next one; so many are skipped after a start.
  static let blobNumbers: Int64 = 1024
  /// Expunged messages whose bytes are let go in one transaction.
  public static let purgeSlice = 1_000
  /// Places looked at for messages to train a dictionary from, and octets of the largest that is taken.
  static let dictionarySamples = 4096
  static let dictionarySample: Int64 = 1 << 20
  /// Octets of packs without a dictionary that are written anew of the store's own accord once there is one (or two packs', if
  /// that is less).
  static let rewrittenPlain: Int64 = 256 << 20
  /// Packs with more dictionary than mail from which on their mail is brought together in one.
  static let packsOfDictionary = 8
  /// Frames that a compaction copies between two transactions.
  public static let compactionSlice = 256
  /// A pack still written to is closed for rewriting, by the background upkeep, only from this size on.
  public static let rolledPackBytes: Int64 = 1 << 20
  /// Message identifiers of one message that are looked up for its thread, its own included.
  public static let threadReferences = 24
  /// Deleted messages that one listing tells of, the latest first.
  public static let listedDeleted = 5_000
  /// Characters of a subject or sender in such a listing.
  public static let listedFieldCharacters = 200
  /// Seconds between two walks over the expunge log for lines that are too old.
  public static let expungeLogTrimInterval: Int64 = 6 * 3600
  /// Seconds by which the date may run ahead of the even clock; more is a jump (see `AgeClock`), less the work of a time
  /// daemon.
  public static let dateTolerance: Int64 = 3600
  /// Seconds that the store was not open and that still count for the age of mail; more is a jump. Nobody can tell one from
  /// the other.
  public static let absence: Int64 = 86_400
  /// Seconds after which a date that was set back is believed. Until then a step forward is a return.
  public static let datePatience: Int64 = 86_400
  /// Jumps that are remembered; beyond, the oldest are joined, and the time between them is left out as well.
  public static let dateJumps = 64
  /// Milliseconds between two looks at the free space of the volume.
  public static let freeSpaceInterval: Int64 = 1000
  /// Octets of new mail after which it is looked at before that.
  public static let freeSpaceOctets: Int64 = 8 << 20

  /// Problems that one check, and damaged messages that one repair, names one by one; the others are counted.
  public static let namedProblems = 1000
  /// Octets of a pack that the scrubber verifies between two looks at whether the store is closing.
  public static let scrubStep: Int64 = 1 << 20
  /// Seconds between two notes of how far the scrubber has come.
  public static let scrubNoteInterval: Int64 = 60
  /// Octets of a message that a repair compresses anew to mend its frame; larger ones stay isolated.
  public static let mendedMessage = 256 << 20

  /// Highest UIDVALIDITY that an import may bring along: millions of values are left for new mailboxes.
  public static let importedUIDValidity = UInt32.max - (1 << 24)
  /// Account numbers stay below this, so that account and content number fit one 63-bit key.
  public static let accounts: Int64 = 1 << 27
  /// Content numbers of one account stay below this.
  public static let contentsPerAccount: Int64 = 1 << 36
  /// Messages of mailboxes that were searched whose contents are remembered, 12 octets each, and mailboxes.
  public static let mappedMessages = 1_000_000
  public static let mappedMailboxes = 10_000
  /// Texts of one SEARCH that the search index is asked for.
  public static let narrowedTerms = 16
  /// Messages that the indexer reads in one transaction.
  public static let indexedContents = 64
  /// Messages that come in a second beyond which the indexer waits, and how many looks in a row it does so.
  public static let searchIndexBusy: Int64 = 500
  public static let searchIndexGivesWay = 10
  /// Octets that must be free beyond `store.free-space-floor` for the indexer to go on.
  public static let searchIndexSpace: Int64 = 16 << 20
  /// Milliseconds after which the indexer tries again what failed.
  public static let searchIndexRetry = 30_000
  /// Milliseconds between two looks for messages in the search index that are gone, and segments looked at each time.
  public static let searchIndexSweep: Int64 = 60_000
  public static let sweptSegments = 32
  /// Groups of rows that are looked at for one chunk, where some are too few or too long.
  public static let sealingLooks = 4
  /// Chunks of contents that one commit makes.
  public static let sealsPerCommit = 8
  /// Octets of a volume's database that are asked for from the disk when it is opened.
  public static let readAhead = 64 << 20
  /// Accounts whose counters and mailboxes the writer keeps in memory while it has work.
  public static let warmAccounts = 2_000
  /// Milliseconds without work after which a thread of the store gives up memory that it can do without.
  public static let quiet = 1_000
  /// Milliseconds that `compact` waits for the search index to let go of what is gone.
  public static let searchIndexPatience = 10_000
}
