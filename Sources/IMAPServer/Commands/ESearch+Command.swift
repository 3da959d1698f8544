import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// ESEARCH (RFC 7377): one mailbox after the other, each as SEARCH would search it.
  func esearch(_ command: ESearchCommand, tag: String) async throws(CommandError) -> Completion {
    do throws(CommandError) {
      return try await searchMailboxes(command, tag)
    } catch {
      dropSaved(command.search.returns, after: error)
      throw error
    }
  }

  private func searchMailboxes(_ command: ESearchCommand, _ tag: String) async throws(CommandError) -> Completion {
    // RFC 6855 §3
    if isUTF8, command.search.charset != nil { throw .bad("No CHARSET after ENABLE UTF8=ACCEPT") }
    let sources = command.sources ?? [.selected]
    let returns = command.search.returns ?? .all
    // RFC 7377 §2.2
    if sources.contains(.selected) || returns.contains(.update) {
      guard view != nil else { throw .bad("Select a mailbox first") }
    }
    if returns.contains(.save), sources.contains(where: { $0 != .selected }) {
      throw .bad("Only a search of the selected mailbox can be saved")
    }
    let search = try await expandingFilters(command.search)
    try checkContext(search, tag)
    // RFC 7162 §3.1
    if search.key.hasModSeq { enableCondStore() }
    try checkRelevancy(search)
    if view != nil { tell(expunge: false, includeUID: true) }
    guard !isOver else { throw .connectionClosed }
    var done = SearchedMailbox()
    // RFC 9738 §3.1, §3.4: the code names one UID, and `$` is of one mailbox.
    let isLimited = sources.allSatisfy { $0 == .selected }
    let mailboxes = try await searched(sources)
    expectProgress("Searching", of: mailboxes.reduce(0) { $0 + $1.info.messages })
    for mailbox in mailboxes {
      try await self.search(mailbox, search, returns, tag, isLimited: isLimited, &done)
      endProgressPart(of: mailbox.info.messages)
      guard await drained() else { throw .connectionClosed }
    }
    if returns.contains(.update), !done.isSelected {
      refuseUpdates(tag, "The selected mailbox is not among those searched")
    }
    return .ok("ESEARCH completed", code: done.code)
  }

  /// Each once, in the order of LIST, what is not listed behind it. Names without a mailbox are passed over.
  /// RFC 7377 §2.2: mailboxes that may not be read are passed over.
  private func searched(_ sources: [SearchSource]) async throws(CommandError) -> [Searched] {
    let account = try accountID()
    let filters = SourceFilters(sources)
    let selected = filters.includesSelected ? try await searchedSelection() : nil
    // Other names need not be looked at.
    if sources.allSatisfy({ $0 == .selected }) { return selected.map { [$0] } ?? [] }
    let all = try await listing()
    var found = all.listing.mailboxes.compactMap { info -> Searched? in
      guard info.isSelectable else { return nil }
      let shared = all.shared[info.name]
      let ref = shared?.ref ?? MailboxRef(account: account, mailbox: info.id)
      guard filters.holds(info, isOwn: shared == nil) || ref == selected?.ref else { return nil }
      return Searched(info: info, ref: ref)
    }
    if let selected, !found.contains(where: { $0.ref == selected.ref }) { found.append(selected) }
    // RFC 7377 §2.2: of mailboxes that are named no more than `r` is needed.
    for name in filters.named where listener.namespaces.meaning(of: name) != .own {
      guard let named = try await readable(MailboxName(name)), !found.contains(where: { $0.ref == named.ref }) else {
        continue
      }
      var info = named.info
      info.name = try await shownName(named, MailboxName(name))
      found.append(Searched(info: info, ref: named.ref))
    }
    return found
  }

  /// The selected mailbox: `r` was asked for when it was selected, and `l` is not needed. Nil: it is gone.
  private func searchedSelection() async throws(CommandError) -> Searched? {
    guard let view else { return nil }
    let (ref, account) = (view.mailbox.ref, try accountID())
    let info = try await storeCall { store throws(StoreError) in try await store.mailbox(ref, as: account) }
    guard var info else { return nil }
    if let sharing = view.sharing {
      let found = FoundMailbox(account: ref.account, info: info, rights: sharing.rights, isOwn: false)
      // Without `l` nobody learns what its owner calls it now (RFC 4314 §6).
      info.name =
        found.rights.contains(.lookup) ? try await shownName(found, MailboxName(sharing.name)) : sharing.name
    }
    return Searched(info: info, ref: ref)
  }

  private struct Searched: Sendable {
    /// Named as this account calls it.
    var info: MailboxInfo
    var ref: MailboxRef
  }

  /// What is known behind it.
  private struct SearchedMailbox {
    /// The selected one was among them: its results will be kept up to date, or the client has heard why not.
    var isSelected = false
    var code: ResponseCode?
  }

  private func search(
    _ searched: Searched, _ command: SearchCommand, _ returns: SearchCommand.Return, _ tag: String, isLimited: Bool,
    _ done: inout SearchedMailbox
  ) async throws(CommandError) {
    let info = searched.info
    let isSelected = searched.ref == view?.mailbox.ref
    guard let (view, close) = try await searchedView(searched) else { return }
    defer { close() }
    var node = try compiled(command, in: view)
    if isLimited { done.code = limit(&node, view.told) }
    let (found, _) = visible(try await find(node, view), view)
    guard !isOver else { throw .connectionClosed }
    let uids = found.uids(in: view.told)
    let part = command.partial.map { found.part($0.places(of: found.count)) }
    let named = Self.named(returns, found, part)
    let correlator = ESearchResponse.correlator(MailboxName(info.name), uidValidity: info.uidValidity, wire)
    if isSelected {
      done.isSelected = true
      if returns.contains(.save) { self.view?.saved = named.uids(in: view.told) }
      if returns.contains(.update) { startContext(command, nil, tag, uids, view, correlator: correlator) }
    }
    // RFC 7377 §2.1: nothing is said of mailboxes without results.
    guard !uids.isEmpty, returns.results != .save || part != nil else { return }
    var response = ESearchResponse(
      tag: tag, uid: true, min: returns.contains(.min) ? uids.first : nil,
      max: returns.contains(.max) ? uids.last : nil,
      all: returns.contains(.all) ? uids : nil, count: returns.contains(.count) ? uids.count : nil)
    response.correlator = correlator
    if let range = command.partial, let part { response.partial = .init(range, part.uids(in: view.told)) }
    if command.key.hasModSeq { response.modSeq = named.highestModSeq(in: view.told) }
    if returns.contains(.relevancy) {
      // As in SEARCH, of the messages that the answer names.
      let shown = returns.contains(.all) ? found : part ?? found
      let scores = try await relevancy(of: shown, command, view)
      response.relevancy = shown.uids(in: view.told).map { scores[$0] ?? 100 }
    }
    connection.out.writeESearch(response)
  }

  /// The session's own view, or another one for as long as the search takes. Nil: the mailbox is gone.
  private func searchedView(
    _ searched: Searched
  ) async throws(CommandError) -> (view: MailboxView, close: () -> Void)? {
    let (ref, account) = (searched.ref, try accountID())
    if let view, view.mailbox.ref == ref { return (view, {}) }
    do throws(CommandError) {
      let mailbox = try await storeCall { store throws(StoreError) in
        try await store.openMailbox(ref, as: account, onChange: {})
      }
      guard let snapshot = mailbox.current else {
        mailbox.close()
        return nil
      }
      return (MailboxView(mailbox: mailbox, snapshot: snapshot, isReadOnly: true), { mailbox.close() })
    } catch {
      // Deleted meanwhile.
      switch error {
      case .store(.noSuchMailbox), .store(.notSelectable), .store(.mailboxGone): return nil
      default: throw error
      }
    }
  }
}

/// Mailboxes by name (RFC 7377 §2.2).
struct SourceFilters: Sendable {
  private(set) var includesSelected = false
  private var isPersonal = false
  private var isSubscribed = false
  private var names: Set<String> = []
  private var subtrees: Set<String> = []
  private var parents: Set<String> = []

  init(_ sources: [SearchSource]) {
    for source in sources {
      switch source {
      case .selected: includesSelected = true
      // `user+folder` brings mail into any mailbox, so all of them are inboxes (RFC 5465 §6.3).
      case .inboxes, .personal: isPersonal = true
      case .subscribed: isSubscribed = true
      case .subtree(let list): subtrees.formUnion(list.map(\.storeString))
      case .subtreeOne(let list): parents.formUnion(list.map(\.storeString))
      case .mailboxes(let list): names.formUnion(list.map(\.storeString))
      }
    }
  }

  var named: [String] { names.sorted() }

  func holds(_ info: MailboxInfo, isOwn: Bool) -> Bool {
    if isPersonal && isOwn || isSubscribed && info.isSubscribed { return true }
    if names.contains(info.name) || subtrees.contains(info.name) || parents.contains(info.name) { return true }
    guard !subtrees.isEmpty || !parents.isEmpty else { return false }
    let above = ListPlan.parents(of: info.name)
    if let parent = above.first, parents.contains(parent) { return true }
    return above.contains(where: subtrees.contains)
  }
}
