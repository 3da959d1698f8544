/// What somebody may do in a mailbox (RFC 4314 §2.1).
public struct MailboxRights: OptionSet, Sendable, Hashable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// `l`: the mailbox is there for LIST and SUBSCRIBE.
  public static let lookup = MailboxRights(rawValue: 1 << 0)
  /// `r`: SELECT, STATUS.
  public static let read = MailboxRights(rawValue: 1 << 1)
  /// `s`: `\Seen`.
  public static let seen = MailboxRights(rawValue: 1 << 2)
  /// `w`: flags other than `\Seen` and `\Deleted`.
  public static let write = MailboxRights(rawValue: 1 << 3)
  /// `i`: APPEND and COPY into it.
  public static let insert = MailboxRights(rawValue: 1 << 4)
  /// `p`: mail may be sent to it. IMAP does not ask for it.
  public static let post = MailboxRights(rawValue: 1 << 5)
  /// `k`: CREATE below it.
  public static let create = MailboxRights(rawValue: 1 << 6)
  /// `x`: DELETE, RENAME.
  public static let deleteMailbox = MailboxRights(rawValue: 1 << 7)
  /// `t`: `\Deleted`.
  public static let deleteMessages = MailboxRights(rawValue: 1 << 8)
  /// `e`: EXPUNGE.
  public static let expunge = MailboxRights(rawValue: 1 << 9)
  /// `a`: its list of rights.
  public static let administer = MailboxRights(rawValue: 1 << 10)

  public static let all = MailboxRights(rawValue: (1 << 11) - 1)
  /// Any one of them lets one read annotations, together with `lookup` (RFC 5464 §3.3).
  public static let forMetadata: MailboxRights = [.read, .seen, .write, .insert, .post]
  public var showsAnnotations: Bool { contains(.lookup) && !isDisjoint(with: .forMetadata) }
  /// MYRIGHTS needs one of them (RFC 4314 §4).
  public static let any: MailboxRights = [.lookup, .read, .insert, .create, .deleteMailbox, .administer]
}

/// Whom rights are given to.
public enum Grantee: Sendable, Hashable {
  /// Everybody with an account (RFC 4314 §2).
  case anyone
  case account(AccountID)
}

/// One line of a mailbox's access control list; one without rights does not exist.
public struct AccessEntry: Sendable, Hashable {
  public var grantee: Grantee
  /// These rights are taken away, whatever else gives them (RFC 4314 §2).
  public var isNegative: Bool
  public var rights: MailboxRights
  public init(_ grantee: Grantee, isNegative: Bool = false, _ rights: MailboxRights) {
    self.grantee = grantee
    self.isNegative = isNegative
    self.rights = rights
  }
}

/// A change of one line of an access control list (RFC 4314 §3.1).
public struct AccessChange: Sendable, Hashable {
  public enum Mode: Sendable, Hashable { case add, remove, replace }
  public var mode: Mode
  public var grantee: Grantee
  public var isNegative: Bool
  public var rights: MailboxRights
  public init(_ mode: Mode, _ grantee: Grantee, isNegative: Bool = false, _ rights: MailboxRights) {
    self.mode = mode
    self.grantee = grantee
    self.isNegative = isNegative
    self.rights = rights
  }

  public func apply(to old: MailboxRights) -> MailboxRights {
    switch mode {
    case .add: old.union(rights)
    case .remove: old.subtracting(rights)
    case .replace: rights
    }
  }
}

extension Sequence where Element == AccessEntry {
  /// What the list gives an account that is not the owner: what it and everybody are given, less what either is denied.
  public func rights(of viewer: AccountID) -> MailboxRights {
    var given: MailboxRights = []
    var denied: MailboxRights = []
    for entry in self where entry.grantee == .anyone || entry.grantee == .account(viewer) {
      if entry.isNegative { denied.formUnion(entry.rights) } else { given.formUnion(entry.rights) }
    }
    return given.subtracting(denied)
  }
}

/// A mailbox of somebody else.
public struct SharedMailbox: Sendable, Hashable {
  public var owner: AccountID
  public var ownerName: String
  /// Named as its owner names it; counters as the viewer sees them.
  public var info: MailboxInfo
  public var rights: MailboxRights
  public init(owner: AccountID, ownerName: String, info: MailboxInfo, rights: MailboxRights) {
    self.owner = owner
    self.ownerName = ownerName
    self.info = info
    self.rights = rights
  }
  public var ref: MailboxRef { MailboxRef(account: owner, mailbox: info.id) }
}

/// Which flags a message may bring along (RFC 4314 §4).
public struct FlagScope: Sendable, Hashable {
  public var flags: SystemFlags
  public var keywords: Bool
  public init(flags: SystemFlags, keywords: Bool) {
    self.flags = flags
    self.keywords = keywords
  }

  /// `t` for `\Deleted`, `s` for `\Seen`, `w` for all others.
  public init(_ rights: MailboxRights) {
    flags = []
    keywords = rights.contains(.write)
    if rights.contains(.write) { flags.formUnion([.answered, .flagged, .draft]) }
    if rights.contains(.seen) { flags.insert(.seen) }
    if rights.contains(.deleteMessages) { flags.insert(.deleted) }
  }

  public static let all = FlagScope(.all)
  public var isEmpty: Bool { flags.isEmpty && !keywords }
}

/// What the messages of an APPEND take the place of (RFC 8508).
public struct ReplacedRef: Sendable, Hashable {
  public var uid: UID
  public var ref: MailboxRef
  public init(_ uid: UID, in ref: MailboxRef) {
    self.uid = uid
    self.ref = ref
  }
}
