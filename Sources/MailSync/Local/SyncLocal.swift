public import LocalMail
public import NIOCore

/// Where message files are.
public enum LocalPlace: Sendable, Hashable {
  /// Levels of a folder, INBOX as `["INBOX"]`.
  case folder([String])
  /// A day's folder of the quarantine.
  case quarantine(day: String)
}

/// A message file.
public struct LocalMessage: Sendable, Hashable {
  public var entry: MaildirEntry
  public var flags: SyncFlags
  public init(_ entry: MaildirEntry) {
    self.entry = entry
    self.flags = SyncFlags(entry.flags)
  }
  public var base: String { entry.base }
}

/// What a file's bytes say.
public struct LocalFacts: Sendable, Hashable {
  public var fingerprint: Fingerprint
  /// Octets with CRLF.
  public var wireSize: Int64
  public var messageID: String?
  /// Seconds since 1970.
  public var date: Int64
  public init(fingerprint: Fingerprint, wireSize: Int64, messageID: String?, date: Int64) {
    self.fingerprint = fingerprint
    self.wireSize = wireSize
    self.messageID = messageID
    self.date = date
  }
  var contentKey: ContentKey? { messageID.map { ContentKey(size: wireSize, messageID: $0, seconds: date) } }
}

/// A message on its way into a file.
public struct Incoming: Sendable {
  public var bytes: ByteBuffer
  public var flags: SyncFlags
  /// Seconds since 1970.
  public var date: Int64?
  public init(bytes: ByteBuffer, flags: SyncFlags, date: Int64?) {
    self.bytes = bytes
    self.flags = flags
    self.date = date
  }
}

/// A file opened for APPEND: its bytes stay the same whatever happens to its name.
public struct LocalSource: Sendable {
  public var size: Int
  public var next: @Sendable () async throws -> ByteBuffer?
  public init(size: Int, next: @escaping @Sendable () async throws -> ByteBuffer?) {
    self.size = size
    self.next = next
  }
}

/// The local side of a sync. `MaildirLocal` is the real one. Calls that change something are durable when they return,
/// except `stage`. Files that are gone are left out of results: others work on these folders too.
public protocol SyncLocal: Sendable {
  /// For messages to people.
  var path: String { get }

  // MARK: The root
  /// The mark of the root; nil: there is none, or no root.
  func mark() async throws -> String?
  /// Creates the root where it is missing, and writes the mark.
  func setMark(_ mark: String) async throws

  // MARK: Folders
  func folders() async throws -> [[String]]
  func createFolder(_ path: [String]) async throws
  /// Children go along.
  func renameFolder(_ path: [String], to newPath: [String]) async throws
  /// Refuses a folder with messages.
  func deleteFolder(_ path: [String]) async throws
  func subscriptions() async throws -> [[String]]
  func setSubscriptions(_ paths: [[String]]) async throws

  // MARK: Messages
  func scan(_ place: LocalPlace) async throws -> [LocalMessage]
  /// Of what is there now; nil where it cannot be had.
  func digest(_ place: LocalPlace) async throws -> FolderDigest?
  /// Of a folder that holds exactly these.
  func digest(of messages: [LocalMessage], in place: LocalPlace) async throws -> FolderDigest?
  /// By base.
  func facts(_ messages: [LocalMessage], in place: LocalPlace) async throws -> [String: LocalFacts]
  /// What each has afterwards, by base: keywords that found no letter are missing.
  func setFlags(_ changes: [(LocalMessage, SyncFlags)], in place: LocalPlace) async throws -> [String: SyncFlags]
  /// By old base.
  func move(_ messages: [LocalMessage], from: LocalPlace, to: LocalPlace) async throws -> [String: LocalMessage]
  func remove(_ messages: [LocalMessage], from place: LocalPlace) async throws
  func source(_ message: LocalMessage, in place: LocalPlace) async throws -> LocalSource?

  // MARK: New messages
  /// Writes without making it durable. An element for each message, in order.
  func stage(_ messages: [Incoming], in place: LocalPlace) async throws -> [StagedFile]
  /// A big message from a file of wire octets.
  func stage(file: String, flags: SyncFlags, date: Int64?, in place: LocalPlace) async throws -> StagedFile
  /// What is returned is durable and verified; by base.
  func commit(_ files: [StagedFile], in place: LocalPlace) async throws -> [String: LocalMessage]
  func discard(_ files: [StagedFile], in place: LocalPlace) async

  // MARK: Waiting
  /// Differs when something has changed since the last call.
  func changeStamp() async throws -> UInt64
}

extension SyncLocal {
  public func digest(_ place: LocalPlace) async throws -> FolderDigest? { nil }
  public func digest(of messages: [LocalMessage], in place: LocalPlace) async throws -> FolderDigest? { nil }
}
