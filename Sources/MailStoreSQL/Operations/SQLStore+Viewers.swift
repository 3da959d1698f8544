public import MailStore

/// What accounts do in mailboxes of others.
extension SQLStore {
  public func mailbox(_ ref: MailboxRef, as viewer: AccountID) async throws(StoreError) -> MailboxInfo? {
    if cache.account(ref.account) == nil { _ = try await published(ref.account) }
    return viewer == ref.account ? cache.mailbox(ref) : cache.mailbox(ref, as: viewer)
  }

  public func openMailbox(
    _ ref: MailboxRef, as viewer: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox {
    guard let info = try await mailbox(ref, as: viewer) else { throw .mailboxGone }
    guard info.isSelectable else { throw .notSelectable(info.name) }
    return try await open(
      ref, MailboxSession.Slot(onChange, viewer: viewer == ref.account ? nil : viewer))
  }

  /// The viewer's marks are read between two commits, so that none is missed. `info` with the viewer's counters.
  func openOverlay(of viewer: Int64, _ view: View, _ info: MailboxInfo) async throws(StoreError) -> MailboxInfo {
    try await writer.alone { writer throws(StoreError) in
      if let error = writer.hasFailed { throw error }
      try view.addOverlay(of: viewer) { () throws(StoreError) in
        try Transaction.overlay(of: viewer, in: view.ref, writer.transaction.db)
      }
      var info = info
      if let own = writer.cache.mailbox(view.ref, as: AccountID(viewer)) {
        (info.unseen, info.highestModSeq) = (own.unseen, own.highestModSeq)
      }
      return info
    }
  }

  public func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef, as viewer: AccountID
  ) async throws(StoreError) -> FlagOutcome {
    guard viewer != ref.account else { return try await changeFlags(change, of: uids, in: ref) }
    return try await inParts(uids) { slice throws(StoreError) in
      try await writer.write { transaction throws(StoreError) in
        try transaction.changeFlags(change, of: slice, in: ref, as: viewer)
      }
    }
  }

  public func append(
    _ messages: [AppendedMessage], to target: MailboxRef, replacing replaced: ReplacedRef?, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs {
    var own: [PreparedSQLMessage] = []
    for message in messages { own.append(try Self.own(message.message)) }
    let prepared = own
    return try await writer.write { transaction throws(StoreError) in
      try transaction.append(messages, prepared, to: target, replacing: replaced, as: viewer)
    }
  }

  public func transfer(
    _ uids: [UID], from ref: MailboxRef, to target: MailboxRef, moving: Bool, _ scope: FlagScope, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs {
    let uids = ascending(uids)
    if !moving {
      guard uids.count <= StoreLimits.copiedMessages else {
        throw .tooManyMessages(limit: StoreLimits.copiedMessages)
      }
      return try await writer.write { transaction throws(StoreError) in
        try transaction.transfer(uids[...], from: ref, to: target, moving: false, scope, as: viewer)
      }
    }
    // RFC 6851 §3.3: each message moves or stays; see `move`.
    let first = uids.prefix(StoreLimits.rowsPerMove)
    var result = try await writer.write { transaction throws(StoreError) in
      try transaction.transfer(first, from: ref, to: target, moving: true, scope, as: viewer)
    }
    var rest = uids[first.endIndex...]
    while !rest.isEmpty {
      let slice = rest.prefix(StoreLimits.rowsPerMove)
      rest = rest[slice.endIndex...]
      do throws(StoreError) {
        let part = try await writer.write { transaction throws(StoreError) in
          try transaction.transfer(slice, from: ref, to: target, moving: true, scope, as: viewer)
        }
        result.source += part.source
        result.assigned += part.assigned
      } catch {
        result.failure = error
        return result
      }
    }
    return result
  }
}

extension Transaction {
  func changeFlags(
    _ change: FlagChange, of uids: ArraySlice<UID>, in ref: MailboxRef, as viewer: AccountID
  ) throws(StoreError) -> FlagOutcome {
    let (account, mailbox) = try mailbox(ref)
    var entries = try entries(uids, of: mailbox, account)
    let known = try marks(of: viewer, uids, in: ref)
    var outcome = FlagOutcome(modSeq: 0)
    if entries.count < uids.count { outcome.missing = Self.missing(uids, entries) }
    if let limit = change.unchangedSince {
      func isModified(_ entry: MessageEntry) -> Bool { max(entry.modSeq, known[entry.uid]?.modSeq ?? 0) > limit }
      outcome.modified = entries.filter(isModified).map(\.uid)
      entries.removeAll(where: isModified)
    }
    guard !entries.isEmpty else { return outcome }
    let passing = entries.map(\.uid)
    var shared = change
    shared.unchangedSince = nil
    shared.flags.remove(.seen)
    shared.kept.insert(.seen)
    if change.mode == .replace || !shared.flags.isEmpty || !shared.keywords.isEmpty {
      outcome.modSeq = try changeFlags(shared, of: passing[...], in: ref).modSeq
    }
    if let isSeen = change.seen, let modSeq = try setSeen(isSeen, of: passing, by: viewer, known, in: mailbox, account)
    {
      outcome.modSeq = modSeq
    }
    outcome.firstModSeq = outcome.modSeq
    return outcome
  }

  /// The entries, each with `\Seen` as the viewer sees it.
  fileprivate func seen(
    by viewer: AccountID, _ entries: [MessageEntry], in ref: MailboxRef
  ) throws(StoreError) -> [MessageEntry] {
    guard viewer != ref.account else { return entries }
    let known = try marks(of: viewer, entries.map(\.uid)[...], in: ref)
    return entries.map { SeenMark.apply(known[$0.uid], to: $0) }
  }

  /// All or nothing (RFC 3502 §6.3.11, RFC 8508 §3.4).
  func append(
    _ messages: [AppendedMessage], _ prepared: [PreparedSQLMessage], to target: MailboxRef,
    replacing replaced: ReplacedRef?, as viewer: AccountID
  ) throws(StoreError) -> AssignedUIDs {
    let (account, mailbox) = try self.mailbox(target)
    guard mailbox.state.isSelectable else { throw .notSelectable(mailbox.state.name) }
    var isPaid = false
    if let replaced {
      let (owner, source) = try self.mailbox(replaced.ref)
      let before = owner.counters.bytes
      let gone = try remove([replaced.uid...replaced.uid], from: source, of: owner, onlyDeleted: false)
      guard !gone.isEmpty else { throw .expunged(replaced.uid) }
      if owner === account {
        // Of the quota only what is added on balance is asked for.
        let added = prepared.reduce(0) { $0 + Int64($1.size) } - (before - owner.counters.bytes)
        try checkNet(account, bytes: added, usage: before)
        isPaid = true
      }
    }
    guard viewer != target.account else {
      return try append(messages, prepared, to: mailbox, of: account, ignoringQuota: isPaid)
    }
    var seen: [Int] = []
    var shared = messages
    for index in shared.indices where shared[index].flags.contains(.seen) {
      seen.append(index)
      shared[index].flags.remove(.seen)
    }
    let assigned = try append(shared, prepared, to: mailbox, of: account, ignoringQuota: isPaid)
    _ = try setSeen(true, of: seen.map { assigned.assigned[$0] }, by: viewer, [:], in: mailbox, account)
    return assigned
  }

  func transfer(
    _ uids: ArraySlice<UID>, from ref: MailboxRef, to target: MailboxRef, moving: Bool, _ scope: FlagScope,
    as viewer: AccountID
  ) throws(StoreError) -> AssignedUIDs {
    let (owner, source) = try self.mailbox(ref)
    let (account, mailbox) = try self.mailbox(target)
    guard mailbox.state.isSelectable else { throw .notSelectable(mailbox.state.name) }
    try freeSpace.take(Int64(uids.count) * Self.rowOctets)
    var result = AssignedUIDs(
      destination: target.mailbox, uidValidity: mailbox.state.uidValidity, assigned: [])
    var keywords = KeywordMap()
    let chunks = ContentChunks(db)
    for start in stride(from: uids.startIndex, to: uids.endIndex, by: Self.rowsAtOnce) {
      let wanted = uids[start..<min(start + Self.rowsAtOnce, uids.endIndex)]
      let entries = try seen(by: viewer, try entries(wanted, of: source, owner), in: ref)
      let rows = try rows(entries, in: ref)
      guard !rows.isEmpty else { continue }
      // Within an account a MOVE adds nothing.
      if !(moving && owner === account) {
        try charge(account, bytes: rows.reduce(0) { $0 + $1.message.size }, messages: Int64(rows.count))
      }
      var copies: [NewMessage] = []
      copies.reserveCapacity(rows.count)
      var seenCopies: [Int] = []
      var instance = takeInstances(rows.count, account)
      for row in rows {
        var message = row.message
        message.flags.formIntersection(scope.flags)
        if viewer != target.account, message.flags.remove(.seen) != nil { seenCopies.append(copies.count) }
        message.keywords =
          scope.keywords ? try map(message.keywords, &keywords, from: source, to: mailbox, of: account) : 0
        message.instance = instance
        instance += 1
        message.uidl = nil
        message.retrieved = nil
        if owner !== account { message.content = try copyContent(message.content, from: owner, chunks, to: account) }
        copies.append(message)
        result.source.append(row.uid)
      }
      if owner === account { try addReferences(toContents: copies.lazy.map(\.content), of: account) }
      let assigned = try insert(copies, into: mailbox, of: account)
      _ = try setSeen(true, of: seenCopies.map { assigned[$0] }, by: viewer, [:], in: mailbox, account)
      result.assigned += assigned
      if moving {
        // The bytes stay for those who have not heard of it, and for undelete.
        try remove(
          UIDRuns.consecutive(rows.lazy.map(\.uid)), from: source, of: owner, onlyDeleted: false)
        // What the removal gave back was not charged.
        if owner === account {
          account.counters.bytes += rows.reduce(0) { $0 + $1.message.size }
          account.counters.messages += Int64(rows.count)
        }
      }
    }
    return result
  }

  /// A content of one account in another: its own number and thread, the same blob. `chunks`: of the owner's contents.
  private func copyContent(
    _ content: Int64, from owner: AccountBox, _ chunks: ContentChunks, to account: AccountBox
  ) throws(StoreError) -> Int64 {
    touch(account)
    let key = ContentKey.key(owner.id, content)
    let read = try db("SELECT blob, headers, chunk FROM content WHERE key = ?")
    read.bind(1, key)
    guard var found = try read.first({ (blob: $0.int(0), headers: $0.buffer(1), chunk: $0.optionalInt(2)) }) else {
      throw .corrupt(what: "content \(content) of account \(owner.id) is missing; run 'merpati check --repair'")
    }
    if let chunk = found.chunk {
      guard try chunks.find(key, in: chunk, .all) else {
        throw .corrupt(
          what: "chunk \(chunk) of the contents of account \(owner.id) is damaged; run 'merpati check --repair'")
      }
      found.headers = chunks.buffer(.headers)
    }
    let new = account.counters.nextContent
    guard new < StoreLimits.contentsPerAccount else {
      throw .database(message: "account \(account.id) has no more content numbers")
    }
    account.counters.nextContent += 1
    let identifiers = ContentColumns.identifiers(ofHeaders: found.headers)
    let thread = try ContentRow.thread(of: identifiers, content: new, account: account.id, db)
    try ContentRow.copy(
      key, to: ContentKey.key(account.id, new), thread: thread, from: found.chunk == nil ? nil : chunks, db)
    try sealContents(of: account)
    let blob = try db("UPDATE blob SET refs = refs + 1 WHERE id = ?")
    blob.bind(1, found.blob)
    try blob.run()
    return new
  }
}

extension FlagChange {
  /// What becomes of `\Seen`; nil: it stays.
  var seen: Bool? {
    switch mode {
    case .add: flags.contains(.seen) ? true : nil
    case .remove: flags.contains(.seen) ? false : nil
    case .replace: kept.contains(.seen) ? nil : flags.contains(.seen)
    }
  }
}
