import IMAPCore
import MailStore

/// What NOTIFY has set for a session (RFC 5465), and what its client knows of other mailboxes. Sessions that never used the
/// command have none.
///
/// No queue of events is kept. What a client has heard stands here, one entry for each mailbox, and is compared with how
/// things are; so memory is bounded by the number of mailboxes, however slowly a client reads.
final class Notify {
  /// Message events of the selected mailbox.
  struct Selected {
    var tellsFlags: Bool
    /// EXPUNGE waits for a command that allows it (RFC 5465 §6.1.2).
    var delaysExpunge: Bool
    /// What is sent of new messages.
    var items: [FetchItem]
  }

  /// A mailbox as the client has heard of it.
  struct Known {
    var name: String
    var isSelectable: Bool
    var isSubscribed: Bool
    /// What a missing right keeps from being told.
    var denied: NotifyEvents = []
    var uidValidity: UInt32
    var uidNext: UID = 1
    var messages = 0
    var unseen = 0
    var modSeq: ModSeq = 0
    /// Its UIDVALIDITY was not told yet.
    var isNew = false
    /// Another mailbox had this name, so that the client takes it for that one until it hears of the new UIDVALIDITY.
    var isReplacement = false

    init(_ info: MailboxInfo) {
      (name, isSelectable, isSubscribed) = (info.name, info.isSelectable, info.isSubscribed)
      uidValidity = info.uidValidity
    }
  }

  /// Events that this server has.
  static let supported: NotifyEvents = [
    .messageNew, .messageExpunge, .flagChange, .mailboxName, .subscriptionChange, .mailboxMetadataChange,
    .serverMetadataChange,
  ]

  /// Nil: nothing is told of the selected mailbox.
  private(set) var selected: Selected?
  let filters: NotifyFilters
  private(set) var watch: (any AccountWatch)?
  private(set) var known: [MailboxID: Known] = [:]
  /// Subscribed names without a mailbox.
  private(set) var lone: Set<String> = []
  /// A change of names by this session, of which the next news must not tell.
  var own: OwnNameChange?

  /// Names under which this session has put messages before it knew what stands there: whatever is or was there is told anew.
  private var unsure: Set<String> = []

  /// The selected mailbox as the feed showed it last; once it is left, what its client has not heard is told of it.
  var selectedInfo: MailboxInfo?
  private(set) var leftInfo: MailboxInfo?

  // Of the selected mailbox; see `IMAPSession+Notified`.

  /// From this UID on messages are new, and what was asked for of them is still to be sent.
  var pendingFrom: UID?
  /// Those of them that this session has put there itself.
  var ownMessages: Set<UID> = []
  /// UIDs this session has expunged and not been told of.
  var ownExpunged: [UID] = []
  /// Changes of flags have been kept back; up to this MODSEQ the client has heard of all.
  var keptBack: ModSeq?
  /// Of these messages. Nil: of more than are remembered.
  private(set) var keptBackOf: Set<UID>? = []

  init(selected: Selected?, filters: NotifyFilters, watch: (any AccountWatch)?) {
    self.selected = selected
    self.filters = filters
    self.watch = watch
  }

  /// From here on as after NOTIFY NONE.
  func stop() {
    selected = nil
    watch?.close()
    watch = nil
    known = [:]
    lone = []
    pendingFrom = nil
  }

  /// The client is taken to know how things stand.
  func adopt(_ listing: MailboxListing, denied: [MailboxID: NotifyEvents] = [:]) {
    known = Dictionary(minimumCapacity: listing.mailboxes.count)
    for info in listing.mailboxes {
      var entry = Known(info)
      entry.take(info)
      if let events = denied[info.id] { entry.denied = events }
      known[info.id] = entry
    }
    lone = Set(listing.subscribedWithoutMailbox)
  }

  /// The session leaves a mailbox. From now on its client hears of it by STATUS, beginning with what it does not know.
  func left(_ view: MailboxView) {
    pendingFrom = nil
    ownMessages = []
    ownExpunged = []
    let keptBack = self.keptBack
    self.keptBack = nil
    keptBackOf = []
    leftInfo = selectedInfo
    selectedInfo = nil
    guard var entry = known[view.listedID] else { return }
    entry.messages = view.told.count
    // What the client can know of it: SELECT has said it, and EXISTS does not.
    entry.uidNext = max(view.mailbox.info.uidNext, view.told.lastUID + 1)
    // How many are unseen was kept back with the flags: whatever it is, it is news.
    entry.unseen = keptBack == nil ? view.told.unseen : -1
    entry.modSeq = min(view.safeModSeq, keptBack ?? .max)
    known[view.listedID] = entry
  }

  func keepBack(_ uid: UID, most: Int) {
    keptBackOf?.insert(uid)
    if let count = keptBackOf?.count, count > most { keptBackOf = nil }
  }

  /// The mailbox that was left, once.
  func takeLeft() -> MailboxInfo? {
    defer { leftInfo = nil }
    return leftInfo
  }

  /// This session has put messages into a mailbox that it has not selected. What others do there is told all the same.
  func noteOwn(_ assigned: AssignedUIDs, in name: MailboxName, _ id: MailboxID) {
    guard let first = assigned.assigned.first else { return }
    // Under a name that others have just given to another mailbox, the client counts where it should not.
    guard var entry = known[id], entry.name == name.storeString else {
      unsure.insert(name.storeString)
      return
    }
    entry.messages += assigned.assigned.count
    if entry.uidNext == first, let last = assigned.assigned.last, Int(last - first) == assigned.assigned.count - 1 {
      entry.uidNext = last + 1
    }
    known[id] = entry
  }

  /// What is known, for a comparison with how things are.
  func comparison(
    with listing: MailboxListing, denied: [MailboxID: NotifyEvents] = [:], limit: Int
  ) -> Comparison {
    Comparison(
      known: known, lone: lone, unsure: unsure, filters: filters, own: own, listing: listing, denied: denied,
      limit: limit)
  }

  /// From now on things are known to be so.
  func adopt(_ comparison: Comparison.Result) {
    known = comparison.known
    unsure = []
    lone = comparison.lone
  }

  /// What STATUS has to say of a mailbox, which then counts as said.
  /// `tellsModSeqs`: CONDSTORE or QRESYNC has been enabled.
  func statusItems(_ info: MailboxInfo, tellsModSeqs: Bool) -> [StatusItem] {
    // Under a name that its client has not heard yet nothing is said: the feed shows how things are at each look, and a look
    // may come between a RENAME and the note of it. The look that tells the name tells this as well.
    guard var entry = known[info.id], entry.name == info.name else { return [] }
    defer {
      entry.take(info)
      known[info.id] = entry
    }
    let events = filters.messageEvents(info)
    guard !events.isEmpty else { return [] }
    if entry.isReplacement || entry.uidValidity != info.uidValidity {
      return firstItems(info, tellsModSeqs: tellsModSeqs).filter { tellsModSeqs || $0 != .highestModSeq }
    }
    var items: [StatusItem] = []
    // RFC 5465 §5.2, §5.3
    if entry.uidNext != info.uidNext || entry.messages != info.messages { items += [.messages, .uidNext] }
    if events.contains(.flagChange), entry.unseen != info.unseen {
      // RFC 5465 §5.1
      items += [.uidValidity, .unseen]
    } else if entry.isNew, !items.isEmpty {
      items.append(.uidValidity)
    }
    // RFC 5465 §5.1 to §5.3
    if tellsModSeqs, entry.modSeq != info.highestModSeq, events.contains(.flagChange) || !items.isEmpty {
      if !items.contains(.uidValidity) { items.append(.uidValidity) }
      items.append(.highestModSeq)
    }
    return items
  }

  /// RFC 5465 §5.6, §5.7.
  func wantsAnnotations(of name: String, _ mailbox: MailboxID?) -> Bool {
    guard let mailbox else { return filters.all.contains(.serverMetadataChange) }
    return filters.events(name, isSubscribed: known[mailbox]?.isSubscribed == true).contains(.mailboxMetadataChange)
  }

  /// What the STATUS responses of NOTIFY SET STATUS say (RFC 5465 §3.1).
  func firstItems(_ info: MailboxInfo, tellsModSeqs: Bool) -> [StatusItem] {
    let events = filters.messageEvents(info)
    guard !events.isEmpty else { return [] }
    var items: [StatusItem] = [.messages, .uidNext, .uidValidity]
    if events.contains(.flagChange) {
      // The server has CONDSTORE, whether the client has enabled it or not.
      items += [.unseen, .highestModSeq]
    } else if tellsModSeqs {
      items.append(.highestModSeq)
    }
    return items
  }
}

extension Notify.Known {
  mutating func take(_ info: MailboxInfo) {
    (uidValidity, uidNext, messages, unseen) = (info.uidValidity, info.uidNext, info.messages, info.unseen)
    modSeq = info.highestModSeq
    (isNew, isReplacement) = (false, false)
  }
}

extension MailboxSnapshot {
  /// Messages without `\Seen`.
  var unseen: Int {
    var count = 0
    forEach(in: 0..<self.count) { _, entry in if !entry.flags.contains(.seen) { count += 1 } }
    return count
  }
}
