import IMAPClient
import LocalMail

extension RemoteWorker {
  /// Folders that are gone on one side, after their messages have been dealt with.
  func finish(_ survey: MailboxSurvey, createdFolder: Bool, _ report: SyncReport) async throws -> SyncReport {
    var report = report
    switch survey.presence {
    case .both: return report
    case .remoteGone:
      if job.settings.mode != .headers {
        let rest = try await job.local.scan(.folder(survey.mailbox.local))
        if rest.isEmpty, survey.mailbox.local != ["INBOX"] {
          do { try await job.local.deleteFolder(survey.mailbox.local) } catch let error as LocalMailError {
            // Mail came in the very last moment, or it is a link.
            report.problems.append("\(survey.mailbox.remote): \(error)")
            return report
          }
          report.foldersDeletedLocally.append(survey.mailbox.remote)
        }
        // What is left is a new local folder to the next pass.
      }
      try await job.state.forget(mailbox: survey.mailbox.id)
    case .localGone:
      guard !createdFolder else { return report }
      let status = try await connection().status(survey.mailbox.remote)
      // New mail that came meanwhile brings the folder back.
      guard status.messages == 0 else { return report }
      try await leave(survey.mailbox.remote)
      do { try await connection().delete(survey.mailbox.remote) } catch  where error.isRefusal {
        report.problems.append(error.sentence)
        return report
      }
      try await job.state.forget(mailbox: survey.mailbox.id)
      report.foldersDeletedRemotely.append(survey.mailbox.remote)
    }
    return report
  }
}
