import IMAPClient
import LocalMail
import MailClient
import Synchronization

/// One pass over an account.
///
/// 1. The mark of the root. 2. Folders of both sides. 3. Every mailbox is looked at on both sides, several at once.
/// 4. Moves are recognised across mailboxes. 5. The brake. 6. Files follow messages that the server moved. 7. The new view of
/// the server is saved. 8. Messages that the owner moved are moved on the server. 9. Each mailbox is brought to agreement,
/// several at once. 10. Folders that are gone.
///
/// A run may end anywhere: what 3 to 9 had not journalled is found again by the next pass.
struct SyncPass: Sendable {
  let job: SyncJob
  let workers: [RemoteWorker]
  /// Another one may follow at once, or this is the one that does.
  var mayGoOn = false
  var isSecond = false

  func run() async throws -> SyncReport {
    let before = await octets()
    if job.settings.mode != .headers { try await RootMark.check(job.local, job.state, account: job.account) }
    if !isSecond { job.progress.say(.started) }
    // A daemon's connections have been away from their mailboxes.
    for worker in workers { await worker.expire() }
    // While the server is reached, what is here is read. What changes here later is found by the next pass.
    async let settled = settledFolders()
    let folders = try await workers[0].guarding { try await workers[0].arrangeFolders() }
    var report = folders.report
    let open = try await unsettled(folders.mailboxes, settled, &report)
    var surveys = try await survey(open, &report)
    if job.settings.mode == .headers {
      surveys = try await replicate(surveys)
    } else {
      surveys = try await reconcile(surveys, &report)
    }
    report.mailboxes += surveys.map(\.report)
    report.mailboxes.sort { $0.mailbox < $1.mailbox }
    try await PartialFile.tidy(job.state)
    report.octetsReceived = await octets() - before
    if mayGoOn, !job.replaced.isEmpty { return report }
    for brake in report.brakes { job.progress.say(.warning, brake.description) }
    job.progress.say(.finished)
    return report
  }

  private func octets() async -> Int64 {
    var sum: Int64 = 0
    for worker in workers { sum += await worker.octetsReceived }
    return sum
  }

  private func survey(_ items: [PassMailbox], _ report: inout SyncReport) async throws -> [MailboxSurvey] {
    let wantsMessageIDs = try await job.state.hasMessages()
    // Mailboxes whose STATUS is the known one need no connection.
    let busy = items.count { item in
      item.presence != .remoteGone
        && (item.status?.highestModSeq == nil || item.status?.highestModSeq != item.mailbox.highestModSeq)
    }
    let results = try await each(items, connections: busy) { worker, item in
      try await worker.guarding { try await worker.survey(item, wantsMessageIDs: wantsMessageIDs) }
    }
    var surveys: [MailboxSurvey] = []
    for (item, result) in zip(items, results) {
      switch result {
      case .success(let survey): surveys.append(survey)
      case .failure(let error):
        var failed = MailboxReport(mailbox: item.mailbox.remote)
        failed.fail(error.sentence)
        report.mailboxes.append(failed)
      }
    }
    return surveys
  }

  private func reconcile(_ found: [MailboxSurvey], _ report: inout SyncReport) async throws -> [MailboxSurvey] {
    let canMove = try await workers[0].traits.canMove
    let found = try await identify(found)
    var matcher = MoveMatcher(found, mode: job.settings.mode, canMoveRemotely: canMove)
    matcher.run()
    var state = Reconciliation(matcher, job: job)
    state.brake()
    try await state.renameFiles()
    var created = Set<Int>()
    for index in state.free {
      state.plan(index)
      guard state.surveys[index].presence == .localGone, !state.plans[index].downloads.isEmpty else { continue }
      do { try await job.local.createFolder(state.surveys[index].mailbox.local) } catch let error as LocalMailError {
        state.surveys[index].report.fail("\(error)")
        state.plans[index] = MailboxPlan()
        continue
      }
      created.insert(index)
    }
    for index in state.free { try await state.saveView(index) }
    try await state.moveRemotely(workers[0])
    for worker in workers { await worker.expire() }

    let open = state.free.filter { !state.plans[$0].isEmpty }
    let (surveys, plans) = (state.surveys, state.plans)
    let results = try await each(open, connections: open.count { plans[$0].needsServer }) { worker, index in
      await worker.execute(surveys[index], plans[index])
    }
    for (index, result) in zip(open, results) {
      switch result {
      case .success(let survey): state.surveys[index] = survey
      case .failure(let error): state.surveys[index].report.fail(error.sentence)
      }
    }
    for index in state.free where state.surveys[index].report.failed == 0 {
      let (survey, isCreated, sofar) = (state.surveys[index], created.contains(index), report)
      report = try await workers[0].guarding {
        try await workers[0].finish(survey, createdFolder: isCreated, sofar)
      }
    }
    try await settle(state.free.map { (state.surveys[$0], plans[$0]) })
    try await Quarantine(state: job.state, local: job.local).purge(days: job.settings.quarantineDays, now: job.now())
    return state.surveys
  }

  /// Runs `body` for each input, on as many connections as there is work for. A connection that can't be had leaves the work
  /// to the others; when none is left, the rest fails with the reason.
  func each<Input: Sendable, Output: Sendable>(
    _ inputs: [Input], connections: Int, _ body: @escaping @Sendable (RemoteWorker, Input) async throws -> Output
  ) async throws -> [Result<Output, any Error>] {
    let queue = WorkQueue(count: inputs.count)
    let used = workers.prefix(max(1, min(connections, workers.count)))
    let done = await withTaskGroup(of: [(Int, Result<Output, any Error>)].self) { group in
      for (number, worker) in used.enumerated() {
        group.addTask {
          if number > 0 {
            do { _ = try await worker.traits } catch { return [] }
          }
          var results: [(Int, Result<Output, any Error>)] = []
          while !Task.isCancelled, let index = queue.next() {
            do { results.append((index, .success(try await body(worker, inputs[index])))) } catch {
              results.append((index, .failure(error)))
              // Without a connection every other mailbox would wait for the same failure.
              if error.isUnreachable { queue.stop(error) }
            }
          }
          return results
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    try Task.checkCancellation()
    var results = [Result<Output, any Error>?](repeating: nil, count: inputs.count)
    for (index, result) in done { results[index] = result }
    return results.map { $0 ?? .failure(queue.reason ?? CancellationError()) }
  }
}

/// Numbers from 0 on, each given out once.
private final class WorkQueue: Sendable {
  private let state: Mutex<(next: Int, reason: (any Error)?)>
  private let count: Int

  init(count: Int) {
    self.count = count
    state = Mutex((0, nil))
  }

  func next() -> Int? {
    state.withLock {
      guard $0.next < count, $0.reason == nil else { return nil }
      $0.next += 1
      return $0.next - 1
    }
  }

  func stop(_ reason: any Error) { state.withLock { $0.reason = $0.reason ?? reason } }
  var reason: (any Error)? { state.withLock { $0.reason } }
}
