import IMAPCore
import LocalMail
import NIOCore

/// What became of the messages that were to be fetched.
struct Fetched: Sendable {
  var landed: [Lander.Landed] = []
  /// Paired with a file that was here already: row and base.
  var adopted: [(index: Int, base: String)] = []
  var octets: Int64 = 0
  var failures: [String] = []
}

/// New local messages that may be the same as one that is being fetched.
struct Twins: Sendable {
  private var byFingerprint: [Fingerprint: [String]] = [:]
  private var sizes: Set<Int64> = []

  init(_ survey: MailboxSurvey) {
    for base in survey.newLocal.sorted() {
      guard let facts = survey.facts[base] else { continue }
      byFingerprint[facts.fingerprint, default: []].append(base)
      sizes.insert(facts.wireSize)
    }
  }

  mutating func take(_ bytes: ByteBuffer) -> String? {
    guard sizes.contains(Int64(bytes.readableBytes)) else { return nil }
    var stream = FingerprintStream()
    stream.update(bytes)
    return take(stream.finish())
  }

  mutating func take(_ fingerprint: Fingerprint) -> String? { byFingerprint[fingerprint]?.popLast() }
}

extension RemoteWorker {
  /// Fetches messages and lands them. While a batch becomes durable the next one comes over the line.
  /// - rows: indexes of the survey.
  func fetch(_ rows: [Int], of survey: MailboxSurvey, into target: Lander.Target) async throws -> Fetched {
    let remote = try await open(survey.mailbox)
    let lander = Lander(job: job, mailbox: survey.mailbox, target: target)
    var fetched = Fetched()
    var twins = target == .folder ? Twins(survey) : nil
    let ordered = rows.sorted { survey.rows[$0].uid < survey.rows[$1].uid }
    let small = ordered.filter { survey.rows[$0].size <= job.settings.bigMessage }
    let batches = Self.batches(small, survey)
    job.progress.expect(rows.count, bytes: rows.reduce(0) { $0 + survey.rows[$1].size })

    var missing = Dictionary(uniqueKeysWithValues: small.map { (survey.rows[$0].uid, $0) })
    var pipeline = LandingPipeline(lander)
    func receive(_ uid: UInt32, _ bytes: ByteBuffer) async throws {
      guard let index = missing.removeValue(forKey: uid) else { return }
      fetched.octets += Int64(bytes.readableBytes)
      job.progress.did(1, bytes: Int64(bytes.readableBytes), in: survey.mailbox.remote)
      if let base = twins?.take(bytes) {
        fetched.adopted.append((index, base))
      } else {
        try await pipeline.add(.init(index: index, row: survey.rows[index], bytes: bytes))
      }
    }
    do {
      do {
        try await remote.bodies(batches.map { $0.map { survey.rows[$0].uid } }, window: job.settings.window, receive)
      } catch where error.isRefusal {
        // One message that the server cannot give must not keep the others.
        for uid in missing.keys.sorted() {
          do { try await remote.bodies([[uid]], window: 1, receive) } catch where error.isRefusal {
            fetched.failures.append(error.sentence)
            missing[uid] = nil
          }
        }
      }
    } catch {
      // What came so far is not fetched again.
      fetched.landed = (try? await pipeline.finish()) ?? []
      throw Interrupted(fetched: fetched, cause: error)
    }
    fetched.landed = try await pipeline.finish()
    for uid in missing.keys.sorted() {
      fetched.failures.append(SyncError.messageGone(mailbox: survey.mailbox.remote, uid: uid).description)
    }
    for index in ordered where survey.rows[index].size > job.settings.bigMessage {
      try await fetchBig(index, of: survey, lander, &twins, &fetched)
    }
    return fetched
  }

  private static func batches(_ rows: [Int], _ survey: MailboxSurvey) -> [[Int]] {
    var batches: [[Int]] = []
    var octets: Int64 = 0
    for row in rows {
      let size = survey.rows[row].size
      if let last = batches.last, last.count < SyncLimits.batchMessages, octets + size <= SyncLimits.batchOctets {
        batches[batches.count - 1].append(row)
        octets += size
      } else {
        batches.append([row])
        octets = size
      }
    }
    return batches
  }
}

/// A fetch that ended early, with what it brought.
struct Interrupted: Error {
  var fetched: Fetched
  var cause: any Error
}

/// Lands batches one after the other behind the back of the line: one is written into files while the one before it is
/// made durable.
struct LandingPipeline {
  private let lander: Lander
  private var items: [Lander.Item] = []
  private var octets: Int64 = 0
  private var staging: Task<Lander.Staged, any Error>?
  /// The oldest first; two at most.
  private var running: [Task<[Lander.Landed], any Error>] = []
  private var landed: [Lander.Landed] = []

  init(_ lander: Lander) { self.lander = lander }

  mutating func add(_ item: Lander.Item) async throws {
    items.append(item)
    octets += Int64(item.bytes.readableBytes)
    if items.count >= SyncLimits.batchMessages || octets >= SyncLimits.batchOctets { try await start() }
  }

  private mutating func start() async throws {
    guard !items.isEmpty else { return }
    // If it fails, so does its landing, which is asked below.
    _ = try? await staging?.value
    while running.count >= SyncLimits.batchesLanding { landed += try await running.removeFirst().value }
    let batch = items
    items = []
    octets = 0
    let staging = Task { [lander] in try await lander.stage(batch) }
    self.staging = staging
    running.append(
      Task { [lander, before = running.last] in
        let staged = try await staging.value
        do { _ = try await before?.value } catch {
          await lander.discard(staged)
          throw error
        }
        return try await lander.finish(staged)
      })
  }

  /// Everything that landed. Leaves nothing behind that is still at work.
  mutating func finish() async throws -> [Lander.Landed] {
    var failure: (any Error)?
    do { try await start() } catch { failure = error }
    while !running.isEmpty {
      do { landed += try await running.removeFirst().value } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
    return landed
  }
}
