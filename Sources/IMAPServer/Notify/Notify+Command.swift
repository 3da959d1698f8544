import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// NOTIFY (RFC 5465 §3.1).
  func notify(_ command: NotifyCommand) async throws(CommandError) -> Completion {
    let account = try accountID()
    let groups = command.groups ?? []
    for group in groups {
      // RFC 5465 §3.1: NO, with the names of all events there are.
      guard group.unknown.isEmpty, group.events.isSubset(of: Notify.supported) else {
        throw .no(.other("BADEVENT (\(Notify.supported.names.joined(separator: " ")))"), "Unsupported event")
      }
    }
    let filters = NotifyFilters(groups, listener.namespaces)
    var watch: (any AccountWatch)?
    if !filters.all.isEmpty {
      watch = try await storeCall { store throws(StoreError) in
        try await store.watch(account, onChange: self.accountWakeUp())
      }
    }
    do throws(CommandError) {
      try await begin(Notify(selected: selected(groups), filters: filters, watch: watch), command)
    } catch {
      watch?.close()
      throw error
    }
    return .ok("NOTIFY completed")
  }

  private func selected(_ groups: [NotifyGroup]) -> Notify.Selected? {
    guard let group = groups.first(where: \.filter.isSelected), group.events.contains(.messageNew) else { return nil }
    return Notify.Selected(
      tellsFlags: group.events.contains(.flagChange), delaysExpunge: group.filter == .selectedDelayed,
      items: group.items)
  }

  private func begin(_ new: Notify, _ command: NotifyCommand) async throws(CommandError) {
    let listing = new.watch == nil ? nil : try await self.listing().listing
    guard !isOver else { throw .connectionClosed }
    // RFC 5465 §3.1: an implied NOOP; what has come together in the selected mailbox is told whatever is wanted from now
    // on.
    let old = notify
    // What was watched before, and still is, has to be known up to here: a client that has STATUS already does not ask for it
    // again (the example of §3.1).
    if let old, new.watch != nil { await tellMailboxesNow(old) }
    await tellEverything()
    guard !isOver else { throw .connectionClosed }
    old?.stop()
    notify = new
    guard let listing else { return }
    new.adopt(listing)
    let selected = view?.listedID
    // Once it is left it is compared with what EXISTS, EXPUNGE and SELECT have said of it.
    if let selected { new.selectedInfo = listing.mailboxes.first { $0.id == selected } }
    guard command.wantsStatus else { return }
    for (count, info) in listing.mailboxes.enumerated() where info.id != selected {
      let items = new.firstItems(info, tellsModSeqs: enabled.tellsModSeqs)
      if !items.isEmpty { writeStatus(info, items) }
      if count & 255 == 255 {
        guard await drained() else { throw .connectionClosed }
      }
    }
  }

  /// What the store calls, from any thread, when a mailbox of the account has changed: one wake of the loop.
  nonisolated func accountWakeUp() -> @Sendable () -> Void {
    let loop = connection.eventLoop
    return { [weak self] in
      loop.execute { [weak self] in self?.assumeIsolated { $0.mailboxChanged() } }
    }
  }
}
