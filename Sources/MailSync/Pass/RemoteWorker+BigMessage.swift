import IMAPCore
import LocalMail
import NIOCore

extension RemoteWorker {
  /// A big message, piece by piece into a file that the next run goes on with: it asks only for what is missing.
  func fetchBig(
    _ index: Int, of survey: MailboxSurvey, _ lander: Lander, _ twins: inout Twins?, _ fetched: inout Fetched
  ) async throws {
    let row = survey.rows[index]
    guard let validity = survey.mailbox.uidValidity else { return }
    var partial = PartialMessage(
      mailbox: survey.mailbox.id, uidValidity: validity, uid: row.uid, size: row.size, durable: 0)
    if let known = try await job.state.partial(mailbox: survey.mailbox.id, uidValidity: validity, uid: row.uid),
      known.size == row.size
    {
      partial = known
    }
    let file = PartialFile(partial, state: job.state)
    do {
      partial.durable = try await file.open(keeping: partial.durable)
      let isRight = try await fill(file, &partial, of: survey.mailbox, &fetched)
      if isRight {
        let staged = try await job.local.stage(
          file: file.path, flags: row.remote, date: row.date?.seconds, in: lander.place)
        if let base = twins?.take(staged.fingerprint) {
          await job.local.discard([staged], in: lander.place)
          fetched.adopted.append((index, base))
        } else {
          fetched.landed += try await lander.finish([(index, row)], [staged])
        }
      } else {
        try await fetchWhole(index, of: survey, lander, &fetched)
      }
      job.progress.did(1, bytes: 0, in: survey.mailbox.remote)
    } catch let error as SyncError {
      fetched.failures.append(error.sentence)
      if case .messageGone = error {} else { return }
    } catch where error.isRefusal {
      fetched.failures.append(error.sentence)
      return
    } catch {
      throw Interrupted(fetched: fetched, cause: error)
    }
    try await job.state.forget(partial)
    await file.remove()
  }

  /// False when the server's RFC822.SIZE is not the number of octets that it sends.
  private func fill(
    _ file: PartialFile, _ partial: inout PartialMessage, of mailbox: KnownMailbox, _ fetched: inout Fetched
  ) async throws -> Bool {
    let remote = try await open(mailbox)
    while partial.durable < partial.size {
      let wanted = Int(min(Int64(job.settings.piece), partial.size - partial.durable))
      guard let bytes = try await remote.piece(partial.uid, BodySection(), offset: partial.durable, count: wanted) else {
        throw SyncError.messageGone(mailbox: mailbox.remote, uid: partial.uid)
      }
      guard bytes.readableBytes <= wanted else { return false }
      try await file.append(bytes, at: partial.durable)
      partial.durable += Int64(bytes.readableBytes)
      fetched.octets += Int64(bytes.readableBytes)
      try await job.state.save(partial)
      job.progress.did(0, bytes: Int64(bytes.readableBytes), in: mailbox.remote)
      if bytes.readableBytes < wanted { return false }
    }
    // There must be nothing behind the end either.
    let rest = try await remote.piece(partial.uid, BodySection(), offset: partial.size, count: 1)
    return rest.map { $0.readableBytes == 0 } ?? true
  }

  /// For servers whose sizes are estimates: the literal of the whole message says how long it is.
  private func fetchWhole(
    _ index: Int, of survey: MailboxSurvey, _ lander: Lander, _ fetched: inout Fetched
  ) async throws {
    let row = survey.rows[index]
    var body: ByteBuffer?
    try await open(survey.mailbox).bodies([[row.uid]], window: 1) { _, bytes in body = bytes }
    guard let body else { throw SyncError.messageGone(mailbox: survey.mailbox.remote, uid: row.uid) }
    fetched.octets += Int64(body.readableBytes)
    fetched.landed += try await lander.finish(lander.stage([.init(index: index, row: row, bytes: body)]))
  }
}
