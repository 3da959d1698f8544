import LocalMail
import NIOCore
import POP3Client

/// Takes batches as they are received and brings each home: staged, written down as intended, landed, written down as
/// landed. One batch is staged while the one before it lands, beside the task that receives the next.
actor Lander {
  /// A message as it came.
  struct Item: Sendable {
    enum Content: Sendable {
      case whole(ByteBuffer)
      /// Finished.
      case stream(any PullStream, Fingerprint, octets: Int64)
    }
    var listing: POP3Listing
    var content: Content
    var probe: MessageProbe

    var octets: Int64 {
      switch content {
      case .whole(let bytes): Int64(bytes.readableBytes)
      case .stream(_, _, let octets): octets
      }
    }
  }

  struct Result: Sendable {
    enum Fate: Sendable {
      case landed(Int64)
      /// It was there before, under another UIDL or none.
      case home(Int64, landedAt: Int64?)
      case doubtful(Int64, String)
      case failed(String, isTemporary: Bool)
    }
    var number: Int
    var octets: Int64
    var fate: Fate
  }

  private let target: any PullTarget
  private let journal: PullJournal
  private let time: PullTime
  /// The policy leaves mail on the server, so that TOP may have to recognise it one day.
  private let keepsTopHash: Bool
  private var claims: ClaimTable
  private let unread: UnreadBefore

  init(
    target: any PullTarget, journal: PullJournal, time: PullTime, keepsTopHash: Bool, claims: ClaimTable,
    unread: UnreadBefore = .notAsked
  ) {
    self.target = target
    self.journal = journal
    self.time = time
    self.keepsTopHash = keepsTopHash
    self.claims = claims
    self.unread = unread
  }

  /// A batch that the target has and that does not count yet. Holds no bytes.
  struct Staged: Sendable {
    /// Of those that were recognised by their content.
    var results: [Result] = []
    /// Nil: all were.
    fileprivate var batch: (any PullBatch)?
    fileprivate var intents: [JournalIntent] = []
    fileprivate var messages: [(number: Int, octets: Int64)] = []
  }

  /// One batch at a time.
  func stage(_ items: [Item]) async throws -> Staged {
    var staged = Staged()
    let fresh = try await claimed(items, &staged.results)
    if fresh.isEmpty { return staged }
    let batch = try await target.openBatch()
    do {
      let prints = try await batch.add(
        fresh.map { item in
          switch item.content {
          case .whole(let bytes): .whole(bytes)
          case .stream(let stream, _, _): .stream(stream)
          }
        })
      staged.intents = try await intents(fresh, prints, try await batch.plan())
    } catch {
      await batch.discard()
      throw error
    }
    staged.messages = fresh.map { ($0.listing.number, $0.octets) }
    staged.batch = batch
    return staged
  }

  /// One batch at a time, in the order in which they were staged.
  func land(_ staged: Staged) async throws -> [Result] {
    guard let batch = staged.batch else { return staged.results }
    do {
      let ids = try await journal.intend(staged.intents, at: time.now())
      let outcomes = try await land(batch, ids)
      await batch.discard()
      return staged.results
        + outcomes.indices.map { index in
          Result(
            number: staged.messages[index].number, octets: staged.messages[index].octets,
            fate: Self.fate(outcomes[index], id: ids[index]))
        }
    } catch {
      // Drafts only: what has landed is not touched by this.
      await batch.discard()
      throw error
    }
  }

  func discard(_ staged: Staged) async { await staged.batch?.discard() }

  // MARK: Recognised by content

  /// Those of `items` that are not at home yet.
  private func claimed(_ items: [Item], _ results: inout [Result]) async throws -> [Item] {
    if claims.isEmpty { return items }
    var fresh: [Item] = []
    var changes: [JournalChange] = []
    for item in items {
      guard let entry = claims.claim(fingerprint(item), uidl: item.listing.uidl) else {
        fresh.append(item)
        continue
      }
      if case .stream(let stream, _, _) = item.content { await stream.discard() }
      changes.append(.bind(entry.id, uidl: item.listing.uidl, octets: item.listing.octets, byTop: false))
      let isDoubtful = entry.state == .doubtful || entry.state == .intended
      results.append(
        Result(
          number: item.listing.number, octets: item.octets,
          fate: isDoubtful
            ? .doubtful(entry.id, PullRun.doubt(target.name)) : .home(entry.id, landedAt: entry.landedAt)))
    }
    try await journal.write(changes, at: time.now())
    return fresh
  }

  private func fingerprint(_ item: Item) -> Fingerprint {
    switch item.content {
    case .stream(_, let fingerprint, _): fingerprint
    case .whole(let bytes): Fingerprint(of: bytes)
    }
  }

  // MARK: Landing

  private func intents(_ items: [Item], _ prints: [Fingerprint], _ plan: [String]) async throws -> [JournalIntent] {
    guard prints.count == items.count, plan.count == items.count else {
      throw PullError(.target(target.name, "\(plan.count) places for \(items.count) messages"), account: "")
    }
    return items.indices.map { index in
      let messageID = items[index].probe.messageID()
      return JournalIntent(
        uidl: items[index].listing.uidl, octets: items[index].listing.octets, fingerprint: prints[index],
        topHash: keepsTopHash ? items[index].probe.topHash() : nil, messageID: messageID,
        receipt: plan[index], unread: unread.holds(messageID) ? .beforeFetch : nil)
    }
  }

  /// Lands, and writes down what came of it: each at once where the target says each, else all in one transaction.
  private func land(_ batch: any PullBatch, _ ids: [Int64]) async throws -> [PullOutcome] {
    let each = target.traits.acknowledgesEach
    var settled = 0
    do {
      let outcomes = try await batch.land { index, outcome in
        guard each else { return }
        settled = index + 1
        try await self.journal.write([Self.change(outcome, id: ids[index])], at: self.time.now())
      }
      guard outcomes.count == ids.count else {
        throw PullError(.target(target.name, "\(outcomes.count) outcomes for \(ids.count) messages"), account: "")
      }
      if !each {
        try await journal.write(
          outcomes.indices.map { Self.change(outcomes[$0], id: ids[$0]) }, at: time.now())
      }
      return outcomes
    } catch let error as PullUntouched {
      try await journal.write(ids[settled...].map { .forget($0) }, at: time.now())
      throw error.cause
    }
  }

  private static func change(_ outcome: PullOutcome, id: Int64) -> JournalChange {
    switch outcome {
    case .landed(let receipt): .landed(id, receipt: receipt)
    case .refused, .deferred: .forget(id)
    case .unknown: .doubtful(id)
    }
  }

  private static func fate(_ outcome: PullOutcome, id: Int64) -> Result.Fate {
    switch outcome {
    case .landed: .landed(id)
    case .refused(let reason): .failed(reason, isTemporary: false)
    case .deferred(let reason): .failed(reason, isTemporary: true)
    case .unknown(let reason): .doubtful(id, reason)
    }
  }
}
