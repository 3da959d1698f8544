import MailStore

/// A row of `mailbox` with its keywords, as the writer's thread knows it.
struct MailboxState {
  var id: Int64
  var name: String
  var uidValidity: UInt32
  var uidNext: UID = 1
  var highestModSeq: ModSeq
  var messages: Int64 = 0
  var unseen: Int64 = 0
  var deleted: Int64 = 0
  var bytes: Int64 = 0
  var recentFloor: UID = 1
  var specialUse: SpecialUse?
  var isSelectable = true
  /// Names by bit number.
  var keywords: [String] = []
  /// Up to where chunks keep the flags (see `FlagTable`); nil: not read yet.
  var seal: UID?
  /// Messages above the seal, or more.
  var loose = 0
  /// Accounts that have marks of their own here, by number; of a mailbox that nobody else reads: none.
  var viewers: [Int64: ViewerCounts] = [:]

  mutating func count(_ flags: SystemFlags, size: Int64, sign: Int64) {
    messages += sign
    bytes += sign * size
    if !flags.contains(.seen) { unseen += sign }
    if flags.contains(.deleted) { deleted += sign }
  }

  func info(isSubscribed: Bool) -> MailboxInfo {
    MailboxInfo(
      id: MailboxID(id), name: name, isSelectable: isSelectable, isSubscribed: isSubscribed, specialUse: specialUse,
      uidValidity: uidValidity, uidNext: uidNext, highestModSeq: highestModSeq, messages: Int(messages),
      unseen: Int(unseen), deleted: Int(deleted), recentFloor: recentFloor, bytes: bytes)
  }
}

/// A row of `viewer`.
struct ViewerCounts: Sendable, Hashable {
  /// Messages that are `\Seen` to the viewer.
  var seen: Int64 = 0
  var modSeq: ModSeq = 0
}

/// The counters of `account_state`.
struct AccountCounters {
  var modSeq: ModSeq = 1
  var nextMailbox: Int64 = 1
  var lastUIDValidity: UInt32 = 0
  var nextContent: Int64 = 1
  var nextInstance: Int64 = 1
  var uidlEpoch: Int64 = 0
  var bytes: Int64 = 0
  var messages: Int64 = 0
  /// Up to which content number chunks have been made (see `ContentSealing`); nil: not read yet.
  var sealedContents: Int64?
}

/// A mailbox on the writer's thread. `isDirty`: counters differ from the row.
final class MailboxBox {
  var state: MailboxState
  var isDirty = false
  init(_ state: MailboxState) { self.state = state }
}

/// An account's mail on the writer's thread: everything but messages. Only that thread touches it.
final class AccountBox {
  let id: Int64
  var counters: AccountCounters
  var mailboxes: [Int64: MailboxBox]
  var names: [String: Int64]
  var subscriptions: Set<String>
  var isDirty = false
  /// Names, subscriptions or the set of mailboxes have changed since the last publication.
  var isReshaped = false

  init(
    id: Int64, counters: AccountCounters, mailboxes: [Int64: MailboxBox] = [:], names: [String: Int64] = [:],
    subscriptions: Set<String> = []
  ) {
    self.id = id
    self.counters = counters
    self.mailboxes = mailboxes
    self.names = names
    self.subscriptions = subscriptions
  }

  func ref(_ box: MailboxBox) -> MailboxRef {
    MailboxRef(account: AccountID(id), mailbox: MailboxID(box.state.id))
  }

  var selectableMailboxes: Int64 { Int64(mailboxes.values.count { $0.state.isSelectable }) }

  func mailbox(named name: String) -> MailboxBox? { names[name].flatMap { mailboxes[$0] } }

  func children(of name: String) -> [MailboxBox] {
    mailboxes.values.filter { Names.isChild($0.state.name, of: name) }
  }

  /// What readers see of the account after a commit.
  func published() -> PublishedAccount {
    var infos: [Int64: MailboxInfo] = [:]
    var viewers: [Int64: [Int64: ViewerCounts]] = [:]
    infos.reserveCapacity(mailboxes.count)
    for (id, box) in mailboxes {
      infos[id] = info(box)
      if !box.state.viewers.isEmpty { viewers[id] = box.state.viewers }
    }
    return PublishedAccount(
      mailboxes: infos, viewers: viewers, names: names, loneSubscriptions: subscriptions.filter { names[$0] == nil },
      usage: QuotaUsage(bytes: counters.bytes, messages: counters.messages), modSeq: counters.modSeq)
  }

  func info(_ box: MailboxBox) -> MailboxInfo {
    box.state.info(isSubscribed: subscriptions.contains(box.state.name))
  }
}

/// An account's mailboxes as of the last commit, for LIST, STATUS, SELECT, RCPT and quota answers.
struct PublishedAccount {
  var mailboxes: [Int64: MailboxInfo]
  /// Of mailboxes that others read.
  var viewers: [Int64: [Int64: ViewerCounts]] = [:]
  var names: [String: Int64]
  /// Mailbox numbers in name order; made at the first LIST after names have changed.
  var order: [Int64]?
  /// The last order there was, from before names have changed.
  var formerOrder: [Int64] = []
  var loneSubscriptions: Set<String>
  var usage: QuotaUsage
  var modSeq: ModSeq
  /// Another one whenever names or subscriptions have changed.
  var shape = 0
}
