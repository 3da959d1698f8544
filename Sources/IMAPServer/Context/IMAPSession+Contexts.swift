import Bytes
import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// RFC 5267 §4.3: a tag that another search with UPDATE has is refused.
  func checkContext(_ command: SearchCommand, _ tag: String) throws(CommandError) {
    guard command.returns?.contains(.update) == true, let contexts, contexts.contains(tag) else { return }
    throw .bad("Tag reuse")
  }

  /// From now on the client hears of changes in these results, `members`. Too many, and it hears that it will not
  /// (RFC 5267 §4.3.1). `byUID`: the same ascending, if they are in another order.
  func startContext(
    _ search: SearchCommand, _ sort: SortCommand?, _ tag: String, _ members: [UID], _ view: MailboxView,
    byUID: [UID]? = nil, correlator: ByteBuffer? = nil
  ) {
    let contexts = self.contexts ?? SearchContexts()
    guard contexts.list.count < settings.searchContexts, contexts.results + members.count <= settings.contextResults
    else { return refuseUpdates(tag, "Too many results are kept up to date already") }
    var search = search
    search.key = search.key.fixed(in: view)
    search.returns = nil
    contexts.add(
      SearchContexts.Context(
        tag: tag, search: search, correlator: correlator, sort: sort, comparator: comparator, members: members,
        byUID: byUID ?? members))
    self.contexts = contexts
  }

  func refuseUpdates(_ tag: String, _ why: Sentence) {
    var code = ByteBuffer()
    code.writeStaticString("NOUPDATE ")
    code.writeQuoted(tag)
    say(.no, .other(String(buffer: code)), why)
  }

  /// CANCELUPDATE (RFC 5267 §4.3.5).
  func cancelUpdate(_ command: CancelUpdateCommand) throws(CommandError) -> Completion {
    guard let contexts, command.tags.allSatisfy(contexts.contains) else { throw .bad("No search with that tag") }
    for tag in command.tags { _ = contexts.remove(tag) }
    if contexts.list.isEmpty { self.contexts = nil }
    return .ok("No further updates")
  }

  /// As `nextUpdate`, and notes what the contexts have to look at.
  func watchedUpdate(_ contexts: SearchContexts, expunge: Bool, own: OwnStore?) -> ViewUpdate? {
    guard let before = view?.told else { return nil }
    self.contexts = nil
    let update = nextUpdate(expunge: expunge, own: own)
    self.contexts = contexts
    guard let after = view?.told, after !== before else { return update }
    contexts.note(before.difference(to: after), from: before)
    return update
  }

  /// Must go out before the EXPUNGE responses, so that the numbers still hold (RFC 5267 §4.3.4).
  func tellGone(_ contexts: SearchContexts) {
    guard !contexts.gone.isEmpty else { return }
    let numbers = Dictionary(contexts.gone.map { ($0.uid, UInt32(clamping: $0.index + 1)) }) { first, _ in first }
    contexts.gone = []
    for context in contexts.list {
      let gone = numbers.keys.filter(context.byUID.holds(ascending:))
      guard !gone.isEmpty else { continue }
      let update = ContextUpdate(context.members, isSorted: context.sort != nil, without: Set(gone)) {
        context.search.uid ? $0 : numbers[$0] ?? 0
      }
      let byUID = context.sort == nil ? update.members : context.byUID.removing(ascending: gone.sorted())
      contexts.set(update.members, byUID: byUID, of: context.tag)
      connection.out.writeESearchUpdate(
        tag: context.tag, context.correlator, uid: context.search.uid, removed: update.removed)
    }
  }

  /// Looks again at messages that are new or have other flags.
  func tellContexts() async {
    guard let contexts, contexts.hasChanges, let view, !isOver else { return }
    let (changed, new) = contexts.takeChanges()
    var candidates = IndexRanges()
    for uid in changed {
      if let index = view.told.index(of: uid), !view.isGhost(uid) { candidates.append(index) }
    }
    guard !candidates.isEmpty else { return }
    var updates: [(context: SearchContexts.Context, update: ContextUpdate)] = []
    /// What is wanted of messages that are new and found.
    var wanted: [UID: [FetchItem]] = [:]
    for context in contexts.list {
      do throws(CommandError) {
        let (update, fresh, byUID) = try await look(at: candidates, for: context, view)
        guard !isOver else { return }
        updates.append((context, update))
        contexts.set(update.members, byUID: byUID, of: context.tag)
        for uid in fresh where new.contains(uid) {
          for item in context.search.updateItems where wanted[uid]?.contains(item) != true {
            wanted[uid, default: []].append(item)
          }
        }
      } catch {
        guard !isOver else { return }
        _ = completion(for: error, of: .search)
        end(context.tag, "The results can no longer be kept up to date")
      }
    }
    await fetch(wanted, view)
    guard !isOver else { return }
    for (context, update) in updates {
      connection.out.writeESearchUpdate(
        tag: context.tag, context.correlator, uid: context.search.uid, removed: update.removed, added: update.added)
    }
    if contexts.results > settings.contextResults, let last = contexts.list.last {
      end(last.tag, "There are too many results")
    }
  }

  /// With UIDONLY no message has a number any more (RFC 9586 §3): results that are told by number end.
  func endNumberedContexts() {
    for context in contexts?.list ?? [] where !context.search.uid {
      end(context.tag, "Message numbers are not told with UIDONLY")
    }
  }

  private func end(_ tag: String, _ why: Sentence) {
    guard let contexts, contexts.remove(tag) else { return }
    if contexts.list.isEmpty { self.contexts = nil }
    refuseUpdates(tag, why)
  }

  private func look(
    at candidates: IndexRanges, for context: SearchContexts.Context, _ view: MailboxView
  ) async throws(CommandError) -> (update: ContextUpdate, fresh: [UID], byUID: [UID]) {
    let (_, node) = try compiled(context.search, by: context.comparator)
    guard node.level == .snapshot || candidates.count <= settings.contextMessages else {
      throw .no(.limit, "Too many messages have changed at once")
    }
    let told = view.told
    let isLarge = max(context.members.count, candidates.count) > settings.messagesOnLoop
    let found = try await find(node, view, in: candidates).uids(in: told)
    let looked = candidates.uids(in: told)
    let look =
      isLarge
      ? await offLoop { ContextLook(context, looked, found, told) } : ContextLook(context, looked, found, told)
    guard let sort = context.sort, !look.fresh.isEmpty else { return (look.update, look.fresh, look.byUID) }
    let synced = view.ghosts > 0 ? view.synced : nil
    let all = isLarge ? await offLoop { look.indexes(told, synced) } : look.indexes(told, synced)
    let order = try await sorted(all, sort, view, by: context.comparator).uids
    let update = isLarge ? await offLoop { look.placed(order, told) } : look.placed(order, told)
    return (update, look.fresh, look.byUID)
  }

  /// RFC 5465 §7: what UPDATE asked for of new messages, together with what NOTIFY asked for, in one response each.
  private func fetch(_ wanted: [UID: [FetchItem]], _ view: MailboxView) async {
    guard !wanted.isEmpty else { return }
    let more = notify?.pendingFrom == nil ? [] : notify?.selected?.items ?? []
    var groups: [[FetchItem]: IndexRanges] = [:]
    for (uid, items) in wanted.sorted(by: { $0.key < $1.key }) {
      guard let index = view.told.index(of: uid) else { continue }
      groups[more + items.filter { !more.contains($0) }, default: IndexRanges()].append(index)
      if !more.isEmpty { notify?.ownMessages.insert(uid) }
    }
    for (items, indexes) in groups.sorted(by: { ($0.value.first ?? 0) < ($1.value.first ?? 0) }) {
      do throws(CommandError) { try await fetchUnasked(items, indexes) } catch {
        guard !isOver else { return }
        _ = completion(for: error, of: .search)
      }
    }
  }

  /// In the form that the session asks for now, which need not be that of the command which wanted it.
  func fetchUnasked(_ items: [FetchItem], _ indexes: IndexRanges) async throws(CommandError) {
    var plan = FetchPlan(items, wire, enabled)
    plan.surrogates = showsSurrogates && plan.showsHeaders
    downgraded = []
    defer { tellDowngraded() }
    if plan.isInMemory {
      _ = try await fetchSlowlyFromMemory(plan, indexes)
    } else {
      _ = try await fetchFromStore(plan, indexes, newlySeen: 0)
    }
  }
}

extension FetchPlan {
  /// Of responses that were not asked for by FETCH. Nothing sets `\Seen`.
  init(_ items: [FetchItem], _ wire: WireOptions, _ enabled: EnabledExtensions) {
    var items = items
    // RFC 7162 §3.1, §3.2.4. A UIDFETCH has the UID anyway.
    if enabled.tellsModSeqs { items += enabled.isUIDOnly ? [.modSeq] : [.uid, .modSeq] }
    self.init(FetchCommand(uid: false, set: MessageSet([]), items: items), wire, enabled)
  }
}

extension SearchKey {
  /// Message numbers, `$` and `*` mean what they meant when the command came (RFC 5267 §4.3).
  func fixed(in view: MailboxView) -> SearchKey {
    switch self {
    case .and(let keys): .and(keys.map { $0.fixed(in: view) })
    case .or(let first, let second): .or(first.fixed(in: view), second.fixed(in: view))
    case .not(let key): .not(key.fixed(in: view))
    case .fuzzy(let key): .fuzzy(key.fixed(in: view))
    case .sequence(let set):
      .uid(MessageSet(sorted: view.indexes(of: set, uid: false).indexes.uids(in: view.told)))
    case .uid(let set): .uid(set.fixed(in: view))
    default: self
    }
  }
}

extension MessageSet {
  /// `5:*` goes on without end, `*` alone is the message that was the last.
  fileprivate func fixed(in view: MailboxView) -> MessageSet {
    let last = max(view.told.lastUID, 1)
    var set = MessageSet([])
    for element in elements {
      let (first, end) = (element.first == Self.star ? last : element.first, element.last)
      if element.first == Self.star, end == Self.star {
        set.elements.append(Element(last))
      } else if element.first == Self.star || end == Self.star {
        set.elements.append(Element(min(last, end == Self.star ? first : end), .max))
      } else {
        set.elements.append(element)
      }
    }
    if includesSavedResult { set.elements += MessageSet(sorted: view.saved).elements }
    return set
  }
}
