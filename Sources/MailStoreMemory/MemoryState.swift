import MailStore
import NIOCore

/// A message's bytes with the header lines of one delivery, shared by all copies.
final class MemoryContent: Sendable {
  /// Counts in the account; EMAILID.
  let number: Int64
  let thread: Int64
  /// The same for all recipients of one delivery.
  let blob: Int64
  let trace: ByteBuffer
  let message: MemoryPrepared

  init(number: Int64, thread: Int64, blob: Int64, trace: ByteBuffer, message: MemoryPrepared) {
    self.number = number
    self.thread = thread
    self.blob = blob
    self.trace = trace
    self.message = message
  }

  var size: Int { trace.readableBytes + message.size }
}

struct MemoryMessage: Sendable {
  /// 0: the mailbox gives the next one.
  var uid: UID = 0
  var modSeq: ModSeq = 0
  var flags: SystemFlags = []
  /// Bit `n` is `MemoryMailbox.keywords[n]`.
  var keywords: UInt64 = 0
  var content: MemoryContent
  var date: InternalDate
  /// When it came into its mailbox.
  var saved: Int64 = 0
  var uidl: String
  /// The first completed RETR.
  var retrieved: Int64?

  var size: Int64 { Int64(content.size) }
}

/// A message that was expunged and whose bytes are still kept.
struct MemoryGhost: Sendable {
  var message: MemoryMessage
  /// MODSEQ and time of the expunge.
  var modSeq: ModSeq
  var time: Int64
}

struct MemoryMailbox: Sendable {
  let id: MailboxID
  var name: String
  var isSelectable = true
  var specialUse: SpecialUse?
  var uidValidity: UInt32
  var uidNext: UID = 1
  var highestModSeq: ModSeq
  var recentFloor: UID = 1
  /// Names by bit.
  var keywords: [String] = []
  /// Ascending by UID.
  var messages: [MemoryMessage] = []
  /// The MODSEQ at which each UID went, since the mailbox was made.
  var gone: [UID: ModSeq] = [:]
  let firstModSeq: ModSeq
  /// Who may do what, the owner apart.
  var access: [AccessEntry] = []
  /// What viewers who are not the owner have made of `\Seen`, by message.
  var marks: [AccountID: [UID: SeenMark]] = [:]
  /// The MODSEQ of the last of these changes.
  var marked: [AccountID: ModSeq] = [:]
  var snapshot: MailboxSnapshot

  init(id: MailboxID, name: String, uidValidity: UInt32, modSeq: ModSeq) {
    self.id = id
    self.name = name
    self.uidValidity = uidValidity
    highestModSeq = modSeq
    firstModSeq = modSeq
    snapshot = MailboxSnapshot(entries: [], uidNext: 1, highestModSeq: modSeq, keywords: [])
  }

  func index(of uid: UID) -> Int? {
    var low = 0
    var high = messages.count
    while low < high {
      let middle = (low + high) / 2
      if messages[middle].uid < uid { low = middle + 1 } else { high = middle }
    }
    return low < messages.count && messages[low].uid == uid ? low : nil
  }

  mutating func rebuild() {
    snapshot = MailboxSnapshot(
      entries: messages.map {
        MessageEntry(uid: $0.uid, flags: $0.flags, keywords: $0.keywords, modSeq: $0.modSeq)
      }, uidNext: uidNext, highestModSeq: highestModSeq, keywords: keywords)
  }

  func names(of bits: UInt64) -> [String] {
    keywords.indices.filter { bits & (1 << UInt64($0)) != 0 }.map { keywords[$0] }
  }

  /// Bits for these names. With `adding` new ones get a bit each, else they are passed over. Keywords are the same without
  /// regard to ASCII case (RFC 9051 §2.3.2).
  mutating func bits(for names: [String], adding: Bool) throws(StoreError) -> UInt64 {
    var bits: UInt64 = 0
    for name in names {
      if let bit = keywords.firstIndex(where: { MemoryNames.lowercased($0) == MemoryNames.lowercased(name) }) {
        bits |= 1 << UInt64(bit)
      } else if adding {
        guard keywords.count < MemoryBounds.keywords, (1...MemoryBounds.keywordBytes).contains(name.utf8.count) else {
          throw .tooManyKeywords(limit: MemoryBounds.keywords)
        }
        bits |= 1 << UInt64(keywords.count)
        keywords.append(name)
      }
    }
    return bits
  }
}

struct MemoryAccount: Sendable {
  var account: Account
  var mailboxes: [MailboxID: MemoryMailbox] = [:]
  var names: [String: MailboxID] = [:]
  var subscriptions: Set<String> = []
  var annotations: [AnnotationName: ByteBuffer] = [:]
  /// Below `/private`, of others.
  var foreignAnnotations: [AccountID: [AnnotationName: ByteBuffer]] = [:]
  var modSeq: ModSeq = 1
  var nextMailbox: Int64 = 1
  var nextContent: Int64 = 1
  var nextUIDL: Int64 = 1
  var lastUIDValidity: UInt32 = 0
  /// Which mailbox was known under a name with a UIDVALIDITY: imported ones, and those that have given out a UID and
  /// have ended or got another name.
  var known: [KnownMailbox: MailboxID] = [:]
  /// The thread that a message identifier leads to.
  var threads: [String: Int64] = [:]

  /// Added up anew each time, so that it cannot drift.
  var usage: QuotaUsage {
    var usage = QuotaUsage()
    for mailbox in mailboxes.values {
      usage.messages += Int64(mailbox.messages.count)
      for message in mailbox.messages { usage.bytes += message.size }
    }
    return usage
  }

  var selectableMailboxes: Int64 { Int64(mailboxes.values.count { $0.isSelectable }) }

  func mailbox(named name: String) -> MemoryMailbox? {
    names[MemoryNames.canonical(name)].flatMap { mailboxes[$0] }
  }

  func info(_ mailbox: MemoryMailbox) -> MailboxInfo {
    MailboxInfo(
      id: mailbox.id, name: mailbox.name, isSelectable: mailbox.isSelectable,
      isSubscribed: subscriptions.contains(mailbox.name), specialUse: mailbox.specialUse,
      uidValidity: mailbox.uidValidity, uidNext: mailbox.uidNext, highestModSeq: mailbox.highestModSeq,
      messages: mailbox.messages.count, unseen: mailbox.messages.count { !$0.flags.contains(.seen) },
      deleted: mailbox.messages.count { $0.flags.contains(.deleted) }, recentFloor: mailbox.recentFloor,
      bytes: mailbox.messages.reduce(0) { $0 + $1.size })
  }

  var listing: MailboxListing {
    MailboxListing(
      mailboxes: mailboxes.values.map(info).sorted { MemoryNames.precedes($0.name, $1.name) },
      subscribedWithoutMailbox: subscriptions.filter { names[$0] == nil }.sorted(by: MemoryNames.precedes))
  }

  func ref(_ mailbox: MemoryMailbox) -> MailboxRef { MailboxRef(account: account.id, mailbox: mailbox.id) }
}

struct KnownMailbox: Hashable, Sendable {
  var name: String
  var uidValidity: UInt32
}

/// All there is, and the transaction under way.
struct MemoryState: Sendable {
  var accounts: [AccountID: MemoryAccount] = [:]
  var ghosts: [MailboxRef: [UID: MemoryGhost]] = [:]
  var accessKeys: [MailboxRef: [UInt8]] = [:]
  /// Below `/shared`, of the server itself.
  var serverAnnotations: [Annotation] = []
  var nextAccount: Int64 = 1
  var nextBlob: Int64 = 1
  /// Of all accounts, removed ones too.
  var highestUIDValidity: UInt32 = 0
  /// What a faulty store forgets to give back or to charge.
  var phantomUsage: [AccountID: QuotaUsage] = [:]

  // The transaction
  var settings = MemoryStore.Settings()
  private var modSeqs: [AccountID: ModSeq] = [:]
  private var touched: [MailboxRef] = []
  var annotated: [AnnotatedPlace] = []

  var now: Int64 { settings.now() }

  mutating func begin(_ settings: MemoryStore.Settings) {
    self.settings = settings
    modSeqs = [:]
    touched = []
    annotated = []
  }

  /// Makes the snapshots of the mailboxes that were changed, and returns those.
  mutating func finish() -> [MailboxRef] {
    for ref in touched { accounts[ref.account]?.mailboxes[ref.mailbox]?.rebuild() }
    return touched
  }

  /// The MODSEQ of this transaction in this account.
  mutating func modSeq(_ id: AccountID) -> ModSeq {
    if let value = modSeqs[id] { return value }
    let value = (accounts[id]?.modSeq ?? 1) + 1
    accounts[id]?.modSeq = value
    modSeqs[id] = value
    return value
  }

  func account(_ id: AccountID) throws(StoreError) -> MemoryAccount {
    guard let account = accounts[id] else { throw .noSuchAccount("\(id)") }
    return account
  }

  func mailbox(_ ref: MailboxRef) throws(StoreError) -> MemoryMailbox {
    guard let mailbox = try account(ref.account).mailboxes[ref.mailbox] else { throw .mailboxGone }
    return mailbox
  }

  /// A mailbox that can take messages.
  func target(_ name: String, of id: AccountID) throws(StoreError) -> MailboxRef {
    let account = try account(id)
    guard let mailbox = account.mailbox(named: name) else { throw .noSuchMailbox(name) }
    guard mailbox.isSelectable else { throw .notSelectable(name) }
    return account.ref(mailbox)
  }

  /// Puts a mailbox back whose messages, UIDNEXT or keywords were changed; its sessions will be told.
  mutating func put(_ mailbox: MemoryMailbox, _ ref: MailboxRef) {
    var mailbox = mailbox
    mailbox.highestModSeq = modSeq(ref.account)
    accounts[ref.account]?.mailboxes[ref.mailbox] = mailbox
    touch(ref)
  }

  mutating func touch(_ ref: MailboxRef) {
    if !touched.contains(ref) { touched.append(ref) }
  }
}
