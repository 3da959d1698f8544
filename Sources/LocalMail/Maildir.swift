public import NIOCore
public import NIOPosix

/// Flags in a Maildir file name, and keywords by their letters (`a` to `z`, named in `dovecot-keywords`).
public struct MaildirFlags: Sendable, Hashable {
  /// Letters of the standard: D draft, F flagged, P passed, R replied, S seen, T trashed.
  public var draft = false
  public var flagged = false
  public var passed = false
  public var replied = false
  public var seen = false
  public var trashed = false
  /// Names.
  public var keywords: [String] = []
  public init() {}
}

/// One message file of a Maildir folder.
public struct MaildirEntry: Sendable, Hashable {
  /// What stands before `:2,`; unique in the folder, kept through changes of flags.
  public var base: String
  /// Whole file name, as it is now.
  public var fileName: String
  /// In `new` (never looked at) rather than `cur`.
  public var isNew: Bool
  public var flags: MaildirFlags
  /// `S=` of the name, or from stat: octets of the file.
  public var size: Int64
  /// Modification time, seconds since 1970: INTERNALDATE.
  public var date: Int64
  public init(base: String, fileName: String, isNew: Bool, flags: MaildirFlags, size: Int64, date: Int64) {
    self.base = base
    self.fileName = fileName
    self.isNew = isNew
    self.flags = flags
    self.size = size
    self.date = date
  }
}

/// A Maildir++ tree: the root folder is INBOX, others are `.Name.Sub` beside it, as Dovecot and Courier keep them
/// (names in modified UTF-7, `.` between levels).
public struct MaildirTree: Sendable {
  public let root: String
  public init(root: String) { self.root = root }

  /// Creates the root with `cur`, `new`, `tmp` if it is not there; synced.
  public func create() throws(LocalMailError) { fatalError() }
  /// Paths of mailboxes, INBOX as `["INBOX"]`.
  public func folders() throws(LocalMailError) -> [[String]] { fatalError() }
  public func folder(_ path: [String]) -> MaildirFolder { fatalError() }
  public func createFolder(_ path: [String]) throws(LocalMailError) -> MaildirFolder { fatalError() }
  /// Children go along.
  public func renameFolder(_ path: [String], to newPath: [String]) throws(LocalMailError) { fatalError() }
  /// Refuses a folder that holds messages unless `withMail`.
  public func deleteFolder(_ path: [String], withMail: Bool) throws(LocalMailError) { fatalError() }
  /// Names in `subscriptions`, one a line, as paths.
  public func subscriptions() throws(LocalMailError) -> [[String]] { fatalError() }
  public func setSubscriptions(_ paths: [[String]]) throws(LocalMailError) { fatalError() }
}

/// One folder. Calls block: not for an event loop.
public struct MaildirFolder: Sendable, Hashable {
  public let directory: String
  public init(directory: String) { self.directory = directory }

  /// All messages of `new` and `cur`; files being renamed while it looks are seen once.
  public func scan() throws(LocalMailError) -> [MaildirEntry] { fatalError() }
  /// The path of a message's file now, or nil: others may rename it at any time.
  public func path(of entry: MaildirEntry) -> String { fatalError() }
  public func find(base: String) throws(LocalMailError) -> MaildirEntry? { fatalError() }
  /// Renames to show these flags (new keywords get letters; beyond 26 they are left out and named in the result).
  /// Moves out of `new` into `cur`. The folder is not synced: see `sync()`.
  public func setFlags(_ flags: MaildirFlags, of entry: MaildirEntry) throws(LocalMailError) -> (
    entry: MaildirEntry, unkept: [String]
  ) { fatalError() }
  /// To another folder of the same file system, by rename; synced by `sync()` of both.
  public func move(_ entry: MaildirEntry, to folder: MaildirFolder) throws(LocalMailError) -> MaildirEntry { fatalError() }
  public func remove(_ entry: MaildirEntry) throws(LocalMailError) { fatalError() }
  public func fingerprint(of entry: MaildirEntry) throws(LocalMailError) -> Fingerprint { fatalError() }
  /// The bytes in pieces, with LF as CRLF, as they go into APPEND; and how many that will be.
  public func wireSize(of entry: MaildirEntry) throws(LocalMailError) -> Int { fatalError() }
  public func openWire(_ entry: MaildirEntry) throws(LocalMailError) -> WireReader { fatalError() }
  /// `new` and `cur` are durable.
  public func sync() throws(LocalMailError) { fatalError() }
}

/// Reads a message file in pieces with CRLF line ends. Blocks.
public final class WireReader {
  init() {}
  public func next() throws(LocalMailError) -> ByteBuffer? { fatalError() }
}

/// How message files are written.
public struct LandingSettings: Sendable {
  /// CRLF becomes LF, as Maildir readers expect; false keeps the bytes of the wire.
  public var convertsToLF = true
  /// After the sync the file's pages are dropped and the bytes are read from the disk again.
  public var readsBackFromDisk = true
  public init() {}
}

/// A message written into `tmp`, not durable yet.
public struct StagedFile: Sendable, Hashable {
  public var temporaryPath: String
  public var fingerprint: Fingerprint
  /// SHA-256 of the file's own bytes.
  public var fileHash: [UInt8]
  /// Octets of the file.
  public var size: Int64
  /// Octets as they came.
  public var wireSize: Int64
  public var flags: MaildirFlags
  public var date: Int64?
  /// Chosen at staging: what the base of the file name will be.
  public var base: String
  public var isNew: Bool
}

/// Writes many messages into one folder and makes them durable together. Order: bytes into `tmp`; all files synced; each
/// renamed into `new` or `cur`; folder synced; each read again and compared with its hash; only then do they count.
public final class MaildirLanding: Sendable {
  public init(folder: MaildirFolder, settings: LandingSettings, threads: NIOThreadPool) { fatalError() }

  /// Writes a whole message on a worker thread.
  public func stage(_ message: ByteBuffer, flags: MaildirFlags, isNew: Bool, date: Int64?) async throws -> StagedFile {
    fatalError()
  }
  /// For messages too large to hold. `resuming`: goes on with a file of `tmp` that an earlier run left (see `Partial`).
  public func begin(flags: MaildirFlags, isNew: Bool, date: Int64?) async throws -> StagedStream { fatalError() }
  /// All or none is not promised: what is returned is durable and verified, the rest was not renamed.
  public func commit(_ files: [StagedFile]) async throws -> [MaildirEntry] { fatalError() }
  /// Removes a staged file.
  public func discard(_ file: StagedFile) { fatalError() }
}

/// A large message on its way into `tmp`. One task at a time.
public final class StagedStream: Sendable {
  init() {}
  public func append(_ bytes: ByteBuffer) async throws { fatalError() }
  public func finish() async throws -> StagedFile { fatalError() }
  public func discard() async { fatalError() }
}
