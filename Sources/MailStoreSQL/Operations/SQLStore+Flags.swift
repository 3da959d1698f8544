public import MailStore

extension SQLStore {
  public func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef
  ) async throws(StoreError) -> FlagOutcome {
    let uids = ascending(uids)
    // A STORE need not be atomic, so a long one is done in parts: deliveries of others go between them (design §4).
    var outcome = FlagOutcome(modSeq: 0)
    var start = 0
    repeat {
      let slice = uids[start..<min(start + StoreLimits.rowsPerSlice, uids.count)]
      let part = try await writer.write { transaction throws(StoreError) in
        try transaction.changeFlags(change, of: slice, in: ref)
      }
      if part.modSeq != 0 { outcome.modSeq = part.modSeq }
      outcome.missing += part.missing
      start = slice.endIndex
    } while start < uids.count
    return outcome
  }
}

extension Transaction {
  private struct Masks {
    var flags: UInt8
    var keywords: UInt64
    var mode: FlagChange.Mode

    func apply(_ entry: MessageEntry) -> MessageEntry {
      var entry = entry
      switch mode {
      case .add:
        entry.flags.formUnion(SystemFlags(rawValue: flags))
        entry.keywords |= keywords
      case .remove:
        entry.flags.subtract(SystemFlags(rawValue: flags))
        entry.keywords &= ~keywords
      case .replace:
        entry.flags = SystemFlags(rawValue: flags)
        entry.keywords = keywords
      }
      return entry
    }
  }

  func changeFlags(
    _ change: FlagChange, of uids: ArraySlice<UID>, in ref: MailboxRef
  ) throws(StoreError) -> FlagOutcome {
    let (account, mailbox) = try mailbox(ref)
    let (entries, runs) = try entries(uids, in: ref)
    let missing = entries.count == uids.count ? [] : Self.missing(uids, entries)
    guard !entries.isEmpty else { return FlagOutcome(modSeq: 0, missing: missing) }
    let keywords = try keywordBits(
      change.keywords, in: mailbox, of: account, adding: change.mode != .remove)
    let masks = Masks(flags: change.flags.rawValue, keywords: keywords, mode: change.mode)
    var updated: [MessageEntry] = []
    updated.reserveCapacity(entries.count)
    var unseen: Int64 = 0
    var deleted: Int64 = 0
    for entry in entries {
      let new = masks.apply(entry)
      guard new.flags != entry.flags || new.keywords != entry.keywords else { continue }
      unseen += (entry.flags.contains(.seen) ? 1 : 0) - (new.flags.contains(.seen) ? 1 : 0)
      deleted += (new.flags.contains(.deleted) ? 1 : 0) - (entry.flags.contains(.deleted) ? 1 : 0)
      updated.append(new)
    }
    guard !updated.isEmpty else { return FlagOutcome(modSeq: 0, missing: missing) }
    touch(mailbox, of: account)
    let modSeq = modSeq(account)
    for index in updated.indices { updated[index].modSeq = modSeq }
    let changed = try update(runs, masks, modSeq, ref)
    guard changed == updated.count else {
      throw .corrupt(what: "mailbox \(mailbox.state.id) of account \(account.id): rows and view differ")
    }
    mailbox.state.unseen += unseen
    mailbox.state.deleted += deleted
    let result = updated
    self.change(mailbox, of: account) { $0.updated = result }
    return FlagOutcome(modSeq: modSeq, missing: missing)
  }

  /// Rows that have the flags already are left alone and keep their MODSEQ (RFC 7162 §3.1.2.2 allows it, and clients hear
  /// less). Returns how many were changed.
  private func update(
    _ runs: [ClosedRange<UID>], _ masks: Masks, _ modSeq: ModSeq, _ ref: MailboxRef
  ) throws(StoreError) -> Int {
    let statement =
      switch masks.mode {
      case .add:
        try db(
          """
          UPDATE message SET flags = flags | ?5, keywords = keywords | ?6, modseq = ?7
          WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4
            AND (flags & ?5 <> ?5 OR keywords & ?6 <> ?6)
          """)
      case .remove:
        try db(
          """
          UPDATE message SET flags = flags & ~?5, keywords = keywords & ~?6, modseq = ?7
          WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4
            AND (flags & ?5 <> 0 OR keywords & ?6 <> 0)
          """)
      case .replace:
        try db(
          """
          UPDATE message SET flags = ?5, keywords = ?6, modseq = ?7
          WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4
            AND (flags <> ?5 OR keywords <> ?6)
          """)
      }
    var changed = 0
    for run in runs {
      bind(statement, ref, run.lowerBound, run.upperBound)
      statement.bind(5, Int64(masks.flags))
      statement.bind(6, masks.keywords)
      statement.bind(7, modSeq)
      try statement.run()
      changed += db.changes
    }
    return changed
  }

  static func missing(_ uids: ArraySlice<UID>, _ entries: [MessageEntry]) -> [UID] {
    var missing: [UID] = []
    var index = 0
    for uid in uids {
      while index < entries.count, entries[index].uid < uid { index += 1 }
      if index == entries.count || entries[index].uid != uid { missing.append(uid) }
    }
    return missing
  }
}
