import Bytes
public import LocalMail
import NIOCore
public import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A Maildir++ tree as the local side of a sync. Blocking work runs on the threads given.
///
/// The quarantine is a Maildir a day below `merpati-quarantine`, so that a message goes there and back by one rename. A dot
/// before that name would make it a mailbox to every IMAP server that serves the tree: one click there, and it is gone.
public final class MaildirLocal: SyncLocal {
  static let quarantineName = "merpati-quarantine"

  public let tree: MaildirTree
  public let settings: LandingSettings
  let threads: NIOThreadPool
  private let landings = Mutex<[LocalPlace: MaildirLanding]>([:])

  /// - settings: `owner` names the files in `tmp`, so that a later run can remove what this one left there.
  public init(tree: MaildirTree, settings: LandingSettings, threads: NIOThreadPool) {
    self.tree = tree
    self.settings = settings
    self.threads = threads
  }

  public var path: String { tree.root }

  /// Runs blocking work on a thread of the pool.
  func blocking<Value: Sendable>(_ body: @escaping @Sendable (MaildirLocal) throws -> Value) async throws -> Value {
    try await threads.runIfActive { try body(self) }
  }

  func folder(_ place: LocalPlace) -> MaildirFolder {
    switch place {
    case .folder(let path): tree.folder(path)
    case .quarantine(let day): MaildirFolder(directory: directory(day))
    }
  }

  private func directory(_ day: String) -> String { "\(tree.root)/\(Self.quarantineName)/\(day)" }

  /// A day whose last message is gone.
  private func removeIfEmpty(_ place: LocalPlace) {
    guard case .quarantine(let day) = place else { return }
    // rmdir refuses what is not empty.
    for name in ["tmp", "new", "cur"] { rmdir("\(directory(day))/\(name)") }
    rmdir(directory(day))
    landings.withLock { $0[place] = nil }
  }

  private func prepare(_ place: LocalPlace) throws {
    if case .quarantine(let day) = place { try MaildirTree(root: directory(day)).create() }
  }

  private func exists(_ place: LocalPlace) -> Bool {
    guard case .quarantine(let day) = place else { return true }
    return SmallFile.exists("\(directory(day))/cur")
  }

  // MARK: Folders

  public func folders() async throws -> [[String]] {
    try await blocking { try $0.tree.folders() }
  }

  public func createFolder(_ path: [String]) async throws {
    try await blocking { _ = try $0.tree.createFolder(path) }
  }

  public func renameFolder(_ path: [String], to newPath: [String]) async throws {
    try await blocking { try $0.tree.renameFolder(path, to: newPath) }
    landings.withLock { $0 = [:] }
  }

  public func deleteFolder(_ path: [String]) async throws {
    try await blocking { try $0.tree.deleteFolder(path, withMail: false) }
    landings.withLock { $0[.folder(path)] = nil }
  }

  public func subscriptions() async throws -> [[String]] { try await blocking { try $0.tree.subscriptions() } }

  public func setSubscriptions(_ paths: [[String]]) async throws {
    try await blocking { try $0.tree.setSubscriptions(paths) }
  }

  // MARK: Messages

  public func scan(_ place: LocalPlace) async throws -> [LocalMessage] {
    try await blocking { local in
      local.exists(place) ? try local.folder(place).scan().map(LocalMessage.init) : []
    }
  }

  public func digest(_ place: LocalPlace) async throws -> FolderDigest? {
    try await blocking { local in local.exists(place) ? try local.folder(place).digest() : nil }
  }

  public func digest(of messages: [LocalMessage], in place: LocalPlace) async throws -> FolderDigest? {
    try await blocking { local in try local.folder(place).digest(of: messages.lazy.map(\.entry)) }
  }

  public func facts(_ messages: [LocalMessage], in place: LocalPlace) async throws -> [String: LocalFacts] {
    try await blocking { local in
      let folder = local.folder(place)
      var result: [String: LocalFacts] = [:]
      for message in messages {
        do { result[message.base] = try Self.facts(message.entry, in: folder) } catch let error as LocalMailError {
          guard error.isGone else { throw error }
        }
      }
      return result
    }
  }

  /// One reading: fingerprint, size on the wire, Message-ID.
  private static func facts(_ entry: MaildirEntry, in folder: MaildirFolder) throws -> LocalFacts {
    let reader = try folder.openWire(entry)
    var stream = FingerprintStream()
    var size: Int64 = 0
    var head = ByteBuffer()
    while let piece = try reader.next() {
      stream.update(piece)
      size += Int64(piece.readableBytes)
      let room = SyncLimits.headerOctets - head.readableBytes
      if room > 0, let slice = piece.getSlice(at: piece.readerIndex, length: min(room, piece.readableBytes)) {
        head.writeImmutableBuffer(slice)
      }
    }
    return LocalFacts(
      fingerprint: stream.finish(), wireSize: size, messageID: MessageIDField.read(head), date: entry.date)
  }

  public func setFlags(
    _ changes: [(LocalMessage, SyncFlags)], in place: LocalPlace
  ) async throws -> [String: SyncFlags] {
    try await blocking { local in
      let folder = local.folder(place)
      var result: [String: SyncFlags] = [:]
      for (message, flags) in changes {
        var wanted = flags.maildir
        // Keywords that are no atoms have no name in IMAP: they stay as they are.
        wanted.keywords += message.entry.flags.keywords.filter { !SyncFlags.isAtom($0) }
        do { result[message.base] = SyncFlags(try folder.setFlags(wanted, of: message.entry).entry.flags) } catch let
          error as LocalMailError
        { guard error.isGone else { throw error } }
      }
      try folder.sync()
      return result
    }
  }

  public func move(
    _ messages: [LocalMessage], from: LocalPlace, to: LocalPlace
  ) async throws -> [String: LocalMessage] {
    if messages.isEmpty { return [:] }
    return try await blocking { local in
      try local.prepare(to)
      let (source, target) = (local.folder(from), local.folder(to))
      var result: [String: LocalMessage] = [:]
      for message in messages {
        do { result[message.base] = LocalMessage(try source.move(message.entry, to: target)) } catch let error
          as LocalMailError
        { guard error.isGone else { throw error } }
      }
      // There first: a file may be in both after a power cut, never in none.
      try target.sync()
      try source.sync()
      return result
    }
  }

  public func remove(_ messages: [LocalMessage], from place: LocalPlace) async throws {
    if messages.isEmpty { return }
    try await blocking { local in
      let folder = local.folder(place)
      for message in messages {
        do { try folder.remove(message.entry) } catch let error as LocalMailError {
          guard error.isGone else { throw error }
        }
      }
      try folder.sync()
      local.removeIfEmpty(place)
    }
  }

  public func source(_ message: LocalMessage, in place: LocalPlace) async throws -> LocalSource? {
    try await blocking { local in
      let folder = local.folder(place)
      do {
        let size = try folder.wireSize(of: message.entry)
        let reader = WireSource(try folder.openWire(message.entry))
        return LocalSource(size: size) { [threads = local.threads] in
          try await threads.runIfActive { try reader.next() }
        }
      } catch let error as LocalMailError {
        guard error.isGone else { throw error }
        return nil
      }
    }
  }

  // MARK: New messages

  private func landing(_ place: LocalPlace) async throws -> MaildirLanding {
    if let known = landings.withLock({ $0[place] }) { return known }
    return try await blocking { local in
      try local.prepare(place)
      let folder = local.folder(place)
      // Under the lock: leftovers are removed before anybody of this run writes there.
      return try local.landings.withLock { landings in
        if let known = landings[place] { return known }
        // What an earlier run left: nobody else works under this name (the state's lock).
        if !local.settings.owner.isEmpty { _ = try folder.removeTemporary(ofOwner: local.settings.owner) }
        let made = MaildirLanding(folder: folder, settings: local.settings, threads: local.threads)
        landings[place] = made
        return made
      }
    }
  }

  public func stage(_ messages: [Incoming], in place: LocalPlace) async throws -> [StagedFile] {
    try await landing(place).stage(
      messages.map { IncomingMessage($0.bytes, flags: $0.flags.maildir, isNew: $0.flags.isEmpty, date: $0.date) })
  }

  public func stage(file: String, flags: SyncFlags, date: Int64?, in place: LocalPlace) async throws -> StagedFile {
    let stream = try await landing(place).begin(flags: flags.maildir, isNew: flags.isEmpty, date: date)
    do {
      var offset: Int64 = 0
      while true {
        let start = offset
        let piece = try await blocking { _ in try SmallFile.read(file, at: start, count: SyncLimits.piece) }
        if piece.readableBytes == 0 { break }
        offset += Int64(piece.readableBytes)
        try await stream.append(piece)
      }
      return try await stream.finish()
    } catch {
      await stream.discard()
      throw error
    }
  }

  public func commit(_ files: [StagedFile], in place: LocalPlace) async throws -> [String: LocalMessage] {
    let entries = try await landing(place).commit(files)
    return Dictionary(entries.map { ($0.base, LocalMessage($0)) }) { first, _ in first }
  }

  public func discard(_ files: [StagedFile], in place: LocalPlace) async {
    // What can't be removed now is removed with the next run's leftovers.
    guard let landing = try? await landing(place) else { return }
    try? await blocking { _ in for file in files { landing.discard(file) } }
  }
}

/// Goes from thread to thread of the pool, one piece at a time.
private final class WireSource: Sendable {
  private let reader: Mutex<WireReader>
  init(_ reader: sending WireReader) { self.reader = Mutex(reader) }
  func next() throws(LocalMailError) -> ByteBuffer? {
    try reader.withLock { reader throws(LocalMailError) in try reader.next() }
  }
}

extension LocalMailError {
  /// The message is not there any more.
  fileprivate var isGone: Bool { kind == .missing || isNoEntry }

  private var isNoEntry: Bool {
    if case .io(_, let code) = kind { return code == ENOENT }
    return false
  }
}
