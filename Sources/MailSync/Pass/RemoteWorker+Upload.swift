import IMAPClient
import IMAPCore
import LocalMail
import NIOCore
import Synchronization

extension RemoteWorker {
  /// APPENDs new local messages. Each is journalled with its fingerprint before it goes, so that a lost answer does not
  /// lead to a second copy.
  func upload(_ survey: inout MailboxSurvey, _ bases: [String]) async throws {
    let files = bases.compactMap { survey.local[$0] }
    let unread = files.filter { survey.facts[$0.base] == nil }
    if !unread.isEmpty {
      survey.facts.merge(try await job.local.facts(unread, in: .folder(survey.mailbox.local))) { $1 }
    }
    job.progress.expect(files.count, bytes: files.reduce(0) { $0 + (survey.facts[$1.base]?.wireSize ?? 0) })
    var batch: [LocalMessage] = []
    var octets: Int64 = 0
    var isUncertain = false
    var quota = QuotaMark()
    for file in files {
      // Gone in the meantime.
      guard let facts = survey.facts[file.base] else { continue }
      if let reason = job.refusals.reason(file.base, in: survey.mailbox.id, now: job.now()) {
        survey.report.fail(reason)
        continue
      }
      if !batch.isEmpty,
        batch.count >= SyncLimits.appendMessages || octets + facts.wireSize > SyncLimits.appendOctets
      {
        isUncertain = try await append(batch, &survey, &quota) || isUncertain
        batch = []
        octets = 0
      }
      guard quota.allows(facts.wireSize) else {
        survey.report.fail(quota.reason)
        continue
      }
      batch.append(file)
      octets += facts.wireSize
    }
    if !batch.isEmpty { isUncertain = try await append(batch, &survey, &quota) || isUncertain }
    if isUncertain { try await findAppended(&survey) }
  }

  /// True when the server did not tell every UID.
  private func append(
    _ files: [LocalMessage], _ survey: inout MailboxSurvey, _ quota: inout QuotaMark
  ) async throws -> Bool {
    let remote = try await open(survey.mailbox)
    let place = LocalPlace.folder(survey.mailbox.local)
    var items: [AppendItem] = []
    var intents: [AppendIntent] = []
    let firstUID = max(survey.mailbox.uidNext ?? 1, (survey.rows.map(\.uid).max() ?? 0) &+ 1)
    for file in files {
      guard let facts = survey.facts[file.base], let source = try await job.local.source(file, in: place),
        Int64(source.size) == facts.wireSize
      else { continue }
      // A keyword that the server will not keep stays local.
      let refused = survey.mailbox.refused(file.flags.keywords)
      let flags = SyncFlags(
        file.flags.system.intersection(survey.mailbox.permanent), keywords: file.flags.keywords.subtracting(refused))
      intents.append(
        AppendIntent(
          base: file.base, fingerprint: facts.fingerprint, size: facts.wireSize, messageID: facts.messageID,
          flags: flags,
          firstUID: firstUID))
      items.append(
        AppendItem(
          flags: flags.list, internalDate: IMAPDateTime(seconds: facts.date), size: source.size,
          body: try await Self.body(of: source)))
    }
    if items.isEmpty { return false }
    try await job.state.intend(intents, in: survey.mailbox.id)
    let results = try await remote.append(items, to: survey.mailbox.remote)
    var changes = MessageChanges()
    var indexes: [Int] = []
    var isUncertain = false
    for (intent, result) in zip(intents, results) {
      switch result {
      case .success(let uid?):
        indexes.append(survey.rows.count)
        let row = survey.row(uid: uid, of: intent)
        survey.rows.append(row)
        survey.newLocal.remove(intent.base)
        changes.saved.append(row)
        changes.settledAppends.append(intent.base)
        survey.report.uploaded += 1
        survey.report.uploadedOctets += intent.size
        job.progress.did(1, bytes: intent.size, in: survey.mailbox.remote)
      case .success(nil):
        isUncertain = true
        survey.report.uploaded += 1
        survey.report.uploadedOctets += intent.size
        job.progress.did(1, bytes: intent.size, in: survey.mailbox.remote)
      case .failure(let error):
        guard error.isRefusal else { throw error }
        changes.settledAppends.append(intent.base)
        quota.take(error, size: intent.size)
        job.refusals.note(intent.base, in: survey.mailbox.id, now: job.now(), error.sentence)
        survey.report.fail(error.sentence)
      }
    }
    let ids = try await job.state.save(changes, in: survey.mailbox.id, "appended")
    for (index, id) in zip(indexes, ids) { survey.rows[index].id = id }
    return isUncertain
  }

  /// Small messages are read before the literal begins.
  private static func body(of source: LocalSource) async throws -> @Sendable () async throws -> ByteBuffer? {
    guard source.size <= SyncLimits.appendInMemory else { return source.next }
    var bytes = ByteBuffer()
    bytes.reserveCapacity(source.size)
    while let piece = try await source.next() { bytes.writeImmutableBuffer(piece) }
    let once = Once(bytes)
    return { once.take() }
  }

  /// Without UIDPLUS: the new messages are looked for among the new UIDs.
  private func findAppended(_ survey: inout MailboxSurvey) async throws {
    let intents = try await job.state.appendIntents(in: survey.mailbox.id)
    guard let first = intents.map(\.firstUID).min() else { return }
    _ = try await select(survey.mailbox.remote, resync: nil)
    let remote = try await open(survey.mailbox)
    let known = Set(survey.rows.map(\.uid))
    let found = try await remote.messages(
      MessageSet([.init(first, MessageSet.star)]), [.flags, .identity, .messageID], changedSince: nil)
    // `first:*` names the last message even where it is older (RFC 9051 §9, seq-range).
    survey.add(found.filter { $0.uid >= first && !known.contains($0.uid) })
    let adopted = survey.report.adopted
    let settled = survey.settledAppends.count
    try await settle(intents, &survey)
    survey.report.adopted = adopted
    var changes = survey.changes
    changes.removed = []
    changes.settledAppends = Array(survey.settledAppends[settled...])
    let order = survey.dirty.sorted()
    let ids = try await job.state.save(changes, in: survey.mailbox.id, "found appended")
    for (index, id) in zip(order, ids) { survey.rows[index].id = id }
    survey.dirty = []
  }
}

extension MailboxSurvey {
  fileprivate func row(uid: UInt32, of intent: AppendIntent) -> KnownMessage {
    var row = KnownMessage(uid: uid, remote: intent.flags, size: intent.size)
    row.base = intent.base
    row.agreed = intent.flags
    row.messageID = intent.messageID
    row.fingerprint = intent.fingerprint
    row.date = facts[intent.base].map { IMAPDateTime(seconds: $0.date) }
    row.withheld = local[intent.base].map { $0.flags.keywords.subtracting(intent.flags.keywords) } ?? []
    return row
  }
}

/// Gives its bytes once.
private final class Once: Sendable {
  private let bytes: Mutex<ByteBuffer?>
  init(_ bytes: ByteBuffer) { self.bytes = Mutex(bytes) }
  func take() -> ByteBuffer? {
    bytes.withLock { held in
      defer { held = nil }
      return held
    }
  }
}
