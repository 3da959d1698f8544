import LocalMail
import MailStore
import NIOCore
import NIOPosix

/// One file of an export. A run that was cut leaves at most one piece of a message at the end, whose bytes are not those
/// of the store: it is moved out of the way, and the message is written again.
final class MboxExportFile: ExportMailbox {
  /// A message as it stands in the file.
  struct Written: Sendable {
    var uid: UID?
    var offset: Int64
    var fingerprint: Fingerprint
  }

  private let writer: MboxWriter
  private let threads: NIOThreadPool
  private let before: [Written]
  private var waiting: [MboxMessage] = []
  private var octets = 0
  private var large: (message: StoreMessage, spool: SpoolFile)?
  /// After `finish`, what the file holds.
  private var after: [UID: Fingerprint]?
  private(set) var others = 0
  private var note: String?

  init(_ writer: MboxWriter, _ written: [Written], threads: NIOThreadPool) {
    self.writer = writer
    self.threads = threads
    before = written
  }

  func present(
    _ messages: [StoreMessage], fingerprints: ([UID]) async throws -> [UID: Fingerprint]
  ) async throws -> Set<UID> {
    guard !before.isEmpty else { return [] }
    let uids = Set(messages.map(\.uid))
    let expected = try await fingerprints(Set(before.compactMap(\.uid)).intersection(uids).sorted())
    var present: Set<UID> = []
    var foreign: [Int] = []
    for (index, message) in before.enumerated() {
      guard let uid = message.uid, uids.contains(uid) else {
        // Expunged in the store since it was written here; or not ours at all.
        if message.uid == nil { foreign.append(index) } else { others += 1 }
        continue
      }
      if expected[uid] == message.fingerprint, present.insert(uid).inserted { continue }
      foreign.append(index)
    }
    // The last one behind others of ours, or the only one and under a UID of ours.
    if let last = foreign.first, foreign == [before.count - 1], last > 0 || before[last].uid != nil {
      foreign = []
      let offset = before[last].offset
      try await threads.runIfActive { [writer] in
        try Self.saveTail(of: writer.path, from: offset)
        try writer.recover(to: offset)
      }
      note = "the last message was incomplete; it was written again, and the piece is in \(writer.path).rest"
    }
    guard foreign.isEmpty else {
      throw MailboxProblem(
        description: "\(writer.path) has mail that is not of this mailbox: export to another folder")
    }
    return present
  }

  /// Should it be somebody's mail after all, nothing is lost.
  private static func saveTail(of path: String, from start: Int64) throws(LocalMailError) {
    let disk = PosixDisk()
    let source = try disk.open(path, .read)
    defer { source.close() }
    let target = try disk.open(path + ".rest", .openOrCreate)
    defer { target.close() }
    var offset = start
    var end = try target.status().size
    while let piece = try source.piece(at: offset) {
      try piece.withUnsafeReadableBytes { bytes throws(LocalMailError) in try target.pwrite(bytes, at: end) }
      offset += Int64(piece.readableBytes)
      end += Int64(piece.readableBytes)
    }
    try target.sync(dataOnly: false)
    try disk.syncDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
  }

  // MARK: Messages

  private func take(_ message: StoreMessage, _ content: MboxMessage.Content) {
    var status = MboxStatus()
    status.flags = MaildirFlags(
      message.flags, keywords: message.keywords.filter { $0.lowercased() != forwardedKeyword.lowercased() })
    status.flags.passed = message.keywords.contains { $0.lowercased() == forwardedKeyword.lowercased() }
    status.isOld = true
    status.uid = message.uid
    status.uidl = message.uidl
    waiting.append(MboxMessage(content, date: message.date.seconds, status: status))
  }

  func add(_ message: StoreMessage, _ bytes: ByteBuffer) async throws {
    take(message, .bytes(bytes))
    octets += bytes.readableBytes
    if octets >= TransferLimits.bytesPerAppend || waiting.count >= TransferLimits.messagesPerAppend {
      try await commit()
    }
  }

  func begin(_ message: StoreMessage) async throws {
    large = (message, try await threads.runIfActive { try SpoolFile() })
  }

  func append(_ piece: ByteBuffer) async throws {
    guard let spool = large?.spool else { return }
    try await threads.runIfActive { try spool.append(piece) }
  }

  func end() async throws {
    guard let (message, spool) = large else { return }
    large = nil
    take(message, .file(spool.path))
    try await commit()
    // The file must be there until now.
    withExtendedLifetime(spool) {}
  }

  func abandon() async { large = nil }

  func commit() async throws {
    guard !waiting.isEmpty else { return }
    let batch = waiting
    waiting = []
    octets = 0
    _ = try await threads.runIfActive { [writer] in try writer.append(batch) }
  }

  func finish(_ mailbox: StoreMailbox, _ messages: [StoreMessage]) async throws -> [String] {
    // A mailbox without messages is a file all the same.
    try await threads.runIfActive { [path = writer.path] in
      try PosixDisk().open(path, .openOrCreate).close()
    }
    return (before.isEmpty ? [] : ["flags of messages that were there before are as they were then"])
      + (note.map { [$0] } ?? [])
  }

  func fingerprints(_ uids: [UID]) async throws -> [UID: Fingerprint] {
    if after == nil {
      let found = try await threads.runIfActive { [writer] in try MboxTarget.messages(of: writer) }
      after = Dictionary(found.compactMap { message in message.uid.map { ($0, message.fingerprint) } }) { $1 }
    }
    var result: [UID: Fingerprint] = [:]
    for uid in uids { result[uid] = after?[uid] }
    return result
  }
}
