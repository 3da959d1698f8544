import IMAPClient
import IMAPCore
import LocalMail
import MailNet

/// A mailbox of this pass.
struct PassMailbox: Sendable {
  var mailbox: KnownMailbox
  var presence: Presence
  var status: RemoteStatus?
}

extension RemoteWorker {
  /// Looks at both sides of a mailbox; changes nothing.
  /// - wantsMessageIDs: new messages may be known ones.
  func survey(_ item: PassMailbox, wantsMessageIDs: Bool) async throws -> MailboxSurvey {
    let usesFiles = job.settings.mode != .headers
    let files =
      usesFiles && item.presence != .localGone ? try await job.local.scan(.folder(item.mailbox.local)) : []
    let rows = try await job.state.messages(of: item.mailbox.id)
    var survey = MailboxSurvey(mailbox: item.mailbox, presence: item.presence, rows: rows, local: files)
    if !usesFiles { survey.pairsBefore = rows.count }
    if item.presence == .remoteGone {
      for index in survey.rows.indices { survey.markGone(index) }
    } else if !survey.isCurrent(item.status) {
      try await look(&survey, wantsMessageIDs: wantsMessageIDs || !files.isEmpty)
    }
    survey.findNewLocal()
    if usesFiles { try await readNewFiles(&survey) }
    return survey
  }

  /// Bytes of new files: to know them again elsewhere, and before they are sent.
  private func readNewFiles(_ survey: inout MailboxSurvey) async throws {
    let isWanted = job.settings.mode == .sync || survey.rows.contains(where: \.isUnpaired)
    guard isWanted, !survey.newLocal.isEmpty else { return }
    let files = survey.newLocal.compactMap { survey.local[$0] }
    survey.facts = try await job.local.facts(files, in: .folder(survey.mailbox.local))
  }

  /// The server's side: what changed since its view was saved.
  private func look(_ survey: inout MailboxSurvey, wantsMessageIDs: Bool) async throws {
    let known = survey.mailbox
    let selected = try await select(known.remote, resync: survey.resyncPoint)
    let intents = try await job.state.appendIntents(in: known.id)
    let facts: RemoteFacts =
      wantsMessageIDs || !intents.isEmpty ? [.flags, .identity, .messageID] : [.flags, .identity]
    survey.take(selected, examined: job.isReadOnly)
    // RFC 9051 §2.3.1.1: UIDNEXT never falls. Where it does, the server was restored from a backup: UIDs above it are given
    // to other messages now. One that shows nothing at all is left to the brake.
    if let before = known.uidNext, let now = selected.uidNext, now < before, selected.exists > 0 {
      survey.isRenumbered = true
    }
    if survey.isRenumbered {
      try await repair(&survey, exists: selected.exists)
      // UIDs they are looked for by mean nothing now; what is new on both sides is compared anyway.
      survey.settledAppends = intents.map(\.base)
      return
    }
    var added = try await changes(&survey, since: known.highestModSeq, selected)
    // RFC 7162 §3.2.5 leaves no room for a difference; but a server that counts otherwise must not cost mail.
    if survey.present + added.count != selected.exists {
      added = try await compareUIDs(&survey, exists: selected.exists)
    }
    if !added.isEmpty {
      let remote = try await connection()
      var found: [UInt32: RemoteMessage] = [:]
      for set in MessageSet.batches(sorted: added.sorted()) {
        for message in try await remote.messages(set, facts, changedSince: nil) { found[message.uid] = message }
      }
      survey.add(found.values.filter { added.contains($0.uid) })
    }
    try await settle(intents, &survey)
  }

  /// UIDs that were not known. Known ones are brought up to date.
  private func changes(
    _ survey: inout MailboxSurvey, since modSeq: UInt64?, _ selected: SelectedMailbox
  ) async throws -> Set<UInt32> {
    // A server that counts from an older state would not tell what it has forgotten: everything is asked for.
    let isBehind = (selected.highestModSeq ?? .max) < (modSeq ?? 0)
    if let resync = selected.resync, !isBehind {
      survey.markGone(in: resync.vanished)
      return survey.update(resync.changed.map { RemoteMessage(flagsOf: $0) })
    }
    if selected.exists == 0 {
      for index in survey.rows.indices { survey.markGone(index) }
      return []
    }
    let remote = try await connection()
    if let modSeq, selected.highestModSeq != nil, !isBehind {
      if modSeq == selected.highestModSeq, survey.present == selected.exists { return [] }
      return survey.update(try await remote.messages(.everything, .flags, changedSince: modSeq))
    }
    let all = try await remote.messages(.everything, .flags, changedSince: nil)
    let added = survey.update(all)
    let uids = Set(all.map(\.uid))
    // Only when the answer is complete does a missing UID mean something; else the UIDs are asked for again.
    if uids.count == selected.exists {
      for (index, row) in survey.rows.enumerated() where !uids.contains(row.uid) { survey.markGone(index) }
    }
    return added
  }

  /// The whole list, for servers that don't tell what vanished.
  private func compareUIDs(_ survey: inout MailboxSurvey, exists: Int) async throws -> Set<UInt32> {
    let remote = try await connection()
    let uids = Set(try await remote.uids())
    // Messages come and go meanwhile; but a short list must be the same twice, and with half missing it is none.
    var isSound = uids.count * 2 >= exists
    if isSound, uids.count < exists { isSound = Set(try await remote.uids()) == uids }
    guard isSound else {
      throw ClientError(
        .protocolViolation("\(survey.mailbox.remote) has \(exists) messages and \(uids.count) UIDs"),
        server: job.account)
    }
    var added = uids
    for (index, row) in survey.rows.enumerated() {
      added.remove(row.uid)
      if uids.contains(row.uid) { survey.markPresent(index) } else { survey.markGone(index) }
    }
    return added
  }

  /// Messages that were on their way into APPEND when the last run ended: there, or not.
  func settle(_ intents: [AppendIntent], _ survey: inout MailboxSurvey) async throws {
    if intents.isEmpty { return }
    var unpaired: [Int64: [Int]] = [:]
    for (index, row) in survey.rows.enumerated() where row.isUnpaired { unpaired[row.size, default: []].append(index) }
    var bases = Set(survey.rows.compactMap(\.base))
    for intent in intents {
      var found: Int?
      for index in unpaired[intent.size] ?? [] where found == nil && survey.rows[index].isUnpaired {
        let row = survey.rows[index]
        guard row.uid >= intent.firstUID, row.messageID == intent.messageID else { continue }
        if intent.messageID != nil {
          found = index
        } else if try await fingerprint(of: row.uid) == intent.fingerprint {
          found = index
        }
      }
      survey.settledAppends.append(intent.base)
      guard let found, bases.insert(intent.base).inserted else { continue }
      survey.pair(found, with: intent.base, agreed: intent.flags, fingerprint: intent.fingerprint)
      survey.report.adopted += 1
    }
  }

  func fingerprint(of uid: UInt32, in mailbox: KnownMailbox) async throws -> Fingerprint? {
    _ = try await open(mailbox)
    return try await fingerprint(of: uid)
  }

  /// By its bytes, which are not kept.
  func fingerprint(of uid: UInt32) async throws -> Fingerprint? {
    var result: Fingerprint?
    try await connection().bodies([[uid]], window: 1) { _, bytes in
      var stream = FingerprintStream()
      stream.update(bytes)
      result = stream.finish()
    }
    return result
  }
}
