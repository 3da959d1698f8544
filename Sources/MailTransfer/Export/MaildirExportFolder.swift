import LocalMail
import MailStore
import NIOCore
import NIOPosix

/// One folder of an export. Which file has which UID stands in `dovecot-uidlist`, which is written now and then and at the
/// end; files that a run had no time to write down there are known again by their fingerprints.
final class MaildirExportFolder: ExportMailbox {
  private let folder: MaildirFolder
  private let landing: MaildirLanding
  private let threads: NIOThreadPool
  private let mailbox: StoreMailbox
  private let list: UIDList?
  private var records: [UID: UIDList.Record]
  private var entries: [UID: MaildirEntry] = [:]
  /// Files that no UID is known of.
  private var unknown: [MaildirEntry] = []
  /// UIDs of the store.
  private var known: Set<UID> = []

  private var waiting: [(message: StoreMessage, bytes: ByteBuffer)] = []
  private var octets = 0
  private var large: (message: StoreMessage, stream: StagedStream)?
  /// Files that are not in the list on disk.
  private var unlisted = 0

  init(
    _ folder: MaildirFolder, list: UIDList?, entries: [MaildirEntry], mailbox: StoreMailbox, threads: NIOThreadPool
  ) {
    self.folder = folder
    self.threads = threads
    self.mailbox = mailbox
    self.list = list?.uidValidity == mailbox.uidValidity ? list : nil
    let listed = self.list?.records ?? []
    records = Dictionary(listed.map { ($0.uid, $0) }) { $1 }
    landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
    let uids = Dictionary(listed.map { ($0.base, $0.uid) }) { $1 }
    for entry in entries {
      if let uid = uids[entry.base] { self.entries[uid] = entry } else { unknown.append(entry) }
    }
  }

  var others: Int { unknown.count + entries.keys.count { !known.contains($0) } }

  func present(
    _ messages: [StoreMessage], fingerprints: ([UID]) async throws -> [UID: Fingerprint]
  ) async throws -> Set<UID> {
    known = Set(messages.map(\.uid))
    let missing = messages.map(\.uid).filter { entries[$0] == nil }
    if !unknown.isEmpty, !missing.isEmpty {
      let found = try await fingerprints(missing)
      var wanted: [Fingerprint: ArraySlice<UID>] = [:]
      for uid in missing { if let fingerprint = found[uid] { wanted[fingerprint, default: []].append(uid) } }
      var left: [MaildirEntry] = []
      for (entry, fingerprint) in zip(unknown, try await read(unknown)) {
        if let fingerprint, let uid = wanted[fingerprint]?.popFirst() {
          entries[uid] = entry
          unlisted += 1
        } else {
          left.append(entry)
        }
      }
      unknown = left
    }
    return known.intersection(entries.keys)
  }

  private func read(_ entries: [MaildirEntry]) async throws -> [Fingerprint?] {
    try await threads.runIfActive { [folder] in entries.map { try? folder.fingerprint(of: $0) } }
  }

  // MARK: Messages

  func add(_ message: StoreMessage, _ bytes: ByteBuffer) async throws {
    waiting.append((message, bytes))
    octets += bytes.readableBytes
    if octets >= TransferLimits.bytesPerAppend || waiting.count >= TransferLimits.messagesPerAppend {
      try await commit()
    }
  }

  func begin(_ message: StoreMessage) async throws {
    try await commit()
    let flags = MaildirFlags(message.flags, keywords: message.keywords)
    large = (message, try await landing.begin(flags: flags, isNew: false, date: message.date.seconds))
  }

  func append(_ piece: ByteBuffer) async throws { try await large?.stream.append(piece) }

  func end() async throws {
    guard let (message, stream) = large else { return }
    large = nil
    try await land([message], [try await stream.finish()])
  }

  func abandon() async {
    await large?.stream.discard()
    large = nil
  }

  func commit() async throws {
    guard !waiting.isEmpty else { return }
    let batch = waiting
    waiting = []
    octets = 0
    let staged = try await landing.stage(
      batch.map { message, bytes in
        LocalMail.IncomingMessage(
          bytes, flags: MaildirFlags(message.flags, keywords: message.keywords), isNew: false,
          date: message.date.seconds)
      })
    try await land(batch.map(\.message), staged)
  }

  private func land(_ messages: [StoreMessage], _ staged: [StagedFile]) async throws {
    let landed: [MaildirEntry]
    do { landed = try await landing.commit(staged) } catch {
      for file in staged { landing.discard(file) }
      throw error
    }
    for (message, entry) in zip(messages, landed) { entries[message.uid] = entry }
    unlisted += landed.count
    if unlisted >= TransferLimits.messagesPerUIDList { try await writeList([]) }
  }

  // MARK: What stands beside the messages

  func finish(_ mailbox: StoreMailbox, _ messages: [StoreMessage]) async throws -> [String] {
    let unkept = try await showFlags(of: messages)
    try await writeList(messages)
    try await threads.runIfActive { [folder] in try folder.sync() }
    guard !unkept.isEmpty else { return [] }
    return [
      "a Maildir folder has room for 26 keywords; these are not kept: \(unkept.sorted().joined(separator: ", "))"
    ]
  }

  /// Returns keywords that are not kept.
  private func showFlags(of messages: [StoreMessage]) async throws -> Set<String> {
    var changes: [(uid: UID, entry: MaildirEntry, flags: MaildirFlags)] = []
    for message in messages {
      guard let entry = entries[message.uid] else { continue }
      let flags = MaildirFlags(message.flags, keywords: message.keywords)
      // As a set: the order of keywords means nothing.
      guard
        entry.flags.system != flags.system || entry.flags.passed != flags.passed
          || Set(entry.flags.keywords) != Set(flags.keywords)
      else { continue }
      changes.append((message.uid, entry, flags))
    }
    guard !changes.isEmpty else { return [] }
    let wanted = changes
    let changed = try await threads.runIfActive { [folder] in
      try wanted.map { change in (change.uid, try folder.setFlags(change.flags, of: change.entry)) }
    }
    var unkept: Set<String> = []
    for (uid, result) in changed {
      entries[uid] = result.entry
      unkept.formUnion(result.unkept)
    }
    return unkept
  }

  /// `messages`: for their UIDLs; empty while not all is there.
  private func writeList(_ messages: [StoreMessage]) async throws {
    for (uid, entry) in entries where records[uid]?.base != entry.base {
      records[uid] = UIDList.Record(uid: uid, base: entry.base)
    }
    for message in messages where entries[message.uid] != nil { records[message.uid]?.uidl = message.uidl }
    unlisted = 0
    let list = UIDList(
      uidValidity: mailbox.uidValidity, uidNext: max(mailbox.uidNext, list?.uidNext ?? 1), guid: list?.guid,
      records: records.values.sorted { $0.uid < $1.uid })
    guard list != self.list else { return }
    try await threads.runIfActive { [folder] in try folder.writeDovecotUIDList(list) }
  }

  func fingerprints(_ uids: [UID]) async throws -> [UID: Fingerprint] {
    let there = uids.filter { entries[$0] != nil }
    let found = try await read(there.compactMap { entries[$0] })
    var result: [UID: Fingerprint] = [:]
    for (uid, fingerprint) in zip(there, found) { result[uid] = fingerprint }
    return result
  }
}
