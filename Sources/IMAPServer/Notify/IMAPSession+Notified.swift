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
    if notify.flagsTold == nil { notify.flagsTold = before.told }
    let count = update.messages
    defer { if update.messages < count, notify.keptBack == nil { notify.keptBack = before.safeModSeq } }
    // After a STORE no EXPUNGE is told, so the indexes are those of the STORE.
    update.flags.removeAll { own?.indexes.contains($0.index) != true }
    update.modSeqs.removeAll { own?.indexes.contains($0.index) != true }
  }

  /// The selected mailbox as it is, with all that was kept back.
  func tellEverything() async {
    guard let view else { return }
    let notify = self.notify
    self.notify = nil
    let told = notify?.flagsTold ?? view.told
    guard var update = nextUpdate(expunge: true) ?? (notify == nil ? nil : ViewUpdate()), let now = self.view?.told
    else { return }
    if notify?.flagsTold != nil {
      var flags = Dictionary(update.flags.map { ($0.index, $0.entry) }) { $1 }
      for (_, entry) in told.difference(to: now).updated {
        if let index = now.index(of: entry.uid), let old = told.index(of: entry.uid),
          !told[old].hasSameFlags(as: entry)
        {
          flags[index] = entry
        }
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
