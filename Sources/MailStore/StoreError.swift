/// Everything a store call can refuse or fail with. The first group is the user's doing, the second ours; a protocol
/// maps the first to its own codes and answers the second with a fixed sentence, the story going to the log.
public enum StoreError: Error, Sendable, Hashable, Codable {
  // The user's
  case noSuchAccount(String)
  case accountExists(String)
  case invalidAccountName(String, reason: String)
  case noSuchMailbox(String)
  case mailboxExists(String)
  case invalidMailboxName(String, reason: String)
  /// The name holds no messages (`\Noselect`).
  case notSelectable(String)
  /// INBOX can neither be deleted nor be created.
  case inboxIsFixed
  /// The mailbox has children and is `\Noselect` already (RFC 9051 §6.3.5).
  case hasChildren(String)
  case overQuota(OverQuota)
  case messageTooLarge(limit: Int)
  case tooManyKeywords(limit: Int)
  case tooManyMailboxes(limit: Int)
  /// Accounts that one mailbox is shared with.
  case tooManyGrants(limit: Int)
  /// More than one transaction may take (COPY).
  case tooManyMessages(limit: Int)
  /// The selected mailbox was deleted under the session.
  case mailboxGone
  /// An import asked for numbers that cannot be given.
  case importRefused(ImportRefusal)
  /// A message was expunged and its bytes are gone.
  case expunged(UID)

  // Ours
  /// Bytes on disk are not what was written. `what` names account, mailbox, UID or file.
  case corrupt(what: String)
  /// A system call failed. The state on disk is as before the call.
  case io(operation: String, path: String, errno: Int32)
  /// The database refused; `message` is for the log only.
  case database(message: String)
  case shuttingDown
  /// Another process holds the data folder; `process` is its number where that is known.
  case folderInUse(folder: String, process: String?)
  /// Others than the user of this process own the data folder or can write in it. `reason` says what to do.
  case folderRefused(folder: String, reason: String)
}

/// Which bound of an account would have been crossed.
public struct OverQuota: Sendable, Hashable, Codable {
  public enum Resource: Sendable, Hashable, Codable { case storage, messages, mailboxes, annotations }
  public var resource: Resource
  public var limit: Int64
  public var usage: Int64

  /// What is counted: octets, messages or mailboxes.
  public var unit: String {
    switch resource {
    case .storage: "octets"
    case .messages: "messages"
    case .mailboxes: "mailboxes"
    case .annotations: "octets of annotations"
    }
  }

  public init(resource: Resource, limit: Int64, usage: Int64) {
    self.resource = resource
    self.limit = limit
    self.usage = usage
  }
}
