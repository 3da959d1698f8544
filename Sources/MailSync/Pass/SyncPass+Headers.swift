import IMAPCore
import NIOCore

/// The header replica: no files, but header, structure and flags of every message in the state.
extension SyncPass {
  func replicate(_ found: [MailboxSurvey]) async throws -> [MailboxSurvey] {
    var surveys = found
    var open: [Int] = []
    for index in surveys.indices {
      // What has a file was brought by another mode: that one has still to follow.
      let gone = surveys[index].rows.indices.filter { row in
        let message = surveys[index].rows[row]
        return message.isGone && (message.base == nil || message.isVoid)
      }
      let vanished = gone.count { !surveys[index].rows[$0].isVoid }
      let brake = Brake.check(
        surveys[index], deletesLocally: vanished, deletesRemotely: 0, settings: job.settings.brake)
      if let brake {
        surveys[index].report.brake = brake
        continue
      }
      for row in gone { surveys[index].drop(row) }
      surveys[index].report.flagsToLocal = surveys[index].dirty.count { surveys[index].rows[$0].id != 0 }
      surveys[index].report.deletedLocally = vanished
      let survey = surveys[index]
      if survey.presence == .remoteGone {
        if gone.count == survey.rows.count { try await job.state.forget(mailbox: survey.mailbox.id) }
        continue
      }
      try await job.state.saveView(survey.mailbox, survey.changes, renumbering: survey.isRenumbered)
      open.append(index)
    }
    // What has no header yet: new, or left over from a run that ended early.
    var missing: [Int: [UInt32: Int64]] = [:]
    for index in open {
      let uids = try await job.state.uidsWithoutHeader(surveys[index].mailbox.id)
      if !uids.isEmpty { missing[index] = uids }
    }
    let work = missing.keys.sorted()
    let (mailboxes, wanted) = (surveys.map(\.mailbox), missing)
    let results = try await each(work, connections: work.count) { worker, index in
      try await worker.guarding {
        try await worker.fetchHeaders(wanted[index] ?? [:], in: mailboxes[index])
      }
    }
    for (index, result) in zip(work, results) {
      switch result {
      case .success(let (count, octets)):
        surveys[index].report.downloaded += count
        surveys[index].report.downloadedOctets += octets
      case .failure(let error): surveys[index].report.fail(error.sentence)
      }
    }
    let current = open.filter { surveys[$0].report.failed == 0 && surveys[$0].presence == .both }
    try await job.state.setReplicated(current.map { surveys[$0].mailbox.id }, at: job.now())
    return surveys
  }
}

extension RemoteWorker {
  /// - messages: rows of the state, by UID.
  fileprivate func fetchHeaders(
    _ messages: [UInt32: Int64], in mailbox: KnownMailbox
  ) async throws -> (count: Int, octets: Int64) {
    let remote = try await open(mailbox)
    let uids = messages.keys.sorted()
    let batches = stride(from: 0, to: uids.count, by: SyncLimits.headerBatch).map {
      Array(uids[$0..<min($0 + SyncLimits.headerBatch, uids.count)])
    }
    job.progress.expect(uids.count, bytes: 0)
    var batch = HeaderBatch(state: job.state)
    try await remote.headers(batches, window: job.settings.window) { header in
      guard let row = messages[header.uid] else { return }
      try await batch.add(header, row: row)
      job.progress.did(1, bytes: Int64(header.header.readableBytes), in: mailbox.remote)
    }
    try await batch.flush()
    return (batch.count, batch.octets)
  }
}

/// Headers on their way into the state.
private struct HeaderBatch {
  let state: SyncState
  private var waiting: [StoredHeader] = []
  private(set) var count = 0
  private(set) var octets: Int64 = 0

  init(state: SyncState) { self.state = state }

  mutating func add(_ header: RemoteHeader, row: Int64) async throws {
    let size = header.header.readableBytes
    octets += Int64(size)
    let bytes = header.header.getSlice(at: header.header.readerIndex, length: min(size, SyncLimits.replicaHeader))
    waiting.append(
      StoredHeader(
        message: row, bytes: bytes ?? ByteBuffer(), structure: try header.structure.map(StructureCoding.encode),
        messageID: MessageIDField.read(header.header)))
    if waiting.count >= SyncLimits.headerBatch { try await flush() }
  }

  mutating func flush() async throws {
    if waiting.isEmpty { return }
    try await state.save(waiting)
    count += waiting.count
    waiting = []
  }
}
