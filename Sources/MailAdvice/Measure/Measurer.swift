public import MailClient
import MailNet

/// Takes the measure of a mailbox, without changing anything in it.
///
/// Sizes and dates of all messages (within `AdviceLimits`), the structure of a sample, the line by a few NOOPs and two
/// MiB at most.
public struct Measurer {
  let probe: any MailboxProbe
  /// Seconds since 1970.
  let now: Int64
  let clock: () -> Duration
  let bounds: MeasureBounds
  let report: JobReporter?

  public init(_ probe: any MailboxProbe, now: Int64, report: JobReporter? = nil) {
    let start = ContinuousClock.now
    self.init(probe, now: now, clock: { ContinuousClock.now - start }, report: report)
  }

  init(
    _ probe: any MailboxProbe, now: Int64, clock: @escaping () -> Duration, bounds: MeasureBounds = MeasureBounds(),
    report: JobReporter? = nil
  ) {
    self.probe = probe
    self.now = now
    self.clock = clock
    self.bounds = bounds
    self.report = report
  }

  /// - other: what is known of the protocol that the probe does not speak.
  public func measure(other: ServiceFacts?) async throws -> Measurement {
    var notes = Notes()
    let service = try await probe.service()
    let quotas = try await probe.quotas()
    let (census, skipped) = try await list(&notes)
    let sums = CensusSums(census)
    let shares = try await sample(census, sums, &notes)
    let line = try await LineMeter(probe: probe, clock: clock).measure(census.largest(AdviceLimits.throughputMessages))
    if sums.undated > 0, !census.entries.isEmpty {
      notes.add(
        "\(Human.count(sums.undated)) messages have no usable date: they count in full, but not for the growth.")
    }
    for remark in probe.remarks { notes.add(remark) }
    return summary(
      census, sums, shares, skipped: skipped,
      Surroundings(service: service, other: other, quotas: quotas, line: line), notes)
  }

  // MARK: Messages

  private func list(_ notes: inout Notes) async throws -> (Census, skipped: [ProbedMailbox]) {
    var census = Census(now: now)
    let found = try await probe.mailboxes()
    for view in found where view.isView {
      notes.add("\(Human.name(view.name)) shows messages of other mailboxes and is not counted.")
    }
    let mailboxes = found.filter { !$0.isView }.sorted {
      ($0.isInbox ? 1 : 0, $0.weight) > ($1.isInbox ? 1 : 0, $1.weight)
    }
    var skipped: [ProbedMailbox] = []
    for (index, mailbox) in mailboxes.enumerated() {
      let left = min(bounds.messagesPerMailbox, bounds.messages - census.entries.count)
      guard index < bounds.mailboxes, left > 0 else {
        skipped.append(mailbox)
        continue
      }
      if mailbox.messages == 0 {
        census.begin(mailbox)
        continue
      }
      report?(
        JobEvent(.progress, account: probe.account, mailbox: mailbox.name, done: index, total: mailboxes.count))
      do {
        let before = census.entries.count
        census.begin(mailbox)
        // A server may send more than it was asked for.
        try await probe.messages(of: mailbox, limit: left) { message in
          if census.entries.count - before < left { census.add(message) }
        }
        let listed = census.entries.count - before
        if let messages = mailbox.messages, messages > left {
          census.markCut()
          notes.add(
            "Of \(Human.name(mailbox.name)) the newest \(Human.count(listed)) of \(Human.count(messages)) messages were "
              + "listed.")
        }
      } catch let error as ClientError {
        guard case .refused = error.kind else { throw error }
        census.undo()
        notes.add("\(Human.name(mailbox.name)) can't be read and counts by what the server says of it.")
        skipped.append(mailbox)
      }
    }
    if skipped.count(where: { $0.messages != 0 }) > 0 {
      notes.add("\(Human.count(skipped.count)) mailboxes were not read message by message.")
    }
    return (census, skipped)
  }

  /// What a stratified sample of messages consists of.
  private func sample(_ census: Census, _ sums: CensusSums, _ notes: inout Notes) async throws -> ContentShares {
    var shares = ContentShares()
    let limit = min(probe.contentSampleLimit, bounds.structureSample)
    let picked = StratifiedSample.pick(census.entries.map(\.octets), sums: sums.all, limit: limit)
    var start = 0
    while start < picked.count {
      // Entries stand mailbox by mailbox.
      let mailbox = census.entries[picked[start]].mailbox
      let end = picked[start...].firstIndex { census.entries[$0].mailbox != mailbox } ?? picked.count
      let locations = picked[start..<end].map(census.location)
      let sizes = Dictionary(
        locations.map { ($0.message.id, $0.message.octets) }, uniquingKeysWith: { first, _ in first })
      do {
        try await probe.contents(of: locations[0].mailbox, locations.map(\.message)) { content in
          if let size = sizes[content.id] { shares.add(content.octets, size: size) }
        }
      } catch let error as ClientError {
        guard case .refused = error.kind else { throw error }
        notes.add("The server would not tell what the messages in \(Human.name(locations[0].mailbox.name)) consist of.")
      }
      start = end
    }
    if shares.sampled < census.entries.count, shares.sampled > 0 {
      notes.add(
        "What messages consist of was looked up for \(Human.count(shares.sampled)) of "
          + "\(Human.count(census.entries.count)), chosen by size; the others are taken to be alike.")
    }
    return shares
  }
}

/// How much a measurement reads; `AdviceLimits` unless a test wants less.
struct MeasureBounds {
  var mailboxes = AdviceLimits.mailboxes
  var messagesPerMailbox = AdviceLimits.messagesPerMailbox
  var messages = AdviceLimits.messages
  var structureSample = AdviceLimits.structureSample

  init() {}
}

/// Sentences for the report, each once, not without end.
struct Notes {
  private(set) var sentences: [String] = []
  mutating func add(_ sentence: String) {
    if sentences.count < AdviceLimits.notes, !sentences.contains(sentence) { sentences.append(sentence) }
  }
}

extension ProbedMailbox {
  /// For the order of reading: octets where told, else messages.
  var weight: Int64 { octets ?? Int64(messages ?? 0) }
}
