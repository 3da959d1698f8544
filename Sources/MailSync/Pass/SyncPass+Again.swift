import Synchronization

/// Mailboxes whose UIDVALIDITY was another one when they were worked on than when they were looked at.
final class ReplacedMailboxes: Sendable {
  private let names = Mutex(Set<String>())
  var isEmpty: Bool { names.withLock { $0.isEmpty } }
  func note(_ name: String) { names.withLock { _ = $0.insert(name) } }
  func clear() { names.withLock { $0 = [] } }
}

extension SyncPass {
  /// A pass, and another one where a mailbox was replaced on the server during the first: the new UIDVALIDITY is learnt and
  /// its messages are found again by their contents, as between two runs, under the same brake. Some servers (Courier) make
  /// UIDVALIDITY only when a mailbox is first selected. Replaced once more, it is left to the next run.
  static func complete(job: SyncJob, workers: [RemoteWorker]) async throws -> SyncReport {
    job.replaced.clear()
    let first: SyncReport
    do {
      first = try await SyncPass(job: job, workers: workers, mayGoOn: true).run()
      if job.replaced.isEmpty { return first }
    } catch SyncError.mailboxChanged {
      first = SyncReport()
    }
    job.replaced.clear()
    var report = try await SyncPass(job: job, workers: workers, isSecond: true).run()
    report.follow(first)
    return report
  }
}

extension SyncReport {
  /// This is of a pass that came right after `first`: what that one did counts too, what it could not do was tried again.
  mutating func follow(_ first: SyncReport) {
    for earlier in first.mailboxes {
      var done = earlier
      (done.failed, done.reasons, done.brake, done.onlyLocal) = (0, [], nil, 0)
      if let index = mailboxes.firstIndex(where: { $0.mailbox == earlier.mailbox }) {
        mailboxes[index].add(done)
      } else {
        mailboxes.append(done)
      }
    }
    mailboxes.sort { $0.mailbox < $1.mailbox }
    foldersCreatedLocally = first.foldersCreatedLocally + foldersCreatedLocally
    foldersCreatedRemotely = first.foldersCreatedRemotely + foldersCreatedRemotely
    foldersRenamedLocally = first.foldersRenamedLocally + foldersRenamedLocally
    foldersRenamedRemotely = first.foldersRenamedRemotely + foldersRenamedRemotely
    foldersDeletedLocally = first.foldersDeletedLocally + foldersDeletedLocally
    foldersDeletedRemotely = first.foldersDeletedRemotely + foldersDeletedRemotely
    subscriptionsChanged += first.subscriptionsChanged
    octetsReceived += first.octetsReceived
  }
}
