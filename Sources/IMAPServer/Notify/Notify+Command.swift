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
    let all = new.watch == nil ? nil : try await self.listing()
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
    guard let all else { return }
    let listing = all.listing
    new.adopt(listing, denied: all.denied)
    if !all.denied.isEmpty { try await writeDenied(all, new.filters) }
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

  /// RFC 5465 §3: where a mailbox can be listed, and a right is missing for what was asked for, the client MUST be told.
  private func writeDenied(_ all: SessionListing, _ filters: NotifyFilters) async throws(CommandError) {
    let found = all.listing.mailboxes.filter { info in
      filters.isDenied(info.name, isSubscribed: info.isSubscribed, all.denied[info.id] ?? [])
    }
    guard !found.isEmpty else { return }
    var parents: Set<String> = []
    for info in all.listing.mailboxes { parents.formUnion(ListPlan.parents(of: info.name)) }
    for info in found {
      var attributes = ListPlan.attributes(of: info, hasChildren: parents.contains(info.name))
      attributes.insert(.noAccess)
      if info.isSubscribed { attributes.insert(.subscribed) }
      connection.out.writeList(ListResponse(MailboxName(info.name), attributes: attributes), wire)
      guard await drained() else { throw .connectionClosed }
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
