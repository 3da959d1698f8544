import IMAPCore

/// A pass between looking and acting: what was found in all mailboxes, and what is planned for each.
struct Reconciliation: Sendable {
  private let job: SyncJob
  var surveys: [MailboxSurvey]
  var plans: [MailboxPlan]
  private var renames: [MoveMatcher.LocalRename]
  private var moves: [MoveMatcher.RemoteMove]
  /// Mailboxes that the brake holds.
  private var held: Set<Int> = []

  init(_ matcher: MoveMatcher, job: SyncJob) {
    self.job = job
    surveys = matcher.surveys
    plans = Array(repeating: MailboxPlan(), count: surveys.count)
    renames = matcher.renames
    moves = matcher.moves
  }

  /// Mailboxes that may be changed.
  var free: [Int] { surveys.indices.filter { !held.contains($0) } }

  mutating func brake() {
    for index in surveys.indices {
      var trial = surveys[index]
      let plan = trial.plan(mode: job.settings.mode, movedRows: movedRows(index), reserved: reserved(index))
      let report = Brake.check(
        surveys[index], deletesLocally: plan.deletesLocally.count, deletesRemotely: plan.deletesRemotely.count,
        settings: job.settings.brake)
      guard let report else { continue }
      held.insert(index)
      // Nothing else is reported of a mailbox in which nothing was done.
      surveys[index].report = MailboxReport(mailbox: surveys[index].mailbox.remote)
      surveys[index].report.brake = report
    }
  }

  private func movedRows(_ index: Int) -> Set<Int> {
    var rows = Set(moves.filter { $0.from == index }.map(\.row))
    for rename in renames {
      if rename.source == index { rows.insert(rename.sourceRow) }
      if rename.to == index { rows.insert(rename.row) }
    }
    return rows
  }

  private func reserved(_ index: Int) -> Set<String> {
    Set(moves.filter { $0.to == index }.map(\.base) + renames.filter { $0.from == index }.map(\.message.base))
  }

  /// Files go where the server has moved their messages. Before the view is saved: after a crash the next pass finds the
  /// files there and pairs them.
  mutating func renameFiles() async throws {
    let possible = renames.filter { held.isDisjoint(with: [$0.from, $0.to, $0.source]) }
    renames.removeAll { held.isDisjoint(with: [$0.from, $0.to, $0.source]) }
    for group in Dictionary(grouping: possible, by: { [$0.from, $0.to] }).values.sorted(by: { $0[0].row < $1[0].row }) {
      let (from, to) = (group[0].from, group[0].to)
      let moved = try await job.local.move(
        group.map(\.message), from: .folder(surveys[from].mailbox.local), to: .folder(surveys[to].mailbox.local))
      for rename in group {
        // Gone in the meantime: the message is fetched, and its old row forgotten by the next pass.
        guard let file = moved[rename.message.base] else { continue }
        let row = surveys[rename.source].rows[rename.sourceRow]
        surveys[from].local[rename.message.base] = nil
        surveys[from].newLocal.remove(rename.message.base)
        surveys[rename.source].drop(rename.sourceRow)
        surveys[to].local[file.base] = file
        surveys[to].pair(rename.row, with: file.base, agreed: row.agreed, fingerprint: row.fingerprint)
        surveys[to].rows[rename.row].withheld = row.withheld
        surveys[to].report.movedLocally += 1
      }
    }
  }

  mutating func plan(_ index: Int) {
    plans[index] = surveys[index].plan(
      mode: job.settings.mode, movedRows: movedRows(index), reserved: reserved(index))
    // A UID without meaning must not be stored: its file is a new one from now on.
    for row in surveys[index].rows.indices where surveys[index].rows[row].isVoid { surveys[index].drop(row) }
  }

  mutating func saveView(_ index: Int) async throws {
    let survey = surveys[index]
    guard survey.presence != .remoteGone || !survey.changes.isEmpty else { return }
    let order = survey.dirty.sorted()
    let ids = try await job.state.saveView(survey.mailbox, survey.changes, renumbering: survey.isRenumbered)
    for (row, id) in zip(order, ids) { surveys[index].rows[row].id = id }
    surveys[index].dirty = []
    surveys[index].settledAppends = []
  }

  /// Messages go where the owner has moved their files.
  mutating func moveRemotely(_ worker: RemoteWorker) async throws {
    let possible = moves.filter { held.isDisjoint(with: [$0.from, $0.to]) }
    for group in Dictionary(grouping: possible, by: { [$0.from, $0.to] }).values.sorted(by: { $0[0].row < $1[0].row }) {
      let (from, to) = (group[0].from, group[0].to)
      let uids = group.map { surveys[from].rows[$0.row].uid }.sorted()
      let (source, target) = (surveys[from].mailbox, surveys[to].mailbox)
      // A move may be COPY and EXPUNGE, and end between the two; or tell no new UIDs.
      try await job.state.intend(intents(group), in: target.id)
      let result: RemoteWorker.MoveResult
      do { result = try await worker.move(uids, from: source, to: target.remote) } catch {
        surveys[from].report.fail(error.sentence)
        continue
      }
      var (moved, rest): ([MoveMatcher.RemoteMove], [MoveMatcher.RemoteMove]) = ([], [])
      for move in group {
        if result.moved.contains(surveys[from].rows[move.row].uid) { moved.append(move) } else { rest.append(move) }
      }
      if let refusal = result.refusal, !rest.isEmpty { goTheLongWay(rest, refusal) }
      if !moved.isEmpty { try await record(moved, result.uids) }
    }
  }

  private func intents(_ group: [MoveMatcher.RemoteMove]) -> [AppendIntent] {
    group.compactMap { move in
      let row = surveys[move.from].rows[move.row]
      guard let fingerprint = row.fingerprint else { return nil }
      return AppendIntent(
        base: move.base, fingerprint: fingerprint, size: row.size, messageID: row.messageID, flags: row.remote,
        firstUID: surveys[move.to].mailbox.uidNext ?? 1)
    }
  }

  private mutating func record(_ group: [MoveMatcher.RemoteMove], _ uids: [UInt32: UInt32]) async throws {
    let (from, to) = (group[0].from, group[0].to)
    var added: [KnownMessage] = []
    for move in group {
      var row = surveys[from].rows[move.row]
      // Where the server does not tell the new UID, the next pass finds the message on both sides.
      guard let uid = uids[row.uid] else { continue }
      row.id = 0
      row.uid = uid
      row.base = move.base
      row.modSeq = 0
      added.append(row)
    }
    let removed = group.map { surveys[from].rows[$0.row].id }
    let ids = try await job.state.saveMove(
      removing: removed, adding: added, settling: added.compactMap(\.base), to: surveys[to].mailbox.id)
    for move in group { surveys[from].drop(move.row) }
    surveys[to].report.movedRemotely += group.count
    let oneWay = job.settings.mode == .mirror || surveys[to].isReadOnly
    for (row, id) in zip(added, ids) {
      var row = row
      row.id = id
      guard let base = row.base, let file = surveys[to].local[base] else { continue }
      surveys[to].newLocal.remove(base)
      surveys[to].rows.append(row)
      let flags = MergeRules.flags(row, local: file.flags, mailbox: surveys[to].mailbox, oneWay: oneWay)
      if flags.toLocal != nil || flags.changesRemote {
        plans[to].flags.append(.init(row: surveys[to].rows.count - 1, flags: flags))
      }
    }
  }

  /// The server will not move them: sent anew, and deleted where they were.
  private mutating func goTheLongWay(_ group: [MoveMatcher.RemoteMove], _ refusal: String) {
    for move in group {
      plans[move.to].uploads.append(move.base)
      plans[move.from].deletesRemotely.append(move.row)
    }
    surveys[group[0].from].report.note(refusal)
  }
}
