public import LocalMail
import MailStore
import NIOCore
public import NIOPosix
import Synchronization

/// One mbox file, or a folder tree of them. Flags, keywords, UIDs and UIDLs come from the lines that mail programs keep in
/// the messages' headers; the date of the From line is INTERNALDATE.
public final class MboxOrigin: ImportOrigin {
  private let files: [(path: [String], file: String)]
  private let settings: MboxReadSettings
  private let threads: NIOThreadPool
  public let name: String
  /// Of the mailbox that was listed last.
  private var reader: OpenMbox?
  private var entries: [String: MboxEntry] = [:]

  /// - mailbox: for a single file, the name of the mailbox; nil: the file's name without `.mbox`.
  public init(
    _ path: String, mailbox: String?, settings: MboxReadSettings = MboxReadSettings(), threads: NIOThreadPool
  ) async throws {
    name = path
    self.threads = threads
    var settings = settings
    // What `MboxWriter` put there is not part of the message.
    settings.stripsStatus = true
    self.settings = settings
    files = try await threads.runIfActive { try MboxFiles.find(path, mailbox: mailbox) }
  }

  public func mailboxes() async throws -> [OriginMailbox] {
    files.map { path, file in
      let name = StoreNames.name(path)
      return OriginMailbox(name: name, path: [file], isSubscribed: true, specialUse: StoreNames.specialUse(name))
    }
  }

  public func list(_ mailbox: OriginMailbox) async throws -> OriginListing {
    let file = mailbox.path.first ?? name
    let settings = settings
    let (reader, found): (OpenMbox, [MboxEntry])
    do {
      (reader, found) = try await threads.runIfActive {
        let reader = OpenMbox(try MboxReader(path: file, settings: settings))
        return (reader, try reader.all())
      }
    } catch let error as LocalMailError {
      throw MailboxProblem(description: error.description)
    }
    self.reader = reader
    entries = Dictionary(found.map { ("\($0.offset)", $0) }) { $1 }
    let base = found.first?.status
    let uids = Self.uids(found, hasValidity: base?.uidValidity != nil)
    let messages = zip(found, uids).map { entry, uid in
      OriginMessage(
        key: "\(entry.offset)", uid: uid, uidl: entry.status.uidl.flatMap { UIDLFormat.isUIDL($0) ? $0 : nil },
        flags: entry.status.flags.system, keywords: entry.status.flags.storeKeywords,
        date: entry.date.map { InternalDate(seconds: $0) })
    }
    let next = base?.lastUID.flatMap { $0 < .max ? $0 + 1 : nil }
    return OriginListing(uidValidity: base?.uidValidity, uidNext: next, messages: messages)
  }

  /// UIDs are good only as a whole: ascending, each once.
  private static func uids(_ entries: [MboxEntry], hasValidity: Bool) -> [UID?] {
    let uids = entries.map(\.status.uid)
    let known = uids.compactMap { $0 }
    guard hasValidity, zip(known, known.dropFirst()).allSatisfy({ $0 < $1 }), known.first != 0 else {
      return entries.map { _ in nil }
    }
    // One without behind others, or the order of the file would not be that of the UIDs.
    guard let gap = uids.firstIndex(where: { $0 == nil }), uids[gap...].contains(where: { $0 != nil }) else {
      return uids
    }
    return entries.map { _ in nil }
  }

  // MARK: Bytes

  private enum Body: Sendable {
    case whole(ByteBuffer)
    case spooled(SpoolFile)
    case gone
    case unreadable(String)
  }

  public func bodies(
    _ messages: [OriginMessage], of mailbox: OriginMailbox,
    _ handle: (Int, OriginBody) async throws -> Void
  ) async throws {
    guard let reader else { return }
    var start = 0
    while start < messages.count {
      let wanted = messages[start...].prefix(TransferLimits.readAheadMessages).map { entries[$0.key] }
      let bodies = try await threads.runIfActive { Self.read(wanted, reader) }
      for (offset, body) in bodies.enumerated() {
        let threads = threads
        switch body {
        case .whole(let bytes): try await handle(start + offset, .whole(bytes))
        case .spooled(let file):
          let large = OriginBody.large {
            var position = 0
            return {
              let from = position
              let piece = try await threads.runIfActive { try file.read(at: from) }
              position += piece?.readableBytes ?? 0
              return piece
            }
          }
          try await handle(start + offset, large)
        case .gone: try await handle(start + offset, .gone)
        case .unreadable(let why): try await handle(start + offset, .unreadable(why))
        }
      }
      start += bodies.count
    }
  }

  /// As many as fit one go, at least one. A large one is the last.
  private static func read(_ entries: [MboxEntry?], _ reader: OpenMbox) -> [Body] {
    var bodies: [Body] = []
    var octets: Int64 = 0
    for entry in entries {
      guard octets < TransferLimits.readAhead else { break }
      guard let entry else {
        bodies.append(.gone)
        continue
      }
      octets += entry.messageLength
      do throws(LocalMailError) {
        if entry.messageLength <= TransferLimits.wholeMessage {
          bodies.append(.whole(try reader.message(entry)))
        } else {
          bodies.append(.spooled(try reader.spool(entry)))
          break
        }
      } catch {
        bodies.append(.unreadable(error.description))
      }
    }
    return bodies
  }
}

/// A file that threads of the pool read, one after another.
private final class OpenMbox: Sendable {
  private let reader: Mutex<MboxReader>

  init(_ reader: sending MboxReader) { self.reader = Mutex(reader) }

  func all() throws(LocalMailError) -> [MboxEntry] {
    try reader.withLock { reader throws(LocalMailError) in
      var entries: [MboxEntry] = []
      while let entry = try reader.next() { entries.append(entry) }
      return entries
    }
  }

  func message(_ entry: MboxEntry) throws(LocalMailError) -> ByteBuffer {
    try reader.withLock { reader throws(LocalMailError) in try reader.message(of: entry) }
  }

  func spool(_ entry: MboxEntry) throws(LocalMailError) -> SpoolFile {
    let spool = try SpoolFile()
    try reader.withLock { reader throws(LocalMailError) in
      try reader.forEachPiece(of: entry) { piece throws(LocalMailError) in try spool.append(piece) }
    }
    return spool
  }
}

/// Looking for mbox files in a tree.
enum MboxFiles {
  /// A file is a mailbox if it is called `.mbox` or begins with a From line. Folders are levels of the name, without
  /// `.sbd`, as Thunderbird calls them.
  static func find(_ root: String, mailbox: String?) throws -> [(path: [String], file: String)] {
    let disk = PosixDisk()
    guard let status = try disk.status(of: root, followingLinks: true) else {
      throw LocalMailError(.missing, path: root)
    }
    if status.kind == .file {
      let last = root.split(separator: "/").last.map(String.init) ?? root
      return [(mailbox.map(StoreNames.path) ?? [title(last)], root)]
    }
    var found: [(path: [String], file: String)] = []
    try walk(root, [], disk, &found)
    guard found.count <= TransferLimits.mailboxes else {
      throw LocalMailError(.malformed("has more than \(TransferLimits.mailboxes) mbox files"), path: root)
    }
    return found.sorted { $0.path.lexicographicallyPrecedes($1.path) }
  }

  private static func walk(
    _ folder: String, _ levels: [String], _ disk: PosixDisk, _ found: inout [(path: [String], file: String)]
  ) throws {
    guard levels.count < TransferLimits.folderDepth else { return }
    for name in try disk.list(folder).sorted() where !name.hasPrefix(".") {
      let file = "\(folder)/\(name)"
      guard var status = try disk.status(of: file, followingLinks: false) else { continue }
      // Links to folders could lead round in a circle.
      if status.kind == .link, let target = try disk.status(of: file, followingLinks: true), target.kind == .file {
        status = target
      }
      switch status.kind {
      case .directory: try walk(file, levels + [title(name)], disk, &found)
      case .file where try isMbox(file, name, status.size): found.append((levels + [title(name)], file))
      default: break
      }
    }
  }

  private static func isMbox(_ file: String, _ name: String, _ size: Int64) throws -> Bool {
    if name.hasSuffix(".mbox") { return true }
    guard size > 0 else { return false }
    do throws(LocalMailError) {
      // A text may begin with this word as well, but not with a date behind it.
      return try MboxReader(path: file).next()?.date != nil
    } catch {
      guard case .malformed = error.kind else { throw error }
      return false
    }
  }

  private static func title(_ name: String) -> String {
    for suffix in [".mbox", ".sbd"] where name.hasSuffix(suffix) && name.count > suffix.count {
      return String(name.dropLast(suffix.count))
    }
    return name
  }
}
