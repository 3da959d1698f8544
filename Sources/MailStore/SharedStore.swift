/// What an account does in mailboxes of others, and whom a mailbox is shared with (RFC 4314).
///
/// Data sit with the owner of a mailbox: they count in his quota, and their MODSEQs are his. What every viewer has for
/// himself is `\Seen`, which stands beside the messages as *marks* of the viewer and takes part in MODSEQ. Nothing here asks
/// whether the viewer may: that is the caller's business, who asks `rights`.
public protocol SharedMailStore: AnyObject, Sendable {
  /// Who may do what, the owner apart, who may do everything: `anyone` first, then by account, what is denied behind what is
  /// given.
  func accessList(of ref: MailboxRef) async throws(StoreError) -> [AccessEntry]
  /// Throws `tooManyGrants`. Sessions that have the mailbox open and watches of its account are told.
  func changeAccess(_ change: AccessChange, of ref: MailboxRef) async throws(StoreError)
  /// Never touches the disk. The owner has all; nobody has any in a mailbox that is gone.
  func rights(of viewer: AccountID, in ref: MailboxRef) -> MailboxRights
  /// Mailboxes of others in which the viewer has a right, by owner and name; `owner`: of this one only.
  func sharedMailboxes(with viewer: AccountID, of owner: AccountID?) async throws(StoreError) -> [SharedMailbox]

  /// The mailbox with the viewer's own UNSEEN and HIGHESTMODSEQ. Nil: it is gone.
  func mailbox(_ ref: MailboxRef, as viewer: AccountID) async throws(StoreError) -> MailboxInfo?
  /// As `MailStore.openMailbox`, with the viewer's own `\Seen`. Nothing is `\Recent` to a viewer.
  func openMailbox(
    _ ref: MailboxRef, as viewer: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox
  /// `\Seen` is changed for the viewer alone.
  func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef, as viewer: AccountID
  ) async throws(StoreError) -> FlagOutcome
  /// All or nothing, the removal of what is replaced included; it may lie in another account. In a mailbox of somebody else
  /// `\Seen` is the viewer's.
  func append(
    _ messages: [AppendedMessage], to target: MailboxRef, replacing replaced: ReplacedRef?, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs
  /// Copies, or moves, with the flags as the viewer sees them, those of `scope`. COPY is all or nothing; of a MOVE each
  /// message moves or stays, and `failure` says why. Between accounts the quota of the target is asked, and a message gets
  /// another EMAILID and UIDL.
  func transfer(
    _ uids: [UID], from ref: MailboxRef, to target: MailboxRef, moving: Bool, _ scope: FlagScope, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs

  /// A subscription to a name that lies with others; that it names anything is the caller's business.
  func setSubscribed(_ subscribed: Bool, toShared name: String, of account: AccountID) async throws(StoreError)

  /// Annotations (RFC 5464) of the account (nil) and of its mailboxes, in the order of their entries, as the viewer sees
  /// them: those below `/private` are his own.
  func annotations(of account: AccountID, as viewer: AccountID) async throws(StoreError) -> [MailboxID?: [Annotation]]
  /// All or nothing. False: there would be more than `limits` allow, and nothing was changed. Throws `overQuota` where the
  /// account's own bound would be crossed; what only takes away crosses none. Watches hear of it, those of `authors` apart. What viewers keep below `/private` of somebody else's mailbox has limits of its own for each, and no
  /// watch hears of it.
  func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of account: AccountID, as viewer: AccountID,
    limits: AnnotationLimits, by authors: [WatchID]
  ) async throws(StoreError) -> Bool

  /// Entries of the server itself, all below `/shared`, in their order: the same for all accounts, and in no quota.
  func serverAnnotations() async throws(StoreError) -> [Annotation]
  /// As `setAnnotations`. The watches of all accounts hear of it.
  func setServerAnnotations(_ changes: [AnnotationChange], limits: AnnotationLimits) async throws(StoreError) -> Bool
}

extension SharedMailStore {
  public func annotations(of account: AccountID) async throws(StoreError) -> [MailboxID?: [Annotation]] {
    try await annotations(of: account, as: account)
  }

  public func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of account: AccountID, limits: AnnotationLimits,
    by authors: [WatchID]
  ) async throws(StoreError) -> Bool {
    try await setAnnotations(changes, in: mailbox, of: account, as: account, limits: limits, by: authors)
  }
}
