import LocalMail
import MailNet
import POP3Client

/// Fetching what is not at home.
extension PullRun {
  /// Returns why, when the target did not take some messages now.
  func receive(_ session: any POP3Session, _ claims: ClaimTable) async throws -> PullError? {
    var wanted = drop.messages.filter(\.isUnknown).map(\.listing)
    meter.total = meter.done + wanted.count
    meter.bytesTotal = wanted.reduce(meter.bytes) { $0.addingClamping($1.octets) }
    if let step = options.commitEvery, options.policy != .keep {
      // What failed in an earlier session comes last: it must not take the others' place in every one.
      let fresh = wanted.filter { failures[Self.key($0)] == nil }
      wanted = Array((fresh + wanted.filter { failures[Self.key($0)] != nil }).prefix(max(1, step)))
    }
    if wanted.isEmpty { return nil }
    var deferred: PullError?
    let lander = Lander(
      target: pull.target, journal: pull.journal, time: pull.time, keepsTopHash: options.policy != .delete,
      claims: claims, unread: unread)
    let receiver = Receiver(
      wanted, target: pull.target, lander: lander, options: options, account: account,
      absorb: { [self] results in
        var now = 0
        for result in results {
          guard let why = absorb(result) else { continue }
          deferred = why
          now += 1
        }
        // The target takes nothing now: what else would be fetched would only be fetched again.
        if let deferred, now == results.count { throw deferred }
      })
    do {
      try await session.retrieve(wanted, window: options.window) { retrieval in
        switch retrieval {
        case .whole(let number, let bytes):
          markRetrieved(number)
          try await receiver.whole(number, bytes)
        case .begin(let number):
          markRetrieved(number)
          try await receiver.begin(number)
        case .piece(let bytes): try await receiver.piece(bytes)
        case .end(let number): try await receiver.end(number)
        case .refused(let number, let error): refuse(number, error)
        }
      }
      try await receiver.finish()
    } catch {
      await receiver.dropOpen()
      // The line is cut, not the target: what came whole need not come again.
      if error is ClientError { try await receiver.finish() } else { try? await receiver.settle() }
      throw error
    }
    return deferred
  }

  private func markRetrieved(_ number: Int) {
    if let index = drop.index(ofNumber: number) { drop.messages[index].isRetrieved = true }
  }

  private func refuse(_ number: Int, _ error: ClientError) {
    guard let index = drop.index(ofNumber: number) else { return }
    drop.messages[index].standing = .failed
    fail(drop.messages[index].listing, .retrieve, error.description)
  }

  /// Returns why, when the target did not take it now.
  private func absorb(_ result: Lander.Result) -> PullError? {
    guard let index = drop.index(ofNumber: result.number) else { return nil }
    let listing = drop.messages[index].listing
    var deferred: PullError?
    switch result.fate {
    case .landed(let id):
      drop.messages[index].standing = .home(id)
      drop.messages[index].landedAt = pull.time.now()
      failures[Self.key(listing)] = nil
      countLanded(id, octets: result.octets)
    case .home(let id, let landedAt):
      drop.messages[index].standing = .home(id)
      drop.messages[index].landedAt = landedAt
      drop.unexplained[id] = nil
      failures[Self.key(listing)] = nil
      if !landedEntries.contains(id), claimedEntries.insert(id).inserted { report.alreadyThere += 1 }
    case .doubtful(let id, let reason):
      drop.messages[index].standing = .doubtful(id)
      drop.unexplained[id] = nil
      fail(listing, .deliver, reason)
    case .failed(let reason, let isTemporary):
      drop.messages[index].standing = .failed
      fail(listing, .deliver, reason)
      if isTemporary { deferred = PullError(.targetUnavailable(pull.target.name, reason), account: account) }
    }
    meter.advance(messages: 1, octets: result.octets)
    return deferred
  }
}
