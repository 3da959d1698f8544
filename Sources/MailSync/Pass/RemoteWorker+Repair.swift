import IMAPCore
import LocalMail

extension RemoteWorker {
  /// UIDVALIDITY changed: the old UIDs mean nothing (RFC 9051 §2.3.1.1). Messages are found again by EMAILID, or by size,
  /// Message-ID and date; where these leave a doubt, by their bytes. What is not found again loses its UID, not its file.
  func repair(_ survey: inout MailboxSurvey, exists: Int) async throws {
    let remote = try await connection()
    let found =
      exists == 0 ? [] : try await remote.messages(.everything, [.flags, .identity, .messageID], changedSince: nil)
    var match = ContentMatcher.match(known: survey.rows, found: found)
    try await compareBytes(&match, survey.rows, found)

    var isFound = [Bool](repeating: false, count: survey.rows.count)
    var isUsed = [Bool](repeating: false, count: found.count)
    for (known, index) in match.pairs {
      let message = found[index]
      isFound[known] = true
      isUsed[index] = true
      survey.rows[known].uid = message.uid
      survey.rows[known].remote = message.flags ?? SyncFlags()
      survey.rows[known].modSeq = message.modSeq ?? 0
      survey.rows[known].emailID = message.emailID ?? survey.rows[known].emailID
      survey.rows[known].isGone = false
      survey.dirty.insert(known)
      survey.report.adopted += 1
    }
    for index in survey.rows.indices where !isFound[index] {
      survey.rows[index].isGone = true
      survey.rows[index].isVoid = true
    }
    survey.add(found.indices.filter { !isUsed[$0] }.map { found[$0] })
  }

  private func compareBytes(
    _ match: inout ContentMatcher.Result, _ rows: [KnownMessage], _ found: [RemoteMessage]
  ) async throws {
    guard !match.doubtful.isEmpty else { return }
    let paired = Set(match.pairs.map(\.known))
    var open: [Fingerprint: [Int]] = [:]
    for (index, row) in rows.enumerated() where !paired.contains(index) {
      if let fingerprint = row.fingerprint { open[fingerprint, default: []].append(index) }
    }
    var prints: [UInt32: Fingerprint] = [:]
    let uids = match.doubtful.map { found[$0].uid }.sorted()
    let batches = stride(from: 0, to: uids.count, by: SyncLimits.batchMessages).map {
      Array(uids[$0..<min($0 + SyncLimits.batchMessages, uids.count)])
    }
    try await connection().bodies(batches, window: job.settings.window) { uid, bytes in
      var stream = FingerprintStream()
      stream.update(bytes)
      prints[uid] = stream.finish()
    }
    for index in match.doubtful {
      guard let fingerprint = prints[found[index].uid], let known = open[fingerprint]?.popLast() else { continue }
      match.pairs.append((known, index))
    }
  }
}
