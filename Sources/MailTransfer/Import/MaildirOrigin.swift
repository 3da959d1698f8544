public import LocalMail
import MailStore
import NIOCore
public import NIOPosix
import Synchronization

/// A Maildir tree as Dovecot or Courier keeps it: UIDs, UIDVALIDITY and UIDLs from their lists, keywords, subscriptions;
/// the file's modification time is INTERNALDATE.
public final class MaildirOrigin: ImportOrigin {
  private let tree: MaildirTree
  private let uidlFormat: UIDLFormat?
  private let threads: NIOThreadPool
  /// Of the mailbox that was listed last, by base.
  private var entries: [String: MaildirEntry] = [:]

  /// - uidlFormat: how the POP3 server made UIDLs where its list has none; nil: messages get new ones.
  public init(_ tree: MaildirTree, uidlFormat: UIDLFormat?, threads: NIOThreadPool) {
    self.tree = tree
    self.uidlFormat = uidlFormat
    self.threads = threads
  }

  public var name: String { tree.root }

  public func mailboxes() async throws -> [OriginMailbox] {
    let tree = tree
    let (folders, subscriptions) = try await threads.runIfActive {
      (try tree.folders(), Set(try tree.subscriptions()))
    }
    return folders.map { path in
      let name = StoreNames.name(path)
      return OriginMailbox(
        name: name, path: path, isSubscribed: subscriptions.contains(path), specialUse: StoreNames.specialUse(name))
    }
  }

  public func list(_ mailbox: OriginMailbox) async throws -> OriginListing {
    let folder = tree.folder(mailbox.path)
    let (found, list) = try await threads.runIfActive { (try folder.scan(), try folder.uidList()) }
    entries = Dictionary(found.map { ($0.base, $0) }) { $1 }
    let records = Dictionary((list?.records ?? []).map { ($0.base, $0) }) { $1 }
    let messages = entries.values.map { entry in
      message(entry, records[entry.base], uidValidity: list?.uidValidity)
    }
    return OriginListing(
      uidValidity: list?.uidValidity, uidNext: list?.uidNext,
      messages: messages.sorted { one, other in
        // Those that the server had not seen yet come behind, in the order in which they came in.
        (one.uid ?? .max, one.date?.seconds ?? 0, one.key) < (other.uid ?? .max, other.date?.seconds ?? 0, other.key)
      })
  }

  private func message(_ entry: MaildirEntry, _ record: UIDList.Record?, uidValidity: UInt32?) -> OriginMessage {
    let uidl =
      record?.uidl
      ?? record.flatMap { record in
        uidlFormat?.uidl(uid: record.uid, uidValidity: uidValidity, base: entry.base, guid: record.guid)
      }
    return OriginMessage(
      key: entry.base, uid: record?.uid, uidl: uidl, flags: entry.flags.system, keywords: entry.flags.storeKeywords,
      date: InternalDate(seconds: entry.date))
  }

  // MARK: Bytes

  public func bodies(
    _ messages: [OriginMessage], of mailbox: OriginMailbox,
    _ handle: (Int, OriginBody) async throws -> Void
  ) async throws {
    let reader = MaildirFolderReader(folder: tree.folder(mailbox.path), threads: threads)
    let wanted = messages.map { entries[$0.key] }
    var start = 0
    var next = reader.read(wanted, from: start)
    defer { next.cancel() }
    while start < messages.count {
      let (bodies, end) = try await next.value
      // The next ones are read while these are being stored.
      if end < messages.count { next = reader.read(wanted, from: end) }
      for (offset, body) in bodies.enumerated() { try await handle(start + offset, body.origin) }
      start = end
    }
  }
}

/// Reads message files on worker threads.
struct MaildirFolderReader: Sendable {
  let folder: MaildirFolder
  let threads: NIOThreadPool

  enum Body: Sendable {
    case whole(ByteBuffer)
    case large(MaildirFolderReader, MaildirEntry)
    case gone
    case unreadable(String)

    var origin: OriginBody {
      switch self {
      case .whole(let bytes): .whole(bytes)
      case .large(let reader, let entry): .large { try await reader.pieces(of: entry) }
      case .gone: .gone
      case .unreadable(let why): .unreadable(why)
      }
    }
  }

  /// As many from `start` on as fit one go.
  func read(_ entries: [MaildirEntry?], from start: Int) -> Task<(bodies: [Body], end: Int), any Error> {
    var end = start
    var octets: Int64 = 0
    while end < entries.count, end - start < TransferLimits.readAheadMessages, octets < TransferLimits.readAhead {
      let size = entries[end]?.size ?? 0
      if size <= TransferLimits.wholeMessage { octets += size }
      end += 1
    }
    let some = entries[start..<end]
    let last = end
    return Task { try await threads.runIfActive { (some.map { body($0) }, last) } }
  }

  private func body(_ entry: MaildirEntry?) -> Body {
    guard let entry else { return .gone }
    guard entry.size <= TransferLimits.wholeMessage else { return .large(self, entry) }
    do throws(LocalMailError) {
      let reader = try folder.openWire(entry)
      var bytes = ByteBuffer()
      while let piece = try reader.next() {
        bytes.writeImmutableBuffer(piece)
        // The name told another size than the file has.
        if bytes.readableBytes > 4 * TransferLimits.wholeMessage { return .large(self, entry) }
      }
      return .whole(bytes)
    } catch {
      if case .missing = error.kind { return .gone }
      return .unreadable(error.description)
    }
  }

  private func pieces(of entry: MaildirEntry) async throws -> (() async throws -> ByteBuffer?) {
    let file = try await threads.runIfActive { [folder] in OpenFile(try folder.openWire(entry)) }
    return { [threads] in try await threads.runIfActive { try file.next() } }
  }

  /// A file that several threads of the pool read, one after another.
  private final class OpenFile: Sendable {
    private let reader: Mutex<WireReader>
    init(_ reader: sending WireReader) { self.reader = Mutex(reader) }
    func next() throws(LocalMailError) -> ByteBuffer? {
      try reader.withLock { reader throws(LocalMailError) in try reader.next() }
    }
  }
}
