public import MailStore

extension SQLStore {
  public func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef
  ) async throws(StoreError) -> FlagOutcome {
    try await inParts(uids) { slice throws(StoreError) in
      let isShort = slice.count <= StoreLimits.flagChunk
      return try await writer.write(isShort: isShort) { transaction throws(StoreError) in
        try transaction.changeFlags(change, of: slice, in: ref)
      }
    }
  }

  /// A STORE need not be atomic, so a long one is done in parts: deliveries of others go between them (design §4).
  func inParts(
    _ uids: [UID], _ change: (ArraySlice<UID>) async throws(StoreError) -> FlagOutcome
  ) async throws(StoreError) -> FlagOutcome {
    let uids = ascending(uids)
    var outcome = FlagOutcome(modSeq: 0)
    var start = 0
    repeat {
      let slice = uids[start..<min(start + StoreLimits.rowsPerSlice, uids.count)]
      let part = try await change(slice)
      if part.modSeq != 0 {
        if outcome.modSeq == 0 { outcome.firstModSeq = part.modSeq }
        outcome.modSeq = part.modSeq
      }
      outcome.missing += part.missing
      outcome.modified += part.modified
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
    /// What `replace` leaves as it is.
    var kept: UInt8 = 0
    var keptKeywords: UInt64 = 0

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
        entry.flags = SystemFlags(rawValue: flags | (entry.flags.rawValue & kept))
        entry.keywords = keywords | (entry.keywords & keptKeywords)
      }
      return entry
    }
  }

  func changeFlags(
    _ change: FlagChange, of uids: ArraySlice<UID>, in ref: MailboxRef
  ) throws(StoreError) -> FlagOutcome {
    let (account, mailbox) = try mailbox(ref)
    var (sealed, loose) = try split(uids, at: seal(of: mailbox, account))
    if loose.count >= settings.flagChunks.least {
      try makeChunks(mailbox, account, least: settings.flagChunks.least)
      (sealed, loose) = try split(uids, at: seal(of: mailbox, account))
    }
    var work = FlagWork(change)
    try changeSealed(sealed, &work, mailbox, account)
    try changeLoose(loose, &work, mailbox, account)
    // Few ask for messages that are not there: then it is looked up which.
    let missing = work.found == uids.count ? [] : Self.missing(uids, try entries(uids, of: mailbox, account))
    guard let modSeq = work.modSeq else {
      return FlagOutcome(modSeq: 0, missing: missing, modified: work.modified)
    }
    mailbox.state.unseen += work.unseen
    mailbox.state.deleted += work.deleted
    self.change(mailbox, of: account) { $0.updated = work.updated }
    return FlagOutcome(modSeq: modSeq, missing: missing, modified: work.modified)
  }

  /// What one STORE has found and done so far.
  private struct FlagWork {
    let change: FlagChange
    /// Messages with a higher MODSEQ are left alone.
    let limit: ModSeq
    var modified: [UID] = []
    /// Made at the first message that is meant: a STORE on none gives no keyword a bit.
    var masks: Masks?
    /// Nil until a message changes.
    var modSeq: ModSeq?
    var found = 0
    var updated: [MessageEntry] = []
    var unseen: Int64 = 0
    var deleted: Int64 = 0
    init(_ change: FlagChange) {
      self.change = change
      limit = change.unchangedSince ?? .max
    }

    mutating func count(_ entry: MessageEntry, becomes new: MessageEntry) {
      unseen += (entry.flags.contains(.seen) ? 1 : 0) - (new.flags.contains(.seen) ? 1 : 0)
      deleted += (new.flags.contains(.deleted) ? 1 : 0) - (entry.flags.contains(.deleted) ? 1 : 0)
      updated.append(new)
    }
  }

  private func masks(
    _ work: inout FlagWork, _ mailbox: MailboxBox, _ account: AccountBox
  ) throws(StoreError) -> Masks {
    if let masks = work.masks { return masks }
    let keywords = try keywordBits(work.change.keywords, in: mailbox, of: account, adding: work.change.mode != .remove)
    var masks = Masks(flags: work.change.flags.rawValue, keywords: keywords, mode: work.change.mode)
    if masks.mode == .replace {
      masks.kept = work.change.kept.rawValue
      masks.flags &= ~masks.kept
      masks.keptKeywords = work.change.keepsKeywords ? .max : 0
    }
    work.masks = masks
    return masks
  }

  /// The MODSEQ of the change, at the first message that changes.
  private func modSeq(_ work: inout FlagWork, _ mailbox: MailboxBox, _ account: AccountBox) -> ModSeq {
    if let modSeq = work.modSeq { return modSeq }
    touch(mailbox, of: account)
    let modSeq = modSeq(account)
    work.modSeq = modSeq
    return modSeq
  }

  /// Messages that have the flags already are left alone and keep their MODSEQ (RFC 7162 §3.1.2.2 allows it, and clients
  /// hear less).
  private func changeSealed(
    _ uids: ArraySlice<UID>, _ work: inout FlagWork, _ mailbox: MailboxBox, _ account: AccountBox
  ) throws(StoreError) {
    guard !uids.isEmpty else { return }
    work.updated.reserveCapacity(uids.count)
    try editChunks(UIDRuns.consecutive(uids), of: mailbox, account) { entries, runs throws(StoreError) in
      var places: [Range<Int>] = []
      Self.select(entries, runs) { places.append($0) }
      guard !places.isEmpty else { return false }
      for range in places { work.found += range.count }
      if work.limit != .max {
        let limit = work.limit
        var passing: [Range<Int>] = []
        for index in places.joined() {
          if entries[index].modSeq > limit {
            work.modified.append(entries[index].uid)
          } else {
            passing.append(index..<index + 1)
          }
        }
        places = passing
        guard !places.isEmpty else { return false }
      }
      let masks = try masks(&work, mailbox, account)
      let before = work.updated.count
      for range in places {
        for index in range {
          let entry = entries[index]
          var new = masks.apply(entry)
          guard new.flags != entry.flags || new.keywords != entry.keywords else { continue }
          new.modSeq = modSeq(&work, mailbox, account)
          work.count(entry, becomes: new)
          entries[index] = new
        }
      }
      return work.updated.count > before
    }
  }

  private func changeLoose(
    _ uids: ArraySlice<UID>, _ work: inout FlagWork, _ mailbox: MailboxBox, _ account: AccountBox
  ) throws(StoreError) {
    guard !uids.isEmpty else { return }
    let ref = account.ref(mailbox)
    var (entries, runs) = try entries(uids, in: ref)
    work.found += entries.count
    if work.limit != .max {
      let limit = work.limit
      work.modified += entries.filter { $0.modSeq > limit }.map(\.uid)
      entries.removeAll { $0.modSeq > limit }
      runs = UIDRuns.consecutive(entries.map(\.uid)[...])
    }
    guard !entries.isEmpty else { return }
    let masks = try masks(&work, mailbox, account)
    let before = work.updated.count
    for entry in entries {
      var new = masks.apply(entry)
      guard new.flags != entry.flags || new.keywords != entry.keywords else { continue }
      new.modSeq = modSeq(&work, mailbox, account)
      work.count(entry, becomes: new)
    }
    guard work.updated.count > before, let modSeq = work.modSeq else { return }
    let changed = try update(runs, masks, modSeq, ref)
    guard changed == work.updated.count - before else {
      throw .corrupt(what: "mailbox \(mailbox.state.id) of account \(account.id): rows and view differ")
    }
  }

  /// Rows above the seal. Returns how many were changed.
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
          UPDATE message SET flags = ?5 | (flags & ?8), keywords = ?6 | (keywords & ?9), modseq = ?7
          WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4
            AND (flags <> ?5 | (flags & ?8) OR keywords <> ?6 | (keywords & ?9))
          """)
      }
    var changed = 0
    for run in runs {
      bind(statement, ref, run.lowerBound, run.upperBound)
      statement.bind(5, Int64(masks.flags))
      statement.bind(6, masks.keywords)
      statement.bind(7, modSeq)
      if masks.mode == .replace {
        statement.bind(8, Int64(masks.kept))
        statement.bind(9, masks.keptKeywords)
      }
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
