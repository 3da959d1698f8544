import IMAPCore
import MailStore

/// What stands behind a command's tag. Every command is a function that returns one or throws a `CommandError`; the
/// session alone prints it, so that each command is completed once.
struct Completion: Sendable {
  enum Status: Sendable { case ok, no, bad }
  var status: Status
  var code: ResponseCode?
  var text: Sentence
  /// Nothing untagged may come before it (the view has ended, or never began).
  var skipsSync = false

  static func ok(_ text: Sentence, code: ResponseCode? = nil) -> Completion {
    Completion(status: .ok, code: code, text: text)
  }
  static func no(_ text: Sentence, code: ResponseCode? = nil) -> Completion {
    Completion(status: .no, code: code, text: text)
  }
  static func bad(_ text: Sentence, code: ResponseCode? = nil) -> Completion {
    Completion(status: .bad, code: code, text: text, skipsSync: true)
  }
}

/// Why a command was not carried out, or not wholly.
enum CommandError: Error, Sendable {
  static func badCharset(_ names: [String], _ text: Sentence) -> CommandError {
    .rejected(IMAPSyntaxError(code: .badCharset(names), text, at: 0))
  }

  /// The client's mistake in form: BAD.
  case bad(Sentence)
  /// The user's: NO.
  case no(ResponseCode?, Sentence)
  /// Whatever the store says; see `ErrorMapper`.
  case store(StoreError)
  /// The framer's or the grammar's verdict, in the middle of a conversation.
  case rejected(IMAPSyntaxError)
  /// The connection is gone: nobody hears the answer.
  case connectionClosed

  /// It is answered BAD.
  var isBad: Bool {
    switch self {
    case .bad: true
    case .rejected(let error): error.answer != .no
    case .no, .store, .connectionClosed: false
    }
  }
}

/// The one place where errors become replies. Our own errors go to the log whole and to the client as one sentence.
enum ErrorMapper {
  struct Outcome {
    var completion: Completion
    /// For the log; nil when the user alone is concerned.
    var internalStory: String?
  }

  /// - Parameters:
  ///   - isDestination: the mailbox named was one to put messages into, so its absence is `[TRYCREATE]`
  ///     (RFC 9051 §6.3.12, §6.4.7, §6.4.8).
  ///   - reference: what the client may quote to the administrator.
  static func outcome(_ error: CommandError, isDestination: Bool, reference: String) -> Outcome {
    switch error {
    case .bad(let text): Outcome(completion: .bad(text))
    case .no(let code, let text): Outcome(completion: .no(text, code: code))
    case .rejected(let error):
      Outcome(
        completion: error.answer == .no ? .no(error.reason, code: error.code) : .bad(error.reason, code: error.code))
    case .connectionClosed: Outcome(completion: .no("Connection closed", code: .unavailable))
    case .store(let error): outcome(error, isDestination: isDestination, reference: reference)
    }
  }

  private static func outcome(_ error: StoreError, isDestination: Bool, reference: String) -> Outcome {
    func ours(_ code: ResponseCode) -> Outcome {
      Outcome(
        completion: .no("Internal error, see the server's log: \(reference)", code: code), internalStory: "\(error)")
    }
    func user(_ code: ResponseCode, _ text: Sentence) -> Outcome { Outcome(completion: .no(text, code: code)) }
    return switch error {
    case .noSuchMailbox:
      isDestination ? user(.tryCreate, "No such mailbox") : user(.nonExistent, "No such mailbox")
    case .mailboxExists: user(.alreadyExists, "A mailbox of this name exists already")
    case .invalidMailboxName(_, let reason): user(.cannot, "Not a possible mailbox name: \(Sentence(said: reason))")
    case .notSelectable: user(.cannot, "This name holds no messages")
    case .inboxIsFixed: user(.cannot, "INBOX can neither be created nor deleted")
    case .overQuota(let quota):
      switch quota.resource {
      case .storage: user(.overQuota, "Not enough room left in the quota")
      case .messages: user(.overQuota, "Too many messages for the quota")
      case .mailboxes: user(.overQuota, "Too many mailboxes for the quota")
      case .annotations: user(.overQuota, "Too many annotations for the quota")
      }
    case .messageTooLarge(let limit): user(.tooBig, "Messages may have at most \(limit) octets")
    case .tooManyKeywords(let limit): user(.limit, "At most \(limit) keywords in a mailbox")
    case .tooManyMailboxes(let limit): user(.limit, "At most \(limit) mailboxes in an account")
    case .tooManyGrants(let limit): user(.limit, "A mailbox can be shared with at most \(limit) accounts")
    // RFC 9738 §3.1
    case .tooManyMessages(let limit):
      user(.messageLimit(UInt32(clamping: limit)), "At most \(limit) messages at a time")
    case .mailboxGone: user(.nonExistent, "The mailbox was deleted")
    case .expunged: user(.expungeIssued, "Some of the messages no longer exist")
    case .hasChildren: user(.hasChildren, "The mailbox has children")
    // No IMAP command brings numbers along.
    case .importRefused: ours(.serverBug)
    case .noSuchAccount, .accountExists, .invalidAccountName: ours(.unavailable)
    // RFC 5530 §3: the code says that something is damaged; what, is for the log.
    case .corrupt:
      Outcome(
        completion: .no(
          "Some of the mail is damaged on the server's disk and cannot be read; tell the administrator: \(reference)",
          code: .corruption), internalStory: "\(error)")
    // RFC 5530 §3: UNAVAILABLE, not OVERQUOTA, since it is not the user's quota and no user can do anything about it.
    case .io where error.isNoRoom:
      Outcome(
        completion: .no("No room left on the server's disk, try again later", code: .unavailable),
        internalStory: "\(error)")
    case .io, .shuttingDown, .folderInUse, .folderRefused: ours(.unavailable)
    case .database: ours(.serverBug)
    }
  }
}
