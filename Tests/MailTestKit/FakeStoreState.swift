import MailStore
import NIOCore

/// The bytes of a message and all that is computed from them, shared by every copy.
final class FakeContent: Sendable {
  let bytes: ByteBuffer
  let emailID: String
  let facts: FakeFacts

  init(bytes: ByteBuffer, emailID: String) {
    self.bytes = bytes
    self.emailID = emailID
    self.facts = FakeFacts(bytes)
  }
}

struct FakeMessage: Sendable {
  var uid: UID
  var modSeq: ModSeq
  var flags: SystemFlags
  /// Bit `n` is `FakeMailbox.keywords[n]`.
  var keywords: UInt64
  var content: FakeContent
  var trace: ByteBuffer
  var date: InternalDate
  var saveDate: Int64
  var uidl: String
  var retrievedAt: Int64?

  var size: Int { trace.readableBytes + content.bytes.readableBytes }
  var entry: MessageEntry { MessageEntry(uid: uid, flags: flags, keywords: keywords, modSeq: modSeq) }
}

struct FakeMailbox: Sendable {
  var id: MailboxID
  var name: String
  var isSelectable = true
  var isSubscribed = false
  var specialUse: SpecialUse?
  var uidValidity: UInt32
  var uidNext: UID = 1
  var highestModSeq: ModSeq = 1
  var recentFloor: UID = 1
  var keywords: [String] = []
  var messages: [FakeMessage] = []
  /// Messages that are expunged; readers of older snapshots still find them.
  var expunged: [UID: FakeMessage] = [:]
  var snapshot = MailboxSnapshot(entries: [], uidNext: 1, highestModSeq: 1, keywords: [])
  var listeners: [Int: @Sendable () -> Void] = [:]

  var info: MailboxInfo {
    MailboxInfo(
      id: id, name: name, isSelectable: isSelectable, isSubscribed: isSubscribed, specialUse: specialUse,
      uidValidity: uidValidity, uidNext: uidNext, highestModSeq: highestModSeq, messages: messages.count,
      unseen: messages.count { !$0.flags.contains(.seen) }, deleted: messages.count { $0.flags.contains(.deleted) },
      recentFloor: recentFloor, bytes: messages.reduce(0) { $0 + Int64($1.size) })
  }

  mutating func rebuild(modSeq: ModSeq) {
    highestModSeq = max(highestModSeq, modSeq)
    snapshot = MailboxSnapshot(
      entries: messages.map(\.entry), uidNext: uidNext, highestModSeq: highestModSeq, keywords: keywords)
  }

  func message(_ uid: UID) -> FakeMessage? {
    guard let index = snapshot.index(of: uid) else { return expunged[uid] }
    return messages[index]
  }

  /// Bits for these names, giving new names a bit.
  mutating func bits(for names: [String]) throws(StoreError) -> UInt64 {
    var bits: UInt64 = 0
    for name in names {
      if let bit = keywords.firstIndex(where: { $0.lowercased() == name.lowercased() }) {
        bits |= 1 << UInt64(bit)
      } else {
        guard keywords.count < 64 else { throw .tooManyKeywords(limit: 64) }
        bits |= 1 << UInt64(keywords.count)
        keywords.append(name)
      }
    }
    return bits
  }

  func names(of bits: UInt64) -> [String] {
    keywords.indices.filter { bits & (1 << UInt64($0)) != 0 }.map { keywords[$0] }
  }
}

struct FakeAccount: Sendable {
  var account: Account
  var mailboxes: [FakeMailbox] = []
  var subscribedWithoutMailbox: [String] = []
  var modSeq: ModSeq = 1
  var nextMailbox: Int64 = 1
  var nextUIDL: UInt64 = 1

  var usage: QuotaUsage {
    var usage = QuotaUsage()
    for mailbox in mailboxes {
      usage.messages += Int64(mailbox.messages.count)
      usage.bytes += mailbox.messages.reduce(0) { $0 + Int64($1.size) }
    }
    return usage
  }

  func index(named name: String) -> Int? {
    let wanted = FakeNames.canonical(name)
    return mailboxes.firstIndex { $0.name == wanted }
  }

  func index(of id: MailboxID) -> Int? { mailboxes.firstIndex { $0.id == id } }

  mutating func newUIDL() -> String {
    defer { nextUIDL += 1 }
    let digits = String(nextUIDL, radix: 16)
    return "m" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  func subscribed(_ name: String) -> Bool { subscribedWithoutMailbox.contains(name) }
}

enum FakeNames {
  /// INBOX is one name in any case (RFC 9051 §5.1); a trailing separator is dropped.
  static func canonical(_ name: String) -> String {
    var name = name
    if name.hasSuffix("/") { name.removeLast() }
    if name.lowercased() == "inbox" { return "INBOX" }
    if name.lowercased().hasPrefix("inbox/") { return "INBOX" + name.dropFirst(5) }
    return name
  }

  static func check(_ name: String) throws(StoreError) {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    if name.isEmpty || parts.contains("") { throw .invalidMailboxName(name, reason: "empty level") }
    if name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
      throw .invalidMailboxName(name, reason: "control character")
    }
  }

  static func parents(of name: String) -> [String] {
    let parts = name.split(separator: "/")
    return (1..<max(1, parts.count)).map { parts[..<$0].joined(separator: "/") }
  }
}

/// Calls that a test can make fail.
public enum FakeFault: String, Sendable, Hashable, CaseIterable {
  case account, quota, deliver, append, openMaildrop, delete, read, visit, markRetrieved, spool, expire
}

struct FakeStoreState: Sendable {
  var accounts: [AccountID: FakeAccount] = [:]
  var nextAccount: Int64 = 1
  var nextUIDValidity: UInt32 = 1_700_000_000
  var nextContent: UInt64 = 1
  var nextListener = 1
  var faults: [FakeFault: StoreError] = [:]
  var isClosed = false
  /// What to call once the lock is free.
  var notify: [@Sendable () -> Void] = []

  mutating func check(_ fault: FakeFault?) throws(StoreError) {
    if isClosed { throw .shuttingDown }
    if let fault, let error = faults[fault] { throw error }
  }

  func account(_ id: AccountID) throws(StoreError) -> FakeAccount {
    guard let account = accounts[id] else { throw .noSuchAccount("\(id)") }
    return account
  }

  /// Runs `body` on one mailbox and its account, then makes the new snapshot and wakes the listeners.
  mutating func change<Result>(
    _ ref: MailboxRef, _ body: (inout FakeMailbox, inout FakeAccount) throws(StoreError) -> (Result, ModSeq)
  ) throws(StoreError) -> Result {
    var account = try account(ref.account)
    guard let index = account.index(of: ref.mailbox) else { throw .mailboxGone }
    var mailbox = account.mailboxes[index]
    let (result, modSeq) = try body(&mailbox, &account)
    if modSeq > 0 {
      mailbox.rebuild(modSeq: modSeq)
      notify.append(contentsOf: mailbox.listeners.values)
    }
    account.mailboxes[index] = mailbox
    accounts[ref.account] = account
    return result
  }

  func checkRoom(
    in account: FakeAccount, bytes: Int, messages: Int, defaults: QuotaLimits
  ) throws(StoreError) {
    let usage = account.usage
    if let limit = account.account.quota.bytes ?? defaults.bytes, usage.bytes + Int64(bytes) > limit {
      throw .overQuota(OverQuota(resource: .storage, limit: limit, usage: usage.bytes))
    }
    if let limit = account.account.quota.messages ?? defaults.messages, usage.messages + Int64(messages) > limit {
      throw .overQuota(OverQuota(resource: .messages, limit: limit, usage: usage.messages))
    }
  }

  /// Puts messages at the end of a mailbox, under new UIDs where theirs is 0.
  mutating func insert(_ messages: [FakeMessage], keywordNames: [[String]], into ref: MailboxRef) throws(StoreError)
    -> [UID]
  {
    guard !messages.isEmpty else { return [] }
    return try change(ref) { (mailbox, account) throws(StoreError) -> ([UID], ModSeq) in
      account.modSeq += 1
      var uids: [UID] = []
      for (index, message) in messages.enumerated() {
        var message = message
        message.keywords = try mailbox.bits(for: keywordNames[index])
        let uid = message.uid == 0 ? mailbox.uidNext : message.uid
        guard uid >= mailbox.uidNext else { throw .importRefused(.uidNotAbove(uid, uidNext: mailbox.uidNext)) }
        message.uid = uid
        message.modSeq = account.modSeq
        if message.uidl.isEmpty { message.uidl = account.newUIDL() }
        mailbox.uidNext = uid + 1
        mailbox.messages.append(message)
        uids.append(message.uid)
      }
      return (uids, account.modSeq)
    }
  }

  mutating func remove(_ uids: Set<UID>, from ref: MailboxRef) throws(StoreError) -> [UID] {
    try change(ref) { (mailbox, account) in
      let gone = mailbox.messages.filter { uids.contains($0.uid) }
      guard !gone.isEmpty else { return ([], 0) }
      account.modSeq += 1
      for message in gone { mailbox.expunged[message.uid] = message }
      mailbox.messages.removeAll { uids.contains($0.uid) }
      return (gone.map(\.uid), account.modSeq)
    }
  }

  mutating func createMailbox(_ name: String, of id: AccountID, specialUse: SpecialUse?) throws(StoreError)
    -> MailboxInfo
  {
    var account = try account(id)
    let name = FakeNames.canonical(name)
    try FakeNames.check(name)
    if name == "INBOX" { throw .mailboxExists(name) }
    if let index = account.index(named: name) {
      guard !account.mailboxes[index].isSelectable else { throw .mailboxExists(name) }
      account.mailboxes[index].isSelectable = true
    } else {
      for missing in FakeNames.parents(of: name) + [name] where account.index(named: missing) == nil {
        addMailbox(missing, to: &account)
      }
    }
    guard let index = account.index(named: name) else { throw .noSuchMailbox(name) }
    account.mailboxes[index].specialUse = specialUse ?? account.mailboxes[index].specialUse
    accounts[id] = account
    return account.mailboxes[index].info
  }

  mutating func addMailbox(_ name: String, to account: inout FakeAccount) {
    var mailbox = FakeMailbox(id: MailboxID(account.nextMailbox), name: name, uidValidity: nextUIDValidity)
    account.nextMailbox += 1
    nextUIDValidity += 1
    if let index = account.subscribedWithoutMailbox.firstIndex(of: name) {
      account.subscribedWithoutMailbox.remove(at: index)
      mailbox.isSubscribed = true
    }
    account.mailboxes.append(mailbox)
    account.mailboxes.sort { left, right in
      if left.name == "INBOX" || right.name == "INBOX" { return left.name == "INBOX" && right.name != "INBOX" }
      return left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
  }
}
