import IMAPCore
import MailNet
import MailStore
import NIOCore

/// Responses that nobody has asked for just now: sent between commands and in IDLE, never within a command.
extension IMAPSession {
  /// Tells a session that uses NOTIFY what there is to tell. A task is begun for what does not fit into one go.
  func pushNews() {
    guard let notify, running == nil, !isOver, !isDraining, !isStartingTLS, hasRoom() else { return }
    var late: ViewUpdate?
    if metadata != nil { tellMetadata() }
    if view != nil {
      let update = nextUpdate(expunge: notify.selected?.delaysExpunge != true || idleTag != nil)
      guard !isOver else { return }
      if let update {
        if update.messages <= settings.messagesOnLoop { write(update, includeUID: true) } else { late = update }
      }
    }
    tellMailboxes(notify)
    if late != nil || notify.pendingFrom != nil || contexts?.hasChanges == true {
      startPush(late)
    } else {
      connection.push()
      if idleTag != nil { restSoon() }
    }
  }

  /// Nothing else is read meanwhile.
  func startPush(_ update: ViewUpdate?) {
    begin("*", .notify, isUID: true)
    Task(executorPreference: connection.taskExecutor) { await self.push(update) }
  }

  private func push(_ update: ViewUpdate?) async {
    if let update { await writeSlowly(update, includeUID: true) }
    if contexts != nil { await tellContexts() }
    do throws(CommandError) { try await fetchNew() } catch {
      // What cannot be read is left out, and said to the log.
      if !isOver { _ = completion(for: error, of: .notify) }
    }
    running = nil
    proceed()
    if idleTag != nil { restSoon() }
  }

  /// RFC 5465 §5.2: what was asked for of new messages, but for those that this session has put there itself.
  private func fetchNew() async throws(CommandError) {
    guard let notify, let view, let first = notify.pendingFrom else { return }
    notify.pendingFrom = nil
    let own = notify.ownMessages
    notify.ownMessages = []
    guard let plan = notify.selected?.plan else { return }
    var indexes = IndexRanges()
    view.told.forEach(in: view.told.lowerBound(first)..<view.told.count) { index, entry in
      if !own.contains(entry.uid), !view.isGhost(entry.uid) { indexes.append(index) }
    }
    guard !indexes.isEmpty, !isOver else { return }
    try await fetchUnasked(plan, indexes)
  }

  // MARK: Other mailboxes

  private func tellMailboxes(_ notify: Notify) {
    guard let watch = notify.watch else { return }
    let news = watch.news()
    defer { notify.own = nil }
    let left = notify.takeLeft()
    guard !news.isEmpty || left != nil else { return }
    var names: NameChanges?
    let listing = news.listing.map { SessionListing($0, news.shared, listener.namespaces).listing }
    if let listing { names = notify.reshape(listing) }
    var infos = listing?.mailboxes ?? news.changed.sorted { $0.name < $1.name }
    if let left, listing == nil, !infos.contains(where: { $0.id == left.id }) { infos.append(left) }
    let selected = view?.listedID
    var status: [(info: MailboxInfo, items: [StatusItem])] = []
    for info in infos {
      if info.id == selected {
        notify.selectedInfo = info
        continue
      }
      let items = notify.statusItems(info, tellsModSeqs: enabled.tellsModSeqs)
      if !items.isEmpty { status.append((info, items)) }
    }
    guard (names?.lines.count ?? 0) + status.count <= settings.notifyLines else { return overflow(notify) }
    if news.missesAnnotations, !notify.filters.all.isDisjoint(with: .metadata) { return overflow(notify) }
    if let names, let listing { writeNames(names, listing) }
    write(news.annotated.filter { notify.wants($0, news.annotatedMailboxes) }, news.annotatedMailboxes)
    for (info, items) in status { writeStatus(info, items) }
  }

  private func writeNames(_ names: NameChanges, _ listing: MailboxListing) {
    guard !names.lines.isEmpty else { return }
    var parents: Set<String> = []
    for info in listing.mailboxes { parents.formUnion(ListPlan.parents(of: info.name)) }
    for line in names.lines {
      connection.out.writeList(
        ListResponse(
          MailboxName(line.name), attributes: names.attributes(of: line.name, hasChildren: parents),
          oldName: line.oldName.map { MailboxName($0) }), wire)
    }
  }

  func writeStatus(_ info: MailboxInfo, _ items: [StatusItem]) {
    connection.out.writeStatus(
      MailboxName(info.name), items,
      StatusValues(
        messages: info.messages, uidNext: info.uidNext, uidValidity: info.uidValidity, unseen: info.unseen,
        highestModSeq: info.highestModSeq), wire)
  }

  // MARK: Own changes

  /// This session has put messages somewhere: it knows of them (RFC 5465 §5). `ref` nil: a mailbox of its own.
  func noteOwn(_ assigned: AssignedUIDs, in name: MailboxName, _ ref: MailboxRef? = nil) {
    let isShared = ref.map { $0.account != account?.id } ?? false
    let listed = isShared ? ref?.listedID ?? assigned.destination : assigned.destination
    let isSelected = view?.listedID == listed
    if isSelected, let contexts { contexts.own.formUnion(assigned.assigned) }
    guard let notify else { return }
    if isSelected {
      if notify.selected?.plan != nil { notify.ownMessages.formUnion(assigned.assigned) }
    } else {
      notify.noteOwn(assigned, in: name, listed)
    }
  }
}
