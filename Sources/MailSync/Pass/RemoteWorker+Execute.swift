import IMAPClient
import IMAPCore
import LocalMail

extension RemoteWorker {
  /// Does what the plan of a mailbox says. Order: flags, downloads (so that what is new on both sides is recognised),
  /// uploads, deletions. Each step is journalled by itself; an error ends the mailbox and stands in its report.
  func execute(_ survey: MailboxSurvey, _ plan: MailboxPlan) async -> MailboxSurvey {
    var survey = survey
    do {
      try await guarding {
        // What the server refuses of one kind must not keep the rest.
        do { try await setFlags(&survey, plan.flags) } catch  where error.isRefusal {
          survey.report.fail(error.sentence)
        }
        if !plan.downloads.isEmpty { try await download(&survey, plan.downloads) }
        do {
          if !plan.uploads.isEmpty { try await upload(&survey, plan.uploads.filter { survey.newLocal.contains($0) }) }
        } catch  where error.isRefusal { survey.report.fail(error.sentence) }
        if !plan.deletesLocally.isEmpty { try await deleteLocally(&survey, plan.deletesLocally) }
        if !plan.deletesRemotely.isEmpty { try await deleteRemotely(&survey, plan.deletesRemotely) }
      }
    } catch {
      survey.report.fail((error as? Interrupted)?.cause.sentence ?? error.sentence)
    }
    return survey
  }

  private func download(_ survey: inout MailboxSurvey, _ rows: [Int]) async throws {
    do {
      let fetched = try await fetch(rows, of: survey, into: .folder)
      try await take(fetched, &survey)
    } catch let error as Interrupted {
      try await take(error.fetched, &survey)
      throw error.cause
    }
  }

  private func take(_ fetched: Fetched, _ survey: inout MailboxSurvey) async throws {
    for landed in fetched.landed {
      survey.rows[landed.index] = landed.row
      survey.local[landed.file.base] = landed.file
    }
    survey.report.downloaded += fetched.landed.count
    survey.report.downloadedOctets += fetched.octets
    for failure in fetched.failures { survey.report.fail(failure) }
    if fetched.adopted.isEmpty { return }
    for (index, base) in fetched.adopted {
      let facts = survey.facts[base]
      survey.pair(index, with: base, agreed: nil, fingerprint: facts?.fingerprint)
      survey.rows[index].messageID = survey.rows[index].messageID ?? facts?.messageID
    }
    survey.report.adopted += fetched.adopted.count
    let changes = MessageChanges(saved: fetched.adopted.map { survey.rows[$0.index] })
    try await job.state.save(changes, in: survey.mailbox.id, "adopt")
    // Their flags are merged now, as of any pair.
    let oneWay = job.settings.mode == .mirror || survey.isReadOnly
    let work = fetched.adopted.compactMap { index, base in
      survey.local[base].map {
        MailboxPlan.FlagWork(
          row: index,
          flags: MergeRules.flags(survey.rows[index], local: $0.flags, mailbox: survey.mailbox, oneWay: oneWay))
      }
    }
    try await setFlags(&survey, work)
  }

  // MARK: Flags

  func setFlags(_ survey: inout MailboxSurvey, _ work: [MailboxPlan.FlagWork]) async throws {
    for start in stride(from: 0, to: work.count, by: SyncLimits.flagBatch) {
      try await setFlagBatch(&survey, Array(work[start..<min(start + SyncLimits.flagBatch, work.count)]))
    }
  }

  private func setFlagBatch(_ survey: inout MailboxSurvey, _ work: [MailboxPlan.FlagWork]) async throws {
    var done: [(row: Int, flags: MergeRules.Flags)] = []
    var changes: [(LocalMessage, SyncFlags)] = []
    for item in work {
      guard let base = survey.rows[item.row].base, let file = survey.local[base] else { continue }
      if let flags = item.flags.toLocal { changes.append((file, flags)) }
    }
    let kept =
      changes.isEmpty ? [:] : try await job.local.setFlags(changes, in: .folder(survey.mailbox.local))
    for item in work {
      guard let base = survey.rows[item.row].base else { continue }
      var flags = item.flags
      if let wanted = flags.toLocal {
        // Gone in the meantime: the next pass sees to it.
        guard let has = kept[base] else { continue }
        flags.withheld.formUnion(wanted.keywords.subtracting(has.keywords))
        flags.agreed.keywords.subtract(flags.withheld)
        survey.local[base]?.flags = has
        survey.report.flagsToLocal += 1
      }
      done.append((item.row, flags))
    }
    let refused = try await storeFlags(&survey, done)
    done.removeAll { refused.contains(survey.rows[$0.row].uid) }
    for (row, flags) in done {
      if flags.changesRemote { survey.report.flagsToRemote += 1 }
      survey.rows[row].remote = survey.rows[row].remote.subtracting(flags.remove).union(flags.add)
      survey.rows[row].agreed = flags.agreed
      survey.rows[row].withheld = flags.withheld
    }
    try await job.state.save(MessageChanges(saved: done.map { survey.rows[$0.row] }), in: survey.mailbox.id, "flags")
  }

  /// Additions and removals, not whole lists: what another client changes at this moment stays. Returns the UIDs of those
  /// that the server refused; they are tried again by the next pass.
  private func storeFlags(
    _ survey: inout MailboxSurvey, _ work: [(row: Int, flags: MergeRules.Flags)]
  ) async throws -> Set<UInt32> {
    var added: [SyncFlags: [UInt32]] = [:]
    var removed: [SyncFlags: [UInt32]] = [:]
    for (row, flags) in work {
      let uid = survey.rows[row].uid
      if !flags.add.isEmpty { added[flags.add, default: []].append(uid) }
      if !flags.remove.isEmpty { removed[flags.remove, default: []].append(uid) }
    }
    var stores: [FlagStore] = []
    for (groups, mode) in [(added, FlagStore.Mode.add), (removed, .remove)] {
      for (flags, uids) in groups.sorted(by: { ($0.value.min() ?? 0) < ($1.value.min() ?? 0) }) {
        for set in MessageSet.batches(sorted: uids.sorted()) {
          stores.append(FlagStore(uids: set, mode: mode, flags: flags.list))
        }
      }
    }
    if stores.isEmpty { return [] }
    do { try await open(survey.mailbox).store(stores) } catch  where error.isRefusal {
      return try await storeOneByOne(stores, &survey)
    }
    return []
  }

  /// Which of them is refused: mostly a keyword too many. The flags beside it are kept all the same.
  private func storeOneByOne(_ stores: [FlagStore], _ survey: inout MailboxSurvey) async throws -> Set<UInt32> {
    let remote = try await open(survey.mailbox)
    var refused: Set<UInt32> = []
    for store in stores {
      do { try await remote.store([store]) } catch  where error.isRefusal {
        let uids = store.uids.resolvedUIDs(last: .max).joined()
        refused.formUnion(uids)
        survey.report.fail(error.sentence, count: uids.count)
        guard !store.flags.system.isEmpty, !store.flags.keywords.isEmpty else { continue }
        var known = store
        known.flags = FlagList(store.flags.system)
        do { try await remote.store([known]) } catch  where error.isRefusal { continue }
      }
    }
    return refused
  }
}
