public import Foundation
public import MailAdvice
public import MailStore
public import MailTransfer

/// What the other commands ask of a running server, or of the folder itself when no server runs.
///
/// On the control socket: one JSON line each way. `deliver` and `append` are followed by their messages, each in chunks
/// (`LENGTH LF` and the octets) and ended by `0 LF`. The answer to `read` begins with the messages (see `ReadFrame`).
public enum ControlRequest: Codable, Sendable {
  case accountAdd(name: String, password: String, settings: AccountSettings)
  case accountChange(name: String, settings: AccountSettings)
  case accountImportHash(name: String, hash: String, settings: AccountSettings)
  case accountList
  case accountRemove(name: String)
  case accountPassword(name: String, password: String)
  case quotaShow(name: String)
  case check
  /// What can be mended while the server runs.
  case repair(RepairOptions)
  case scrubStatus
  case compact
  case expire
  /// Measures an account and recommends POP3 or IMAP.
  case choose(account: String, wishes: Wishes)
  case deliver(Delivery)
  case mailboxes(account: String)
  case prepareImport(account: String, mailbox: ImportedMailbox)
  case append(Append)
  /// Messages with a UID above `after`.
  case describe(account: String, mailbox: String, after: UID)
  /// `uids` ascending, at most `ControlLimits.uidsPerRequest`.
  case fingerprints(account: String, mailbox: String, uids: [UID])
  case read(account: String, mailbox: String, uids: [UID])
  /// After the answer the connection stays: packs are kept until another line comes, or the connection ends.
  case backup
  /// Makes an account as a backup has it, unless there is one of that name.
  case accountRestore(RestoredAccount)
  /// Rights and annotations of one of its mailboxes.
  case mailboxRestore(RestoredMailbox)
  case deletedMessages(account: String, filter: DeletedFilter)
  case undelete(account: String, filter: DeletedFilter, ignoringQuota: Bool)
  /// Nil: of all mailboxes.
  case accessList(account: String, mailbox: String?)
  /// `rights` as SETACL has them: letters, perhaps behind `+` or `-`.
  case accessChange(account: String, mailbox: String, identifier: String, rights: String)
  /// Entries of the server (RFC 5464); nil: all.
  case metadataList(entry: String?)
  /// `value` nil: the entry is removed.
  case metadataChange(entry: String, value: Data?)

  public struct Delivery: Codable, Sendable {
    public var recipient: String
    public var sender: String
    public init(recipient: String, sender: String) {
      self.recipient = recipient
      self.sender = sender
    }
  }
}

extension ControlRequest {
  public struct Append: Codable, Sendable {
    public struct Message: Codable, Sendable {
      public var flags: SystemFlags
      public var keywords: [String]
      public var date: InternalDate?
      public var uid: UID?
      public var uidl: String?
    }
    public var account: String
    public var mailbox: String
    public var ignoringQuota: Bool
    public var messages: [Message]
  }
}

/// What may be set of an account. A field that is nil is left as it is (or at its default when the account is new).
public struct AccountSettings: Codable, Sendable {
  /// Octets; negative: no bound of its own.
  public var quotaBytes: Int64?
  /// Negative: no bound of its own.
  public var quotaMessages: Int64?
  /// Negative: no bound of its own.
  public var quotaMailboxes: Int64?
  /// Octets; negative: no bound of its own.
  public var quotaAnnotations: Int64?
  /// `never`, `on-retrieve` or `Nd`.
  public var pop3Expire: String?
  public var enabled: Bool?
  public init(quotaBytes: Int64? = nil, quotaMessages: Int64? = nil, pop3Expire: String? = nil, enabled: Bool? = nil) {
    self.quotaBytes = quotaBytes
    self.quotaMessages = quotaMessages
    self.pop3Expire = pop3Expire
    self.enabled = enabled
  }

  func expire() throws(ControlFailure) -> POP3Expire? {
    guard let pop3Expire else { return nil }
    guard let value = POP3Expire(text: pop3Expire) else {
      throw ControlFailure(
        .usage, "--pop3-expire: '\(pop3Expire)' is not never, on-retrieve or a number of days such as 14d")
    }
    return value
  }
}

extension POP3Expire {
  /// `never`, `on-retrieve` or `14d`.
  public init?(text: String) {
    switch text {
    case "never": self = .never
    case "on-retrieve": self = .onRetrieve
    default:
      guard text.hasSuffix("d"), let days = Int(text.dropLast()), (1...36_500).contains(days) else { return nil }
      self = .days(days)
    }
  }

  public var text: String {
    switch self {
    case .never: "never"
    case .onRetrieve: "on-retrieve"
    case .days(let days): "\(days)d"
    }
  }
}

/// The answer: exactly one field beside `failure` is set, by the request.
public struct ControlReply: Codable, Sendable {
  public var failure: ControlFailure?
  public var accounts: [AccountReport]?
  public var quota: QuotaReport?
  public var check: CheckReport?
  public var repair: RepairReport?
  public var scrub: ScrubStatus?
  public var compaction: CompactionReport?
  public var count: Int?
  public var message: String?
  public var listing: StoreListing?
  public var mailbox: StoreMailbox?
  public var page: StorePage?
  public var fingerprints: Fingerprints?
  public var assigned: Assigned?
  public var advice: Report?
  public var backup: BackupSnapshot?
  public var deleted: DeletedListing?
  public var undeleted: UndeleteReport?
  public var access: [AccessReport]?
  public var metadata: [MetadataReport]?
  public var restoredAccount: RestoredAccountReport?
  public var restoredMailbox: RestoredMailboxReport?
  public init() {}

  public struct Fingerprints: Codable, Sendable {
    /// SHA-256 in hexadecimal digits, as `Fingerprint` computes it.
    public var found: [UID: String]
    /// How many of the UIDs asked for are done with.
    public var done: Int
  }

  public struct Assigned: Codable, Sendable {
    public var uidValidity: UInt32
    public var mailbox: Int64
    /// One for each message, in order.
    public var uids: [UID]
  }

  /// Something is said: silence must not count as success.
  var isAnswer: Bool {
    failure != nil || accounts != nil || quota != nil || check != nil || repair != nil
      || scrub != nil || compaction != nil || count != nil
      || message != nil || listing != nil || mailbox != nil || page != nil || fingerprints != nil || assigned != nil
      || advice != nil || backup != nil || deleted != nil || undeleted != nil || access != nil
      || metadata != nil || restoredAccount != nil || restoredMailbox != nil
  }
}

/// A refusal with its sysexits(3) code and a sentence for the person at the terminal.
public struct ControlFailure: Error, Codable, Sendable, CustomStringConvertible {
  public enum Code: Int32, Codable, Sendable {
    case usage = 64
    case data = 65
    case noInput = 66
    case noUser = 67
    case unavailable = 69
    case software = 70
    case cannotCreate = 73
    case inputOutput = 74
    case temporary = 75
    case noPermission = 77
    case configuration = 78
  }
  public var code: Code
  public var sentence: String
  /// What the store refused, where it was the store.
  public var store: StoreError?
  public init(_ code: Code, _ sentence: String) {
    self.code = code
    self.sentence = sentence
  }
  public var description: String { sentence }
}

public struct AccountReport: Codable, Sendable {
  public var name: String
  public var enabled: Bool
  public var messages: Int64
  public var bytes: Int64
  public var quotaBytes: Int64?
  public var quotaMessages: Int64?
  public var pop3Expire: String
  public var scram: Bool
}

/// One line of a mailbox's access control list.
public struct AccessReport: Codable, Sendable {
  public var mailbox: String
  /// An account's name or `anyone`; behind a dash where rights are taken away.
  public var identifier: String
  /// Letters of RFC 4314 §2.1.
  public var rights: String
}

/// An entry of the server, which all accounts read.
public struct MetadataReport: Codable, Sendable {
  public var entry: String
  public var octets: Int
  /// Nil where it is no UTF-8.
  public var value: String?
  /// In its place then.
  public var base64: Data?

  public var bytes: [UInt8] { value.map { Array($0.utf8) } ?? Array(base64 ?? Data()) }
}

public struct QuotaReport: Codable, Sendable {
  public struct Resource: Codable, Sendable {
    public var usage: Int64
    public var limit: Int64?
  }
  public var account: String
  /// Octets.
  public var storage: Resource
  public var messages: Resource
  public var mailboxes: Resource?
  /// Octets.
  public var annotations: Resource?
  /// Deleted mail that is kept for `undelete`; it is in no quota.
  public var kept: Resource?
}

/// An account as it was when a backup was taken.
public struct RestoredAccount: Codable, Sendable {
  public var name: String
  /// As stored (see `Account.credentials`).
  public var credentials: String
  public var enabled: Bool
  public var quotaBytes: Int64?
  public var quotaMessages: Int64?
  public var quotaMailboxes: Int64?
  public var quotaAnnotations: Int64?
  public var pop3Expire: String
  /// An account of that name gets this name before, and can no longer log in; nil: it stays as it is.
  public var setAside: String?

  init(_ account: Account, name: String, setAside: String?) {
    self.name = name
    credentials = account.credentials
    enabled = account.isEnabled
    quotaBytes = account.quota.bytes
    quotaMessages = account.quota.messages
    quotaMailboxes = account.quota.mailboxes
    quotaAnnotations = account.quota.annotationBytes
    pop3Expire = account.pop3Expire.text
    self.setAside = setAside
  }
}
