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
    let large = tellMailboxes(notify)
    if late != nil || large != nil || notify.pendingFrom != nil || contexts?.hasChanges == true {
      startPush(late, large)
    } else {
      connection.push()
      if idleTag != nil { restSoon() }
    }
  }

  /// Nothing else is read meanwhile.
  func startPush(_ update: ViewUpdate?, _ large: LargeNews? = nil) {
    begin("*", .notify, isUID: true)
    Task(executorPreference: connection.taskExecutor) { await self.push(update, large) }
  }

  private func push(_ update: ViewUpdate?, _ large: LargeNews?) async {
    if let update { await writeSlowly(update, includeUID: true) }
    if contexts != nil { await tellContexts() }
    do throws(CommandError) { try await fetchNew() } catch {
      // What cannot be read is left out, and said to the log.
      if !isOver { _ = completion(for: error, of: .notify) }
    }
    if let large { await tell(large) }
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
    guard let selected = notify.selected, !selected.items.isEmpty else { return }
    var indexes = IndexRanges()
    view.told.forEach(in: view.told.lowerBound(first)..<view.told.count) { index, entry in
      if !own.contains(entry.uid), !view.isGhost(entry.uid) { indexes.append(index) }
    }
    guard !indexes.isEmpty, !isOver else { return }
    try await fetchUnasked(selected.items, indexes)
  }

  // MARK: Other mailboxes

  /// News of names that have to be compared off the loop.
  struct LargeNews {
    var news: AccountNews
    var comparison: Notify.Comparison
  }

  /// Not nil: this is still to be told, by a task.
  private func tellMailboxes(_ notify: Notify) -> LargeNews? {
    guard let watch = notify.watch else { return nil }
    let news = watch.news()
    defer { notify.own = nil }
    let left = notify.takeLeft()
    guard !news.isEmpty || left != nil else { return nil }
    guard let all = news.listing.map({ SessionListing($0, news.shared, listener.namespaces) }) else {
      var infos = news.changed.sorted { $0.name < $1.name }
      if let left, !infos.contains(where: { $0.id == left.id }) { infos.append(left) }
      write(news, nil, status(of: infos[...], notify), notify)
      return nil
    }
    let listing = all.listing
    let comparison = notify.comparison(with: listing, denied: all.denied, limit: settings.notifyLines)
    if max(listing.mailboxes.count, comparison.known.count) > settings.namesOnLoop {
      return LargeNews(news: news, comparison: comparison)
    }
    let names = comparison.result()
    notify.adopt(names)
    write(news, names, status(of: listing.mailboxes[...], notify), notify)
    return nil
  }

  /// All there is to tell of them, within a command.
  func tellMailboxesNow(_ notify: Notify) async {
    if let large = tellMailboxes(notify) { await tell(large) }
  }

  private func tell(_ large: LargeNews) async {
    guard let notify, notify.watch != nil else { return }
    let comparison = large.comparison
    let names = await offLoop { comparison.result() }
    // A command cannot have come between: this task is one.
    guard !isOver, notify.watch != nil else { return }
    guard !names.changes.isTooMuch else { return overflow(notify) }
    notify.adopt(names)
    var rest = comparison.listing.mailboxes[...]
    var status: [Status] = []
    while !rest.isEmpty {
      status += self.status(of: rest.prefix(settings.namesOnLoop), notify)
      rest = rest.dropFirst(settings.namesOnLoop)
      await Task.yield()
      guard !isOver, notify.watch != nil else { return }
    }
    await writeSlowly(large.news, names, status, notify)
  }

  private typealias Status = (info: MailboxInfo, items: [StatusItem])

  private func status(of infos: ArraySlice<MailboxInfo>, _ notify: Notify) -> [Status] {
    let selected = view?.listedID
    var status: [Status] = []
    for info in infos {
      if info.id == selected {
        notify.selectedInfo = info
        continue
      }
      let items = notify.statusItems(info, tellsModSeqs: enabled.tellsModSeqs)
      if !items.isEmpty { status.append((info, items)) }
    }
    return status
  }

  private func write(_ news: AccountNews, _ names: Notify.Comparison.Result?, _ status: [Status], _ notify: Notify) {
    guard fits(news, names, status, notify) else { return overflow(notify) }
    for line in names?.changes.lines ?? [] { if let names { write(line, names) } }
    // After ENABLE METADATA all of it is told already.
    if metadata == nil {
      writeAnnotated(news) { notify.wantsAnnotations(of: $0, $1) }
    }
    for (info, items) in status { writeStatus(info, items) }
  }

  /// The same in pieces, between which the others of the loop have their turn.
  private func writeSlowly(
    _ news: AccountNews, _ names: Notify.Comparison.Result, _ status: [Status], _ notify: Notify
  ) async {
    guard fits(news, names, status, notify) else { return overflow(notify) }
    for (count, line) in names.changes.lines.enumerated() {
      write(line, names)
      if count & 63 == 63 { await Task.yield() }
      guard !isOver else { return }
    }
    if metadata == nil {
      writeAnnotated(news) { notify.wantsAnnotations(of: $0, $1) }
    }
    for (count, (info, items)) in status.enumerated() {
      writeStatus(info, items)
      if count & 63 == 63 { await Task.yield() }
      guard !isOver else { return }
    }
  }

  private func fits(
    _ news: AccountNews, _ names: Notify.Comparison.Result?, _ status: [Status], _ notify: Notify
  ) -> Bool {
    let lines = (names?.changes.lines.count ?? 0) + status.count
    guard lines <= settings.notifyLines, names?.changes.isTooMuch != true else { return false }
    return !news.missesAnnotations || notify.filters.all.isDisjoint(with: .metadata)
  }

  private func write(_ line: NameChanges.Line, _ names: Notify.Comparison.Result) {
    connection.out.writeList(
      ListResponse(
        MailboxName(line.name), attributes: names.changes.attributes(of: line.name, hasChildren: names.parents),
        oldName: line.oldName.map { MailboxName($0) }), wire)
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
      if notify.selected?.items.isEmpty == false { notify.ownMessages.formUnion(assigned.assigned) }
    } else {
      notify.noteOwn(assigned, in: name, listed)
    }
  }
}
