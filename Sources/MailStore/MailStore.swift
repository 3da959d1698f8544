public import SearchText

/// The contract between protocols and storage. Every call is coarse: one hop, one transaction; values come back, nothing
/// stays open. A call that returns has made its change durable (bytes synced, then rows synced).
///
/// Calls are safe from any task. UIDs given to a call that are not there any more are passed over, as RFC 9051 §6.4.9
/// wants it of the UID commands. Every change that one call makes in one account has the same MODSEQ, above all that the
/// account had before.
public protocol MailStore: SharedMailStore {
  // MARK: Directory

  /// Names compare without ASCII case. Nil: no such account. Never touches the disk for an account seen before.
  func account(named name: String) async throws(StoreError) -> Account?
  func account(_ id: AccountID) async throws(StoreError) -> Account?
  /// In name order.
  func accounts() async throws(StoreError) -> [Account]
  /// Creates the account with INBOX (and Drafts, Junk, Sent, Trash, Archive with their special uses, subscribed).
  func addAccount(_ account: NewAccount) async throws(StoreError) -> Account
  func updateAccount(_ id: AccountID, _ change: AccountChange) async throws(StoreError) -> Account
  /// Removes the account with all its mail; open mailboxes of it report their end.
  func removeAccount(_ id: AccountID) async throws(StoreError)
  func quota(of id: AccountID) async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits)

  // MARK: Mailboxes

  func mailboxes(of account: AccountID) async throws(StoreError) -> MailboxListing
  /// `name` as the client gave it, already in UTF-8; INBOX is matched without case. Nil: no such name.
  func mailbox(named name: String, of account: AccountID) async throws(StoreError) -> MailboxInfo?
  /// Creates missing parents as well (RFC 9051 §6.3.4), and asks the quota for all of them. A trailing `/` is ignored. A `\Noselect` name becomes a mailbox.
  func createMailbox(_ name: String, of account: AccountID, specialUse: SpecialUse?) async throws(StoreError)
    -> MailboxInfo
  /// Charged bytes are given back. A mailbox with children stays as a `\Noselect` name (RFC 9051 §6.3.5). Its messages
  /// count as expunged: sessions that have not heard of it may still read them while their bytes are kept.
  func deleteMailbox(_ name: String, of account: AccountID) async throws(StoreError)
  /// Children move along, missing parents are created, subscriptions stay with the old names. Renaming INBOX moves its
  /// messages to the new name and leaves INBOX empty, and the names below it where they are (RFC 9051 §6.3.6); if that
  /// fails half-way, the new mailbox has the first of them and INBOX the rest. The quota is asked for mailboxes that this
  /// makes; for none, if it makes none.
  func renameMailbox(_ name: String, to newName: String, of account: AccountID) async throws(StoreError)
  func setSubscribed(_ subscribed: Bool, _ name: String, of account: AccountID) async throws(StoreError)

  /// Opens a mailbox for a session. `onChange` is called (from any thread, never while a lock is held, coalesced) when
  /// `current` has moved on; it must only schedule work. Sessions are called in the order in which they opened the
  /// mailbox, before the call that made the change returns.
  func openMailbox(
    _ name: String, of account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox

  /// Watches all mailboxes of an account. `onChange` is called as that of `openMailbox`, after a change of which `news`
  /// will tell, and not again before `news` was called.
  func watch(_ account: AccountID, onChange: @escaping @Sendable () -> Void) async throws(StoreError)
    -> any AccountWatch

  // MARK: Mail in

  func newIncomingMessage() -> any IncomingMessage
  /// Would one more message of `size` octets fit? For MAIL SIZE= and RCPT; the transaction asks again. The octets' bound is
  /// asked before that of messages, the last octet fits, and a call that adds no message crosses no bound.
  func checkQuota(of account: AccountID, adding size: Int) async throws(StoreError)
  /// One result for each target, in order; each stands or falls alone, and what stands is durable. The bytes are stored
  /// once.
  func deliver(_ message: any PreparedMessage, to targets: [DeliveryTarget], date: InternalDate) async
    -> [Result<Delivered, StoreError>]
  /// `finish` and `deliver` in one, so that an engine need not come back to the caller between them. Throws when the
  /// message could not be finished; nothing was delivered then.
  func deliver(finishing message: any IncomingMessage, to targets: [DeliveryTarget], date: InternalDate)
    async
    throws(StoreError) -> [Result<Delivered, StoreError>]
  /// All or nothing (RFC 3502 §6.3.11). `ignoringQuota`: for administrators; the messages are counted all the same.
  func append(
    _ messages: [AppendedMessage], to mailbox: String, of account: AccountID, ignoringQuota: Bool
  ) async throws(StoreError) -> AssignedUIDs
  /// Appends `message` and expunges `uid` of the mailbox `ref`, both or neither (RFC 8508 §3.4), whether it is `\Deleted` or
  /// not. Of the quota only what is added on balance is asked for; nothing, if nothing is. Throws `expunged` when `uid` is
  /// not there.
  func replace(
    _ uid: UID, in ref: MailboxRef, with message: AppendedMessage, to mailbox: String
  ) async throws(StoreError) -> AssignedUIDs
  /// Makes the mailbox (and missing parents) if it is not there, with the numbers of the mailbox that messages are
  /// imported from. UIDVALIDITY can be set while the mailbox has never given out a UID; sessions that have it open then
  /// see its end. After that only the same value is accepted, so that an import can be run again. A value is refused if
  /// another mailbox was known by this name with it, and was imported or has given out a UID.
  func prepareImport(_ mailbox: ImportedMailbox, of account: AccountID) async throws(StoreError) -> MailboxInfo

  // MARK: Messages

  func changeFlags(_ change: FlagChange, of uids: [UID], in ref: MailboxRef) async throws(StoreError) -> FlagOutcome
  /// All or nothing (RFC 9051 §6.4.7), so an engine may bound the number. Flags, dates and keywords go along; a copy has
  /// its own UIDL and was never retrieved.
  func copy(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs
  /// Each message moves or stays; UIDLs are kept, and no quota is asked. Nothing stays to be read under the old UIDs. Of a
  /// long MOVE the first part may have moved when the rest fails: then `failure` says why (RFC 6851 §3.3).
  func move(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs
  /// Expunges messages that are `\Deleted`: all of them, or those among `uids` (RFC 9051 §6.4.9). Returns their UIDs.
  func expunge(_ uids: [UID]?, in ref: MailboxRef) async throws(StoreError) -> [UID]

  /// UIDs within `range` that messages had which were expunged, or moved away, after `modSeq`; ascending (RFC 7162 §3.2.6).
  /// Nil: it is not remembered that far back, so any UID that is not there may be one of them.
  func vanished(
    _ range: ClosedRange<UID>, since modSeq: ModSeq, in ref: MailboxRef
  ) async throws(StoreError) -> [UID]?

  /// Visits rows in UID order on a thread of the store, inside one read transaction that ends with the call. `uids`
  /// ascending. Returns how many of `uids` are done with (missing ones included), so that the next call goes on from
  /// there; after `stopBefore` the row itself is not counted. Messages expunged after the session's snapshot are visited
  /// as long as their bytes are kept: at least until the next round of upkeep.
  ///
  /// The visitor runs off the event loop and must not block on anything but the store's own row.
  func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int

  /// What an index of the texts says, one answer for each term; nil where it says nothing. Nothing that it says may be wrong:
  /// what it does not know of, or not for sure, it leaves out, and the texts themselves are looked through.
  func narrow(_ terms: [SearchTerm], in ref: MailboxRef) async throws(StoreError) -> [Narrowed?]

  /// Nil: no such message, or its bytes are gone.
  func openMessage(_ uid: UID, in ref: MailboxRef) async throws(StoreError) -> (any MessageReader)?

  // MARK: Access keys

  /// The key under which URLs of a mailbox are authorized (RFC 4467 §2.2), as it is after the call; nil: there is none. It
  /// stays with the mailbox when it is renamed and goes when it is deleted.
  func accessKey(_ use: AccessKeyUse, of ref: MailboxRef) async throws(StoreError) -> [UInt8]?
  /// Of all mailboxes of the account.
  func removeAccessKeys(of account: AccountID) async throws(StoreError)

  // MARK: POP3

  /// The INBOX as it stands now, for one POP3 session; its messages stay readable until `close`, expunged or not. While it
  /// is open nothing is purged that is expunged in its account after its opening.
  /// Exclusiveness between POP3 sessions is the caller's business.
  ///
  /// Returns when its totals are known: of a large one the messages follow (`Maildrop.listed`), as of the same moment.
  func beginMaildrop(of account: AccountID) async throws(StoreError) -> any Maildrop

  // MARK: Upkeep

  /// Removes INBOX messages whose days after retrieval are over (`POP3Expire.days`), as of `now`, in one account or in
  /// all. Returns how many.
  func expireRetrieved(of account: AccountID?, now: Int64) async throws(StoreError) -> Int
  /// Purges expunged messages past retention that no maildrop holds, rewrites packs with much dead space, and gives disk
  /// back.
  func compact() async throws(StoreError) -> CompactionReport
  /// Verifies every checksum and invariant. Read-only.
  func check() async throws(StoreError) -> CheckReport
  /// Ends: finishes queued work, closes files. Calls after it throw `shuttingDown`.
  func close() async
}

extension MailStore {
  /// Mailboxes and annotations as `QuotaLimits` bounds them.
  public func holdings(of id: AccountID) async throws(StoreError) -> QuotaHoldings {
    let mailboxes = try await mailboxes(of: id).mailboxes
    // Those of a mailbox that was deleted may be cleared away later.
    let there = Set(mailboxes.map(\.id))
    var octets = 0
    for (mailbox, annotations) in try await annotations(of: id) where mailbox.map(there.contains) ?? true {
      octets += annotations.reduce(0) { $0 + $1.octets }
    }
    return QuotaHoldings(mailboxes: Int64(mailboxes.count { $0.isSelectable }), annotationBytes: Int64(octets))
  }

  /// The same, with its messages.
  public func openMaildrop(of account: AccountID) async throws(StoreError) -> any Maildrop {
    let maildrop = try await beginMaildrop(of: account)
    do throws(StoreError) { try await maildrop.listed() } catch {
      maildrop.close()
      throw error
    }
    return maildrop
  }

  public func deliver(finishing message: any IncomingMessage, to targets: [DeliveryTarget], date: InternalDate)
    async
    throws(StoreError) -> [Result<Delivered, StoreError>]
  {
    await deliver(try await message.finish(), to: targets, date: date)
  }
}

/// A mailbox that a session has selected.
public protocol OpenMailbox: AnyObject, Sendable {
  var ref: MailboxRef { get }
  /// Counters and names as of the opening.
  var info: MailboxInfo { get }
  /// The state after the last commit; nil once the mailbox has been deleted.
  var current: MailboxSnapshot? { get }
  /// Takes the `\Recent` messages for this session: UIDs from the floor up to the current end, each given out once
  /// (RFC 3501 §2.3.2). Nil: none. Only for sessions that may write.
  func claimRecent() -> ClosedRange<UID>?
  /// UIDs a read-only session shows as `\Recent` without taking them.
  func peekRecent() -> ClosedRange<UID>?
  /// Ends `onChange`. Must be called once.
  func close()
}

/// The INBOX as one POP3 session sees it (RFC 1939 §5: a snapshot).
public protocol Maildrop: AnyObject, Sendable {
  /// Of all `messages`.
  var totals: (messages: Int, octets: Int) { get }
  /// Returns when the messages are known. Before that nothing else may be asked of the maildrop but its totals and `close`,
  /// which ends the reading of them: whoever waits then hears `shuttingDown`.
  func listed() async throws(StoreError)
  var isListed: Bool { get }
  /// Empty before they are known.
  var messages: [MaildropMessage] { get }
  /// Visits messages by their index in `messages`, ascending, as `MailStore.visit` does.
  func visit(
    _ indexes: ArraySlice<Int>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int
  func openMessage(at index: Int) async throws(StoreError) -> any MessageReader
  /// Notes the time of the first completed RETR.
  func markRetrieved(_ indexes: [Int], at seconds: Int64) async throws(StoreError)
  /// All or nothing up to many thousands; beyond, the first of them may be gone when it fails (RFC 1939 §6). Messages that
  /// are gone already count as deleted.
  func delete(_ indexes: [Int]) async throws(StoreError)
  /// Lets go of the snapshot. Must be called once.
  func close()
}

public struct MaildropMessage: Sendable, Hashable {
  public var uid: UID
  /// Octets on the wire before dot-stuffing, trace headers included.
  public var size: Int
  /// 1 to 70 characters 0x21–0x7E, unique in the account (RFC 1939 §7).
  public var uidl: String
  public init(uid: UID, size: Int, uidl: String) {
    self.uid = uid
    self.size = size
    self.uidl = uidl
  }
}

public struct CompactionReport: Sendable, Hashable, Codable {
  public var purgedMessages: Int
  public var rewrittenPacks: Int
  public var removedPacks: Int
  /// Octets of disk given back, packs and database together.
  public var freedBytes: Int64
  public init(purgedMessages: Int = 0, rewrittenPacks: Int = 0, removedPacks: Int = 0, freedBytes: Int64 = 0) {
    self.purgedMessages = purgedMessages
    self.rewrittenPacks = rewrittenPacks
    self.removedPacks = removedPacks
    self.freedBytes = freedBytes
  }
}

public struct CheckReport: Sendable, Hashable, Codable {
  public var accounts: Int
  public var mailboxes: Int
  public var messages: Int
  public var blobs: Int
  public var packs: Int
  public var blobBytes: Int64
  /// One sentence for each thing found wrong, naming account, mailbox, UID or file. Empty: clean.
  public var problems: [String]
  /// Messages that are known to be damaged and marked so, a sentence each; they are refused to clients, and no problem of
  /// the store any more.
  public var damaged: [String]
  public init(
    accounts: Int = 0, mailboxes: Int = 0, messages: Int = 0, blobs: Int = 0, packs: Int = 0, blobBytes: Int64 = 0,
    problems: [String] = [], damaged: [String] = []
  ) {
    self.accounts = accounts
    self.mailboxes = mailboxes
    self.messages = messages
    self.blobs = blobs
    self.packs = packs
    self.blobBytes = blobBytes
    self.problems = problems
    self.damaged = damaged
  }
}
