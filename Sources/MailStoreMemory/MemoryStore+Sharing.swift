public import MailStore
import Synchronization

extension MemoryStore {
  public func accessList(of ref: MailboxRef) async throws(StoreError) -> [AccessEntry] {
    try await read { state throws(StoreError) in try state.mailbox(ref).access }
  }

  public func changeAccess(_ change: AccessChange, of ref: MailboxRef) async throws(StoreError) {
    try await write { state throws(StoreError) in
      var mailbox = try state.mailbox(ref)
      if case .account(let id) = change.grantee { _ = try state.account(id) }
      guard change.grantee != .account(ref.account) else { return }
      let isSame = { (entry: AccessEntry) in entry.grantee == change.grantee && entry.isNegative == change.isNegative }
      let old = mailbox.access.first(where: isSame)?.rights ?? []
      let new = change.apply(to: old).intersection(.all)
      guard new != old else { return }
      let grantees = Set(mailbox.access.map(\.grantee))
      guard grantees.contains(change.grantee) || grantees.count < MemoryBounds.grants else {
        throw .tooManyGrants(limit: MemoryBounds.grants)
      }
      mailbox.access.removeAll(where: isSame)
      if !new.isEmpty { mailbox.access.append(AccessEntry(change.grantee, isNegative: change.isNegative, new)) }
      mailbox.access.sort { $0.order < $1.order }
      state.accounts[ref.account]?.mailboxes[ref.mailbox] = mailbox
      state.touch(ref)
    }
  }

  public func rights(of viewer: AccountID, in ref: MailboxRef) -> MailboxRights {
    guard viewer != ref.account else { return .all }
    return disk.state.withLock { state in
      state.accounts[ref.account]?.mailboxes[ref.mailbox]?.access.rights(of: viewer) ?? []
    }
  }

  public func sharedMailboxes(
    with viewer: AccountID, of owner: AccountID?
  ) async throws(StoreError) -> [SharedMailbox] {
    try await read { state in state.shared(with: viewer).filter { owner == nil || owner == $0.owner } }
  }

  public func mailbox(_ ref: MailboxRef, as viewer: AccountID) async throws(StoreError) -> MailboxInfo? {
    try await read { state throws(StoreError) in
      let account = try state.account(ref.account)
      return account.mailboxes[ref.mailbox].map { account.info($0, as: viewer) }
    }
  }

  public func openMailbox(
    _ ref: MailboxRef, as viewer: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox {
    try await read { state throws(StoreError) in
      let account = try state.account(ref.account)
      let mailbox = try state.mailbox(ref)
      guard mailbox.isSelectable else { throw .notSelectable(mailbox.name) }
      let session = MemorySession(
        store: self, ref: ref, info: account.info(mailbox, as: viewer), slot: MemorySlot(onChange),
        viewer: viewer == ref.account ? nil : viewer)
      self.openings.withLock { $0.sessions[ref, default: []].append(session.slot) }
      return session
    }
  }

  public func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef, as viewer: AccountID
  ) async throws(StoreError) -> FlagOutcome {
    guard viewer != ref.account else { return try await changeFlags(change, of: uids, in: ref) }
    return try await write { state throws(StoreError) in
      let wanted = Set(uids).sorted()
      var outcome = FlagOutcome(modSeq: 0)
      let mailbox = try state.mailbox(ref)
      outcome.missing = wanted.filter { mailbox.index(of: $0) == nil }
      let seen = mailbox.snapshot(for: viewer)
      var passing: [UID] = []
      for uid in wanted {
        guard let index = seen.index(of: uid) else { continue }
        if seen[index].modSeq > change.unchangedSince ?? .max {
          outcome.modified.append(uid)
        } else {
          passing.append(uid)
        }
      }
      guard !passing.isEmpty else { return outcome }
      var shared = change
      shared.unchangedSince = nil
      shared.flags.remove(.seen)
      shared.kept.insert(.seen)
      outcome.modSeq = try state.changeFlags(shared, of: passing, in: ref).modSeq
      let isSeen: Bool? =
        switch change.mode {
        case .add: change.flags.contains(.seen) ? true : nil
        case .remove: change.flags.contains(.seen) ? false : nil
        case .replace: change.kept.contains(.seen) ? nil : change.flags.contains(.seen)
        }
      if let isSeen, try state.mark(passing, isSeen: isSeen, by: viewer, in: ref) {
        outcome.modSeq = state.modSeq(ref.account)
      }
      outcome.firstModSeq = outcome.modSeq
      return outcome
    }
  }

  public func append(
    _ messages: [AppendedMessage], to target: MailboxRef, replacing replaced: ReplacedRef?, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs {
    var own: [MemoryPrepared] = []
    for message in messages { own.append(try Self.own(message.message)) }
    let prepared = own
    let defaults = settings.defaultQuota
    return try await write { state throws(StoreError) in
      let mailbox = try state.mailbox(target)
      guard mailbox.isSelectable else { throw .notSelectable(mailbox.name) }
      let octets = prepared.reduce(0) { $0 + Int64($1.size) }
      if let replaced {
        let source = try state.mailbox(replaced.ref)
        guard let index = source.index(of: replaced.uid) else { throw .expunged(replaced.uid) }
        if replaced.ref.account == target.account {
          try state.checkNet(target.account, bytes: octets - source.messages[index].size, defaults)
        } else {
          try state.checkRoom(target.account, bytes: octets, messages: Int64(prepared.count), defaults)
        }
        _ = try state.remove([replaced.uid], from: replaced.ref)
      } else {
        try state.checkRoom(target.account, bytes: octets, messages: Int64(prepared.count), defaults)
      }
      guard viewer != target.account else { return try state.append(messages, prepared, to: target) }
      var shared = messages
      for index in shared.indices { shared[index].flags.remove(.seen) }
      let assigned = try state.append(shared, prepared, to: target)
      let seen = zip(messages, assigned.assigned).filter { $0.0.flags.contains(.seen) }.map(\.1)
      _ = try state.mark(seen, isSeen: true, by: viewer, in: target)
      return assigned
    }
  }

  public func transfer(
    _ uids: [UID], from ref: MailboxRef, to target: MailboxRef, moving: Bool, _ scope: FlagScope, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs {
    let defaults = settings.defaultQuota
    return try await write { state throws(StoreError) in
      let source = try state.mailbox(ref)
      let mailbox = try state.mailbox(target)
      guard mailbox.isSelectable else { throw .notSelectable(mailbox.name) }
      let messages = Set(uids).sorted().compactMap { source.index(of: $0) }.map { source.messages[$0] }
      if !(moving && ref.account == target.account) {
        try state.checkRoom(
          target.account, bytes: messages.reduce(0) { $0 + $1.size }, messages: Int64(messages.count), defaults)
      }
      var assigned: [UID] = []
      for message in messages {
        var copy = message
        copy.uid = 0
        copy.retrieved = nil
        copy.uidl = try state.newUIDL(target.account)
        if viewer != ref.account {
          copy.flags = SeenMark.apply(source.marks[viewer]?[message.uid], to: message.entry).flags
        }
        copy.flags.formIntersection(scope.flags)
        let isSeen = viewer != target.account && copy.flags.remove(.seen) != nil
        if ref.account != target.account {
          copy.content = try state.content(
            message.content.message, trace: message.content.trace, blob: message.content.blob, of: target.account)
        }
        let uid = try state.insert(
          copy, keywords: scope.keywords ? source.names(of: message.keywords) : [], into: target)
        if isSeen { _ = try state.mark([uid], isSeen: true, by: viewer, in: target) }
        assigned.append(uid)
      }
      if moving { _ = try state.remove(Set(messages.map(\.uid)), from: ref) }
      return AssignedUIDs(
        destination: target.mailbox, uidValidity: mailbox.uidValidity, source: messages.map(\.uid), assigned: assigned)
    }
  }

  public func setSubscribed(
    _ subscribed: Bool, toShared name: String, of id: AccountID
  ) async throws(StoreError) {
    try await write { state throws(StoreError) in
      _ = try state.account(id)
      if subscribed {
        state.accounts[id]?.subscriptions.insert(MemoryNames.canonical(name))
      } else {
        state.accounts[id]?.subscriptions.remove(MemoryNames.canonical(name))
      }
    }
  }
}

extension MemoryState {
  func shared(with viewer: AccountID) -> [SharedMailbox] {
    var found: [SharedMailbox] = []
    for (id, account) in accounts.sorted(by: { $0.key < $1.key }) where id != viewer {
      for name in account.names.keys.sorted(by: MemoryNames.precedes) {
        guard let mailbox = account.mailbox(named: name) else { continue }
        let rights = mailbox.access.rights(of: viewer)
        guard !rights.isEmpty else { continue }
        found.append(
          SharedMailbox(
            owner: id, ownerName: account.account.name, info: account.info(mailbox, as: viewer), rights: rights))
      }
    }
    return found
  }

  /// False: all are so already.
  fileprivate mutating func mark(
    _ uids: [UID], isSeen: Bool, by viewer: AccountID, in ref: MailboxRef
  ) throws(StoreError) -> Bool {
    let mailbox = try mailbox(ref)
    let changed = uids.filter { (mailbox.marks[viewer]?[$0]?.isSeen ?? false) != isSeen }
    guard !changed.isEmpty else { return false }
    let modSeq = modSeq(ref.account)
    for uid in changed {
      accounts[ref.account]?.mailboxes[ref.mailbox]?.marks[viewer, default: [:]][uid] =
        SeenMark(modSeq: modSeq, isSeen: isSeen)
    }
    accounts[ref.account]?.mailboxes[ref.mailbox]?.marked[viewer] = modSeq
    touch(ref)
    return true
  }
}

extension MemoryMessage {
  var entry: MessageEntry { MessageEntry(uid: uid, flags: flags, keywords: keywords, modSeq: modSeq) }
}

extension MemoryMailbox {
  /// The mailbox as a viewer sees it who is not the owner.
  func snapshot(for viewer: AccountID) -> MailboxSnapshot {
    MailboxSnapshot(
      entries: messages.map { SeenMark.apply(marks[viewer]?[$0.uid], to: $0.entry) }, uidNext: uidNext,
      highestModSeq: max(highestModSeq, marked[viewer] ?? 0), keywords: keywords)
  }

  mutating func forgetMarks(of uids: Set<UID>) {
    for viewer in marks.keys { marks[viewer] = marks[viewer]?.filter { !uids.contains($0.key) } }
  }
}

extension MemoryAccount {
  func info(_ mailbox: MemoryMailbox, as viewer: AccountID) -> MailboxInfo {
    var info = info(mailbox)
    guard viewer != account.id else { return info }
    info.unseen = info.messages - (mailbox.marks[viewer]?.values.count(where: \.isSeen) ?? 0)
    info.highestModSeq = max(info.highestModSeq, mailbox.marked[viewer] ?? 0)
    return info
  }
}

extension AccessEntry {
  /// `anyone` first, then by account, what is denied behind what is given.
  fileprivate var order: Int64 {
    switch grantee {
    case .anyone: isNegative ? 1 : 0
    case .account(let id): 2 * id.rawValue + (isNegative ? 1 : 0)
    }
  }
}
