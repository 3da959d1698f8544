import IMAPCore
import MailNet
import MailStore
import NIOCore

/// The selected mailbox of a session that uses NOTIFY: what it is told, and what is kept from it.
extension IMAPSession {
  /// In place of `nextUpdate` once NOTIFY was used.
  func notifiedUpdate(_ notify: Notify, expunge: Bool, own: OwnStore?) -> ViewUpdate? {
    guard let view else { return nil }
    guard let current = view.mailbox.current else {
      bye("The selected mailbox was deleted")
      return nil
    }
    guard let selected = notify.selected else { return ownUpdate(notify, view, current, expunge: expunge, own: own) }
    notify.ownExpunged = []
    let firstNew = view.told.lastUID + 1
    if !selected.items.isEmpty, current.count - current.lowerBound(firstNew) > settings.notifyMessages {
      overflow(notify)
      return nil
    }
    guard var update = self.view?.sync(expunge: expunge, own: own, enabled) else { return nil }
    if !selected.tellsFlags { keepBack(&update, notify, view, own) }
    if update.exists != nil, !selected.items.isEmpty { notify.pendingFrom = min(notify.pendingFrom ?? .max, firstNew) }
    return update.isEmpty ? nil : update
  }

  /// SELECTED NONE: the client's picture stands still, but for what it does itself (RFC 5465 §5).
  private func ownUpdate(
    _ notify: Notify, _ view: MailboxView, _ current: MailboxSnapshot, expunge: Bool, own: OwnStore?
  ) -> ViewUpdate? {
    let gone = expunge ? notify.ownExpunged : []
    guard own != nil || !gone.isEmpty else { return nil }
    if expunge { notify.ownExpunged = [] }
    var updated: [MessageEntry] = []
    own?.indexes.forEach { index in
      let uid = view.told[index].uid
      if let place = current.index(of: uid), view.synced.index(of: uid) != nil { updated.append(current[place]) }
    }
    let next = view.synced.applying(
      MailboxChange(
        ref: view.mailbox.ref, modSeq: view.synced.highestModSeq, uidNext: view.synced.uidNext, updated: updated,
        expunged: gone.filter { view.synced.index(of: $0) != nil }, keywords: current.keywords))
    guard let update = self.view?.sync(upTo: next, expunge: expunge, own: own, enabled), !update.isEmpty else {
      return nil
    }
    return update
  }

  /// FlagChange is not wanted: only flags this session has set itself are told. The view has all of them, so that FETCH
  /// shows how they are.
  private func keepBack(_ update: inout ViewUpdate, _ notify: Notify, _ before: MailboxView, _ own: OwnStore?) {
    let count = update.messages
    defer { if update.messages < count, notify.keptBack == nil { notify.keptBack = before.safeModSeq } }
    // After a STORE no EXPUNGE is told, so the indexes are those of the STORE.
    func isKept(_ index: Int, _ entry: MessageEntry) -> Bool {
      guard own?.indexes.contains(index) != true else { return false }
      notify.keepBack(entry.uid, most: settings.notifyMessages)
      return true
    }
    update.flags.removeAll { isKept($0.index, $0.entry) }
    update.modSeqs.removeAll { isKept($0.index, $0.entry) }
  }

  /// The selected mailbox as it is, with all that was kept back.
  func tellEverything() async {
    guard view != nil else { return }
    let notify = self.notify
    self.notify = nil
    guard var update = nextUpdate(expunge: true) ?? (notify == nil ? nil : ViewUpdate()), let now = self.view?.told
    else { return }
    if let since = notify?.keptBack {
      // All of which something was kept back, whatever their flags were then: what its client believes it may have from a
      // FETCH or a STORE of its own.
      var flags = Dictionary(update.flags.map { ($0.index, $0.entry) }) { $1 }
      if let kept = notify?.keptBackOf {
        for uid in kept { if let index = now.index(of: uid) { flags[index] = now[index] } }
      } else {
        now.forEach(in: 0..<now.count) { if $1.modSeq > since { flags[$0] = $1 } }
      }
      update.flags = flags.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
    await writeSlowly(update, includeUID: isRev2 || notify != nil)
  }

  /// RFC 5465 §5.8: it is said, and from then on nothing is told any more.
  func overflow(_ notify: Notify) {
    notify.stop()
    say(.ok, .notificationOverflow, "Too much has happened at once; NOTIFY is off")
  }
}
