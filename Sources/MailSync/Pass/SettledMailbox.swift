import IMAPClient
import LocalMail

/// Mailboxes in which nothing happened since a pass found, or left, nothing to do: recognised by the server's STATUS and by the
/// names of the files, without reading what is known of each message.
///
/// A pass decides by both sides and the state. The state is written by passes only, and each of them forgets what it knew of
/// a mailbox here before it changes anything there. So the same two sides, and the same mode, mean: nothing to do again.
enum SettledMailbox {
  /// Nil where the server does not tell enough (RFC 7162 §3.1.2.1: every change of flags raises HIGHESTMODSEQ; a message
  /// less changes the count, one more UIDNEXT).
  static func state(_ status: RemoteStatus?, _ digest: FolderDigest, _ mode: SyncMode) -> String? {
    guard let status, let modSeq = status.highestModSeq, let validity = status.uidValidity, let next = status.uidNext,
      let messages = status.messages
    else { return nil }
    return "\(mode.rawValue) \(validity) \(next) \(modSeq) \(messages) \(digest.text)"
  }

  /// What the survey's sides look like now that the plan is carried out; nil unless all is done and known.
  static func state(after survey: MailboxSurvey, _ plan: MailboxPlan, job: SyncJob) async throws -> String? {
    // Only what a pass leaves by downloading alone is foreseen. All else is looked at by the next pass.
    guard survey.presence == .both, plan.flags.isEmpty, plan.uploads.isEmpty, plan.deletesLocally.isEmpty,
      plan.deletesRemotely.isEmpty, survey.newLocal.isEmpty
    else { return nil }
    var expected = MailboxReport(mailbox: survey.mailbox.remote)
    expected.downloaded = survey.report.downloaded
    expected.downloadedOctets = survey.report.downloadedOctets
    guard survey.report == expected, survey.report.downloaded == plan.downloads.count else { return nil }
    let isClean = survey.rows.indices.allSatisfy { index in
      let row = survey.rows[index]
      guard !survey.dropped.contains(index), !survey.dirty.contains(index), !row.isGone, row.isLanded,
        let file = row.base.flatMap({ survey.local[$0] })
      else { return false }
      return row.agreed == file.flags && row.withheld.isEmpty && row.agreed == row.remote
    }
    guard isClean, survey.local.count == survey.rows.count else { return nil }
    let messages = Array(survey.local.values)
    guard let digest = try await job.local.digest(of: messages, in: .folder(survey.mailbox.local)) else { return nil }
    var status = RemoteStatus()
    status.uidValidity = survey.mailbox.uidValidity
    status.uidNext = survey.mailbox.uidNext
    status.highestModSeq = survey.mailbox.highestModSeq
    status.messages = survey.rows.count
    return state(status, digest, job.settings.mode)
  }
}

extension SyncPass {
  /// What is known of settled mailboxes, and how their folders look now, by the mailbox's id.
  func settledFolders() async throws -> [Int64: (state: String, digest: FolderDigest?)] {
    guard job.settings.mode != .headers else { return [:] }
    let states = try await job.state.settled()
    if states.isEmpty { return [:] }
    var result: [Int64: (state: String, digest: FolderDigest?)] = [:]
    for mailbox in try await job.state.mailboxes() {
      guard let state = states[mailbox.id] else { continue }
      // A folder that cannot be listed is looked at as usual, which tells why.
      result[mailbox.id] = (state, try? await job.local.digest(.folder(mailbox.local)))
    }
    return result
  }

  /// Those that have to be looked at; the others are reported as having had nothing.
  func unsettled(
    _ items: [PassMailbox], _ settled: [Int64: (state: String, digest: FolderDigest?)], _ report: inout SyncReport
  ) async throws -> [PassMailbox] {
    if settled.isEmpty { return items }
    var open: [PassMailbox] = []
    var forgotten: [Int64] = []
    for item in items {
      guard let known = settled[item.mailbox.id] else {
        open.append(item)
        continue
      }
      if item.presence == .both, let digest = known.digest,
        SettledMailbox.state(item.status, digest, job.settings.mode) == known.state
      {
        report.mailboxes.append(MailboxReport(mailbox: item.mailbox.remote))
      } else {
        forgotten.append(item.mailbox.id)
        open.append(item)
      }
    }
    try await job.state.unsettle(forgotten)
    return open
  }

  func settle(_ surveys: [(survey: MailboxSurvey, plan: MailboxPlan)]) async throws {
    var states: [(mailbox: Int64, state: String)] = []
    for (survey, plan) in surveys {
      guard let state = try await SettledMailbox.state(after: survey, plan, job: job) else { continue }
      states.append((survey.mailbox.id, state))
    }
    try await job.state.setSettled(states)
  }
}
