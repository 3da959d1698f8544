import IMAPCore
import LocalMail

extension RemoteWorker {
  /// Gone on the server: the files go to the quarantine, recorded first.
  func deleteLocally(_ survey: inout MailboxSurvey, _ rows: [Int]) async throws {
    let day = CalendarDay.text(job.now())
    let place = LocalPlace.folder(survey.mailbox.local)
    var files: [LocalMessage] = []
    var records: [QuarantinedMessage] = []
    for index in rows {
      guard let base = survey.rows[index].base, let file = survey.local[base] else { continue }
      files.append(file)
      records.append(record(survey, survey.rows[index], file: file, day: day))
    }
    try await job.state.record(records)
    let moved = try await job.local.move(files, from: place, to: .quarantine(day: day))
    // A base that was taken there: the same file name was deleted in another folder on this day.
    let renamed = records.filter { (moved[$0.base]?.base ?? $0.base) != $0.base }
    let corrected = renamed.map { record in
      var record = record
      record.base = moved[record.base]?.base ?? record.base
      return record
    }
    try await job.state.record(corrected, replacing: renamed)
    var removed: [Int64] = []
    for index in rows {
      // A file that was not there to be moved is gone by another's hand: nothing is left to do either way.
      removed.append(survey.rows[index].id)
      survey.drop(index)
    }
    try await job.state.save(MessageChanges(removed: removed), in: survey.mailbox.id, "deleted locally")
    survey.report.deletedLocally += moved.count
    survey.report.quarantined += moved.count
  }

  private func record(
    _ survey: MailboxSurvey, _ row: KnownMessage, file: LocalMessage, day: String
  ) -> QuarantinedMessage {
    QuarantinedMessage(
      folder: survey.mailbox.local, day: day, base: file.base, origin: file.base, flags: file.flags, size: row.size,
      fingerprint: row.fingerprint, uidValidity: survey.mailbox.uidValidity, uid: row.uid, at: job.now())
  }

  /// Deleted here: a copy goes to the quarantine, then the message is expunged.
  func deleteRemotely(_ survey: inout MailboxSurvey, _ rows: [Int]) async throws {
    var rows = try await stillGone(survey, rows)
    if rows.isEmpty { return }
    rows = try await unchanged(&survey, rows)
    if job.settings.quarantinesRemoteDeletions { rows = try await secure(&survey, rows) }
    for start in stride(from: 0, to: rows.count, by: SyncLimits.setElements) {
      let slice = rows[start..<min(start + SyncLimits.setElements, rows.count)]
      do { try await open(survey.mailbox).expunge(slice.map { survey.rows[$0].uid }.sorted()) } catch
        where error.isRefusal
      {
        survey.report.fail(error.sentence, count: slice.count)
        continue
      }
      let removed = slice.map { survey.rows[$0].id }
      for index in slice { survey.drop(index) }
      try await job.state.save(MessageChanges(removed: removed), in: survey.mailbox.id, "deleted remotely")
      survey.report.deletedRemotely += slice.count
    }
  }

  /// A second look: a file that was renamed during the first one may have been missed.
  private func stillGone(_ survey: MailboxSurvey, _ rows: [Int]) async throws -> [Int] {
    guard survey.presence != .localGone else { return rows }
    let bases = Set(try await job.local.scan(.folder(survey.mailbox.local)).map(\.base))
    return rows.filter { index in survey.rows[index].base.map { !bases.contains($0) } ?? false }
  }

  /// Those whose flags are still what was seen. What another client has touched since is kept: the next pass decides.
  private func unchanged(_ survey: inout MailboxSurvey, _ rows: [Int]) async throws -> [Int] {
    let remote = try await open(survey.mailbox)
    var now: [UInt32: SyncFlags] = [:]
    for set in MessageSet.batches(sorted: rows.map { survey.rows[$0].uid }.sorted()) {
      for message in try await remote.messages(set, .flags, changedSince: nil) { now[message.uid] = message.flags }
    }
    var result: [Int] = []
    for index in rows {
      let row = survey.rows[index]
      // Gone on its own: the next pass hears of it.
      guard let flags = now[row.uid] else { continue }
      if flags.system.subtracting(.deleted) == row.remote.system.subtracting(.deleted),
        flags.keywords == row.remote.keywords
      {
        result.append(index)
      }
    }
    return result
  }

  /// Fetches into the quarantine what is not there yet. Only what is safe is returned.
  private func secure(_ survey: inout MailboxSurvey, _ rows: [Int]) async throws -> [Int] {
    guard let validity = survey.mailbox.uidValidity else { return [] }
    var safe = try await inQuarantine(survey.mailbox.local, validity)
    let missing = rows.filter { !safe.contains(survey.rows[$0].uid) }
    if !missing.isEmpty {
      let fetched: Fetched
      do {
        fetched = try await fetch(missing, of: survey, into: .quarantine(day: CalendarDay.text(job.now())))
      } catch let error as Interrupted {
        throw error.cause
      }
      safe.formUnion(fetched.landed.map(\.row.uid))
      survey.report.quarantined += fetched.landed.count
      for failure in fetched.failures { survey.report.fail(failure) }
    }
    return rows.filter { safe.contains(survey.rows[$0].uid) }
  }

  /// UIDs whose copy an earlier run has fetched. Records whose file never landed are forgotten.
  private func inQuarantine(_ folder: [String], _ validity: UInt32) async throws -> Set<UInt32> {
    let records = try await job.state.quarantinedUIDs(folder: folder, uidValidity: validity)
    var files: [String: Set<String>] = [:]
    for day in Set(records.values.map(\.day)) {
      files[day] = Set(try await job.local.scan(.quarantine(day: day)).map(\.base))
    }
    let landed = records.filter { files[$0.value.day]?.contains($0.value.base) ?? false }
    try await job.state.forgetQuarantined(records.filter { landed[$0.key] == nil }.map(\.value.id))
    return Set(landed.keys)
  }
}
