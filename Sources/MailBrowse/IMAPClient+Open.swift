import IMAPClient
import MailClient
import MailNet

extension IMAPClient {
  /// SELECT or EXAMINE; a refusal names the mailbox.
  func open(_ mailbox: String, readOnly: Bool) async throws -> SelectedMailbox {
    do {
      return try await select(mailbox, readOnly: readOnly, resync: nil)
    } catch {
      guard case .refused(_, _, let text) = error.kind else { throw error }
      throw BrowseError.cannotOpen(mailbox: mailbox, text)
    }
  }
}
