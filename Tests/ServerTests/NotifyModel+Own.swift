import MailStore
import NIOCore

@testable import IMAPServer

/// What a client does itself, and need not be told.
extension NotifyModel {
  func didCreate(_ name: String) {
    make(ListPlan.parents(of: name))
    names.insert(name)
    counters[name] = .new
    restrict()
  }

  private func make(_ parents: [String]) {
    for parent in parents where names.insert(parent).inserted { counters[parent] = knowsName(parent) ? .new : nil }
  }

  func didDelete(_ name: String) {
    names.remove(name)
    counters[name] = nil
  }

  func didRename(_ old: String, to new: String) {
    if old == "INBOX" {
      didCreate(new)
    } else {
      move(old, to: new)
      make(ListPlan.parents(of: new))
      restrict()
    }
  }

  func didSubscribe(_ name: String, _ isOn: Bool) {
    if isOn { subscribed.insert(name) } else { subscribed.remove(name) }
    restrict()
  }

  /// `[APPENDUID v set]`, `[COPYUID v set set]`.
  func didPut(into name: String, _ answer: String) {
    guard let open = answer.firstIndex(of: "["), let close = answer.firstIndex(of: "]") else { return }
    let words = answer[open...].prefix(upTo: close).split(separator: " ")
    guard words.count >= 3, name != selected, let entry = counters[name] else { return }
    let assigned = numbers(words[words.count - 1])
    counters[name]?.messages = entry.messages.map { $0 + assigned.count }
    if let next = entry.uidNext, next == assigned.first { counters[name]?.uidNext = (assigned.last ?? 0) + 1 }
  }

  /// `isQuiet`: nobody else is at work, and what there is will be listed at once.
  func didAsk(_ wish: NotifyWish, isQuiet: Bool) {
    let heard = Set(notes.keys).filter(hearsNotes)
    self.wish = wish
    nextWish = nil
    needsList = true
    if !isQuiet { restrict() }
    // What was not heard of before may be anything.
    for name in notes.keys where !heard.contains(name) { notes[name] = nil }
  }

  func select(_ name: String) {
    selected = name
    messages = []
  }

  func left() {
    guard let selected else { return }
    defer {
      if let next { select(next) }
      next = nil
    }
    var entry = Counters(messages: messages.count, validity: counters[selected]?.validity)
    if messages.allSatisfy({ $0.uid != nil }) { entry.uidNext = max(uidNext, (messages.last?.uid ?? 0) + 1) }
    if messages.allSatisfy({ $0.flags != nil }) {
      entry.unseen = messages.count { $0.flags?.contains("\\Seen") != true }
    }
    counters[selected] = entry
    self.selected = nil
    messages = []
    restrict()
  }
}

extension NotifyModel {
  /// `mustKnow`: it has just asked for STATUS, with nobody else at work.
  func compare(with store: any MailStore, _ account: AccountID, mustKnow: Bool) async throws {
    let listing = try await store.mailboxes(of: account)
    let selectable = listing.mailboxes.filter(\.isSelectable)
    try check(names.filter(knowsName), Set(selectable.map(\.name)).filter(knowsName), "names")
    var subscriptions = Set(listing.subscribedWithoutMailbox)
    for info in listing.mailboxes where info.isSubscribed { subscriptions.insert(info.name) }
    try check(subscribed.filter(knowsSubscription), subscriptions.filter(knowsSubscription), "subscriptions")
    for info in selectable where info.name != selected {
      let known = counters[info.name] ?? Counters()
      let truth = Counters(
        messages: info.messages, uidNext: info.uidNext, unseen: info.unseen, modSeq: info.highestModSeq,
        validity: info.uidValidity)
      var expected = known
      if known.messages != nil { expected.messages = truth.messages }
      if known.uidNext != nil { expected.uidNext = truth.uidNext }
      if known.unseen != nil { expected.unseen = truth.unseen }
      if known.modSeq != nil, tellsModSeqs { expected.modSeq = truth.modSeq }
      if known.validity != nil { expected.validity = truth.validity }
      let events = messageEvents(info.name)
      if mustKnow, events.contains(.messages) {
        (expected.messages, expected.uidNext, expected.validity) = (truth.messages, truth.uidNext, truth.validity)
        if events.contains(.flags) { (expected.unseen, expected.modSeq) = (truth.unseen, truth.modSeq) }
      }
      try check(known, expected, "\(info.name), UIDVALIDITY \(info.uidValidity)")
    }
    try await compareNotes(store, account, listing)
    if let selected, wish.picture != .still { try await compareMessages(selected, store, account) }
  }

  private func compareMessages(_ selected: String, _ store: any MailStore, _ account: AccountID) async throws {
    let mailbox = try await store.openMailbox(selected, of: account, onChange: {})
    defer { mailbox.close() }
    guard let snapshot = mailbox.current else { throw StoreError.mailboxGone }
    var truth: [Message] = []
    snapshot.forEach(in: 0..<snapshot.count) { index, entry in
      var message = Message(uid: entry.uid, flags: entry.names(snapshot.keywords), modSeq: entry.modSeq)
      let known = index < messages.count ? messages[index] : Message()
      if !wish.tellsFlags { message.flags = known.flags }
      if !wish.tellsFlags || !tellsModSeqs || known.modSeq == nil { message.modSeq = known.modSeq }
      truth.append(message)
    }
    guard messages != truth else { return }
    let wrong = zip(messages, truth).filter { $0 != $1 }
    try check(messages.map(\.uid), truth.map(\.uid), selected)
    throw Wrong(description: "\(selected): \(wrong.map { "\($0) is believed, \($1) is so" })")
  }

  private func compareNotes(_ store: any MailStore, _ account: AccountID, _ listing: MailboxListing) async throws {
    let all = try await store.annotations(of: account, as: account)
    var places: [(String, MailboxID?)] = [("", nil)]
    for info in listing.mailboxes where NotifyPlayer.fixed.contains(info.name) { places.append((info.name, info.id)) }
    for (name, mailbox) in places {
      let truth = Dictionary((all[mailbox] ?? []).map { ($0.entry, String(buffer: $0.value)) }) { first, _ in first }
      if let known = notes[name], hearsNotes(name) {
        let other = Set(known.keys).union(truth.keys).filter { known[$0] != truth[$0] }
        let unheard = other.subtracting(heardNotes[name] ?? [])
        guard unheard.isEmpty else { throw Wrong(description: "\(unheard) of “\(name)” have changed unheard") }
      }
      notes[name] = truth
      heardNotes[name] = nil
    }
  }

  private func check<Value: Equatable>(_ believed: Value, _ truth: Value, _ what: String) throws {
    guard believed != truth else { return }
    throw Wrong(description: "\(what): \(believed) is believed, \(truth) is so")
  }
}
