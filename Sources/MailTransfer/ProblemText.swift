import MailStore

/// One sentence for an error.
enum ProblemText {
  static func of(_ error: any Error) -> String {
    guard let error = error as? StoreError else {
      return error is CancellationError ? "cancelled" : "\(error)"
    }
    return switch error {
    case .noSuchAccount(let name): "\(name): no such account"
    case .noSuchMailbox(let name): "\(name): no such mailbox"
    case .invalidMailboxName(let name, let reason): "\(name): not a mailbox name: \(reason)"
    case .notSelectable(let name): "\(name): this name holds no messages"
    case .overQuota(let over):
      "the account is full: \(over.usage) of \(over.limit) \(over.unit); raise its quota and run again"
    case .messageTooLarge(let limit): "larger than \(limit) octets, the limit of the store"
    case .tooManyKeywords(let limit): "more than \(limit) keywords in the mailbox"
    case .tooManyMailboxes(let limit): "an account has at most \(limit) mailboxes"
    case .tooManyGrants(let limit): "a mailbox is shared with at most \(limit) accounts"
    case .tooManyMessages(let limit): "at most \(limit) messages at a time"
    case .mailboxGone: "the mailbox was deleted meanwhile"
    case .corrupt(let what): "damaged: \(what); 'merpati check' tells more"
    case .shuttingDown: "the store is shutting down; run again"
    case .folderInUse(let folder, _): "\(folder): in use by another process; try again later"
    case .folderRefused(let folder, let reason): "\(folder): \(reason)"
    default: "\(error)"
    }
  }
}
