import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// FETCH of flags and UIDs alone, from the view. Nil: the store has to be asked, or it takes more than one slice.
  func fetchFromMemory(_ command: FetchCommand) throws(CommandError) -> Completion? {
    try refuse(command.modifiers)
    let plan = FetchPlan(command, wire)
    guard plan.isInMemory else { return nil }
    let indexes = try resolve(command.set, uid: command.uid)
    guard indexes.count <= settings.messagesOnLoop else { return nil }
    let shown = try shownFlags()
    for range in indexes.ranges { writeFromView(range, plan, shown) }
    tally.fetched += indexes.count
    return .ok(command.uid ? "UID FETCH completed" : "FETCH completed")
  }

  /// FETCH and UID FETCH (RFC 9051 §6.4.5).
  func fetch(_ command: FetchCommand) async throws(CommandError) -> Completion {
    var plan = FetchPlan(command, wire)
    plan.surrogates = showsSurrogates && plan.showsHeaders
    downgraded = []
    let indexes = try resolve(command.set, uid: command.uid)
    let isWhole: Bool
    if plan.isInMemory {
      isWhole = try await fetchSlowlyFromMemory(plan, indexes)
    } else {
      let newlySeen = plan.setsSeen ? try await markSeen(indexes, includeUID: command.uid || isRev2) : 0
      isWhole = try await fetchFromStore(plan, indexes, newlySeen: newlySeen)
    }
    tally.fetched += indexes.count
    // RFC 2180 §4.1.2: what is there has been sent; the client learns why the rest is missing. UIDs that do not exist
    // are no error (RFC 9051 §6.4.9).
    if !isWhole, !command.uid { throw .no(.expungeIssued, "Some of the messages no longer exist") }
    return withDowngraded(.ok(command.uid ? "UID FETCH completed" : "FETCH completed"))
  }

  func shownFlags(newlySeen: ModSeq = 0) throws(CommandError) -> ShownFlags {
    let view = try selectedView()
    return ShownFlags(told: view.told, recent: isRev2 ? [] : view.recent, newlySeen: newlySeen)
  }

  private func writeFromView(_ range: Range<Int>, _ plan: FetchPlan, _ shown: ShownFlags) {
    // Held here while it is written to: a class's property costs a check at each access.
    var out = ByteBuffer()
    swap(&out, &connection.out)
    shown.told.forEach(in: range) { index, entry in
      var line = FetchLine(sequence: index + 1, into: &out)
      if plan.wantsUID { line.writeUID(entry.uid, into: &out) }
      if plan.wantsFlags { shown.write(entry, &line, into: &out) }
      line.end(into: &out)
    }
    swap(&out, &connection.out)
  }

  private func fetchSlowlyFromMemory(_ plan: FetchPlan, _ indexes: IndexRanges) async throws(CommandError) -> Bool {
    let shown = try shownFlags()
    for range in indexes.ranges {
      var index = range.lowerBound
      while index < range.upperBound {
        let end = min(index + 1024, range.upperBound)
        writeFromView(index..<end, plan, shown)
        index = end
        guard await drained() else { throw .connectionClosed }
      }
    }
    return true
  }

  /// Sets `\Seen` where BODY[...] implies it (RFC 9051 §6.4.5), in one call before anything is read. Returns the MODSEQ
  /// of the change.
  private func markSeen(_ indexes: IndexRanges, includeUID: Bool) async throws(CommandError) -> ModSeq {
    let view = try selectedView()
    // RFC 9051 §6.3.3: EXAMINE changes nothing.
    guard !view.isReadOnly else { return 0 }
    var unseen = IndexRanges()
    for range in indexes.ranges {
      view.told.forEach(in: range) { index, entry in if !entry.flags.contains(.seen) { unseen.append(index) } }
    }
    guard !unseen.isEmpty else { return 0 }
    let uids = unseen.uids(in: view.told)
    let ref = view.mailbox.ref
    let outcome: FlagOutcome
    do throws(CommandError) {
      outcome = try await storeCall { store throws(StoreError) in
        try await store.changeFlags(FlagChange(.add, .seen), of: uids, in: ref)
      }
    } catch {
      // Mail stays readable while the store cannot write; the flag is lost, and said to the log.
      _ = completion(for: error, of: .fetch)
      return 0
    }
    guard !isOver else { throw .connectionClosed }
    // The FETCH responses themselves will show these flags.
    let own = OwnStore(indexes: unseen, isSilent: true, mode: .add, flags: .seen, keywords: 0)
    await tellSlowly(expunge: false, includeUID: includeUID, own: own)
    return outcome.modSeq
  }
}
