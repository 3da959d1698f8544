public import MailStore
public import SearchText

extension MemoryStore {
  public func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef
  ) async throws(StoreError) -> FlagOutcome {
    try await write { state throws(StoreError) in try state.changeFlags(change, of: uids, in: ref) }
  }

  public func copy(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    try await write { state throws(StoreError) in
      let source = try state.mailbox(ref)
      let target = try state.target(name, of: ref.account)
      let messages = Set(uids).sorted().compactMap { source.index(of: $0) }.map { source.messages[$0] }
      let bytes = messages.reduce(0) { $0 + $1.size }
      if state.settings.fault == .copyUncharged {
        state.phantomUsage[ref.account, default: QuotaUsage()].bytes -= bytes
        state.phantomUsage[ref.account, default: QuotaUsage()].messages -= Int64(messages.count)
      } else {
        try state.checkRoom(
          ref.account, bytes: bytes, messages: Int64(messages.count), state.settings.defaultQuota)
      }
      var assigned: [UID] = []
      for message in messages {
        // An instance of its own: its own UIDL, never retrieved.
        var copy = message
        copy.uid = 0
        copy.uidl = try state.newUIDL(ref.account)
        copy.retrieved = nil
        let keywords = state.settings.fault == .copyLosesKeywords ? [] : source.names(of: message.keywords)
        assigned.append(try state.insert(copy, keywords: keywords, into: target))
      }
      return AssignedUIDs(
        destination: target.mailbox, uidValidity: try state.mailbox(target).uidValidity,
        source: messages.map(\.uid), assigned: assigned)
    }
  }

  public func move(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    try await write { state throws(StoreError) in
      _ = try state.mailbox(ref)
      return try state.move(Set(uids).sorted(), from: ref, to: state.target(name, of: ref.account))
    }
  }

  public func expunge(_ uids: [UID]?, in ref: MailboxRef) async throws(StoreError) -> [UID] {
    try await write { state throws(StoreError) in
      let named = state.settings.fault == .expungeIgnoresUIDs ? nil : uids.map { Set($0) }
      let marked = try state.mailbox(ref).messages.filter { message in
        message.flags.contains(.deleted) && named?.contains(message.uid) != false
      }
      return try state.remove(Set(marked.map(\.uid)), from: ref)
    }
  }

  public func vanished(
    _ range: ClosedRange<UID>, since modSeq: ModSeq, in ref: MailboxRef
  ) async throws(StoreError) -> [UID]? {
    try await read { state throws(StoreError) in
      let mailbox = try state.mailbox(ref)
      guard modSeq >= mailbox.firstModSeq else { return nil }
      return mailbox.gone.filter { range.contains($0.key) && $0.value > modSeq }.keys.sorted()
    }
  }

  public func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    guard !uids.isEmpty else { return 0 }
    let messages = try await read { state in uids.map { state.message($0, in: ref) } }
    return try await Self.walk(messages, ref.account) { _, row throws(StoreError) in try visitor(row) }
  }

  /// How many of `messages` are done with. The rows never change, so the lock is free meanwhile.
  @concurrent
  static func walk(
    _ messages: [MemoryMessage?], _ account: AccountID,
    _ visitor: @Sendable (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    for (index, message) in messages.enumerated() {
      guard let message else { continue }
      switch try visitor(index, MemoryRow(message, account)) {
      case .next: break
      case .stop: return index + 1
      case .stopBefore: return index
      }
    }
    return messages.count
  }

  /// It has no index: searches look at every message, and so show what those with one should find.
  public func narrow(_ terms: [SearchTerm], in ref: MailboxRef) async throws(StoreError) -> [Narrowed?] {
    terms.map { _ in nil }
  }

  public func openMessage(_ uid: UID, in ref: MailboxRef) async throws(StoreError) -> (any MessageReader)? {
    try await read { state in state.message(uid, in: ref).map { MemoryReader($0.content) } }
  }
}

extension MemoryState {
  /// A message that is there, or is expunged and its bytes still kept.
  func message(_ uid: UID, in ref: MailboxRef) -> MemoryMessage? {
    if let mailbox = accounts[ref.account]?.mailboxes[ref.mailbox], let index = mailbox.index(of: uid) {
      return mailbox.messages[index]
    }
    return ghosts[ref]?[uid]?.message
  }

  mutating func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef
  ) throws(StoreError) -> FlagOutcome {
    var mailbox = try mailbox(ref)
    var outcome = FlagOutcome(modSeq: 0)
    let wanted = Set(uids).sorted()
    let found = wanted.compactMap { mailbox.index(of: $0) }
    outcome.missing = wanted.filter { mailbox.index(of: $0) == nil }
    let isMeant = found.contains { mailbox.messages[$0].modSeq <= change.unchangedSince ?? .max }
    guard isMeant else {
      outcome.modified = found.map { mailbox.messages[$0].uid }
      return outcome
    }
    let bits = try mailbox.bits(for: change.keywords, adding: change.mode != .remove)
    for index in found {
      var message = mailbox.messages[index]
      if let limit = change.unchangedSince, message.modSeq > limit {
        outcome.modified.append(message.uid)
        continue
      }
      switch change.mode {
      case .add:
        message.flags.formUnion(change.flags)
        message.keywords |= bits
      case .remove:
        message.flags.subtract(change.flags)
        message.keywords &= ~bits
      case .replace:
        message.flags = change.flags.subtracting(change.kept).union(message.flags.intersection(change.kept))
        message.keywords = bits | (change.keepsKeywords ? message.keywords : 0)
      }
      // What has the flags already keeps its MODSEQ (RFC 7162 §3.1.2.2 allows it).
      let old = mailbox.messages[index]
      guard message.flags != old.flags || message.keywords != old.keywords else { continue }
      outcome.modSeq = modSeq(ref.account)
      outcome.firstModSeq = outcome.modSeq
      if settings.fault != .storeKeepsModSeq { message.modSeq = outcome.modSeq }
      mailbox.messages[index] = message
    }
    if outcome.modSeq != 0 { put(mailbox, ref) }
    return outcome
  }

  /// `uids` ascending. Everything but UID and MODSEQ goes along, and no bytes stay behind (RFC 9051 §6.4.8).
  mutating func move(_ uids: [UID], from ref: MailboxRef, to target: MailboxRef) throws(StoreError) -> AssignedUIDs {
    let source = try mailbox(ref)
    let messages = uids.compactMap { source.index(of: $0) }.map { source.messages[$0] }
    var assigned: [UID] = []
    for message in messages {
      var moved = message
      moved.uid = 0
      if settings.fault == .moveChangesUIDL { moved.uidl = try newUIDL(ref.account) }
      assigned.append(try insert(moved, keywords: source.names(of: message.keywords), into: target))
    }
    if !messages.isEmpty {
      // Read again: it may be the target as well.
      var left = try mailbox(ref)
      let gone = Set(messages.map(\.uid))
      left.messages.removeAll { gone.contains($0.uid) }
      left.forgetMarks(of: gone)
      let modSeq = modSeq(ref.account)
      for uid in gone where settings.fault != .moveUnlogged { left.gone[uid] = modSeq }
      put(left, ref)
    }
    return AssignedUIDs(
      destination: target.mailbox, uidValidity: try mailbox(target).uidValidity, source: messages.map(\.uid),
      assigned: assigned)
  }

  /// Expunges; the bytes are kept until a compaction. Returns the UIDs, ascending.
  mutating func remove(_ uids: Set<UID>, from ref: MailboxRef) throws(StoreError) -> [UID] {
    var mailbox = try mailbox(ref)
    let gone = mailbox.messages.filter { uids.contains($0.uid) }
    guard !gone.isEmpty else { return [] }
    let modSeq = modSeq(ref.account)
    for message in gone {
      ghosts[ref, default: [:]][message.uid] = MemoryGhost(message: message, modSeq: modSeq, time: now)
      mailbox.gone[message.uid] = modSeq
    }
    mailbox.messages.removeAll { uids.contains($0.uid) }
    mailbox.forgetMarks(of: uids)
    if settings.fault == .uidReused, let last = gone.last?.uid, last == mailbox.uidNext - 1 {
      mailbox.uidNext = last
    }
    put(mailbox, ref)
    return gone.map(\.uid)
  }
}
