import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// FETCH of flags and UIDs alone, from the view. Nil: the store has to be asked, or it takes more than one slice.
  func fetchFromMemory(_ command: FetchCommand) throws(CommandError) -> Completion? {
    try check(command)
    let plan = FetchPlan(command, wire, enabled)
    guard plan.isInMemory, !command.vanished else { return nil }
    var indexes = try resolve(command.set, uid: command.uid)
    guard indexes.count <= settings.messagesOnLoop else { return nil }
    let shown = try shownFlags()
    if let partial = command.partial { indexes = indexes.part(partial.places(of: indexes.count)) }
    if let modSeq = command.changedSince { indexes = indexes.changed(since: modSeq, in: shown.told) }
    let code = limit(&indexes, shown.told)
    for range in indexes.ranges { writeFromView(range, plan, shown) }
    tally.fetched += indexes.count
    return .ok(command.uid ? "UID FETCH completed" : "FETCH completed", code: code)
  }

  /// Whether its parameters may be given now, and what they enable.
  private func check(_ command: FetchCommand) throws(CommandError) {
    try refuse(command.modifiers)
    if command.vanished {
      // RFC 7162 §3.2.6
      guard command.uid else { throw .bad("VANISHED goes with UID FETCH only") }
      guard enabled.contains(.qResync) else { throw .bad("QRESYNC has to be enabled first") }
      guard command.changedSince != nil else { throw .bad("VANISHED goes with CHANGEDSINCE only") }
    }
    if let partial = command.partial {
      // RFC 9394 §3.3
      guard command.uid else { throw .bad("PARTIAL goes with UID FETCH only") }
      if settings.messageLimit > 0, partial.count > settings.messageLimit {
        // RFC 9738 §3.1
        throw .no(.messageLimit(UInt32(clamping: settings.messageLimit)), "Too many messages at a time")
      }
    }
    // RFC 7162 §3.1
    if command.changedSince != nil || command.items.contains(.modSeq) { enableCondStore() }
  }

  /// VANISHED (EARLIER) goes out before any FETCH (RFC 7162 §3.2.6).
  private func tellVanished(_ command: FetchCommand) async throws(CommandError) {
    guard command.vanished, let modSeq = command.changedSince else { return }
    let view = try selectedView()
    // `*` stands for the last UID there was: what went behind the last message that is left is meant as well.
    var ranges = command.set.resolvedUIDs(last: max(view.told.uidNext - 1, 1))
    if command.set.includesSavedResult { ranges = Array(CompactRanges(view.saved)) }
    try await writeVanishedEarlier(try await vanished(ranges, since: modSeq, view))
    guard !isOver else { throw .connectionClosed }
  }

  /// FETCH and UID FETCH (RFC 9051 §6.4.5).
  func fetch(_ command: FetchCommand) async throws(CommandError) -> Completion {
    var plan = FetchPlan(command, wire, enabled)
    plan.surrogates = showsSurrogates && plan.showsHeaders
    downgraded = []
    try await tellVanished(command)
    var indexes = try resolve(command.set, uid: command.uid)
    if let partial = command.partial { indexes = indexes.part(partial.places(of: indexes.count)) }
    if let modSeq = command.changedSince {
      let all = indexes
      let told = try selectedView().told
      indexes = await offLoop { all.changed(since: modSeq, in: told) }
    }
    let code = limit(&indexes, try selectedView().told)
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
    if !isWhole, !command.uid {
      if let code { say(.no, code, "Only the last messages were looked at") }
      throw .no(.expungeIssued, "Some of the messages no longer exist")
    }
    return withDowngraded(.ok(command.uid ? "UID FETCH completed" : "FETCH completed", code: code))
  }

  func shownFlags(newlySeen: ModSeq = 0) throws(CommandError) -> ShownFlags {
    let view = try selectedView()
    return ShownFlags(told: view.told, recent: isRev2 ? [] : view.recent, newlySeen: newlySeen, enabled)
  }

  private func writeFromView(_ range: Range<Int>, _ plan: FetchPlan, _ shown: ShownFlags) {
    // Held here while it is written to: a class's property costs a check at each access.
    var out = ByteBuffer()
    swap(&out, &connection.out)
    shown.told.forEach(in: range) { index, entry in
      var line = startLine(index, entry, into: &out)
      if plan.wantsUID { line.writeUID(entry.uid, into: &out) }
      if plan.wantsModSeq { line.writeModSeq(entry.modSeq, into: &out) }
      if plan.wantsFlags { shown.write(entry, &line, into: &out) }
      line.end(into: &out)
    }
    swap(&out, &connection.out)
  }

  func fetchSlowlyFromMemory(_ plan: FetchPlan, _ indexes: IndexRanges) async throws(CommandError) -> Bool {
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

  /// Sets `\Seen` where BODY[...] implies it (RFC 9051 §6.4.5), in one call before anything is read. Returns the
  /// first MODSEQ of the change.
  private func markSeen(_ indexes: IndexRanges, includeUID: Bool) async throws(CommandError) -> ModSeq {
    let view = try selectedView()
    // RFC 9051 §6.3.3: EXAMINE changes nothing.
    // RFC 4314 §4: nor does FETCH set what the session may not.
    guard !view.isReadOnly, view.rights.contains(.seen) else { return 0 }
    var unseen = IndexRanges()
    for range in indexes.ranges {
      view.told.forEach(in: range) { index, entry in if !entry.flags.contains(.seen) { unseen.append(index) } }
    }
    guard !unseen.isEmpty else { return 0 }
    let uids = unseen.uids(in: view.told)
    let outcome: FlagOutcome
    do throws(CommandError) {
      outcome = try await storeFlags(FlagChange(.add, .seen), of: uids, in: view)
    } catch {
      // Mail stays readable while the store cannot write; the flag is lost, and said to the log.
      _ = completion(for: error, of: .fetch)
      return 0
    }
    guard !isOver else { throw .connectionClosed }
    // The FETCH responses themselves will show these flags.
    var own = OwnStore(indexes: unseen, isSilent: true, mode: .add, flags: .seen, keywords: 0)
    own.tellsModSeqs = false
    await tellSlowly(expunge: false, includeUID: includeUID, own: own)
    return outcome.firstModSeq
  }
}
