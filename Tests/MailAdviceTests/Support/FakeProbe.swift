import MailClient
import MailNet

@testable import MailAdvice

/// A mailbox made up, and a clock that only its own answers move.
final class FakeProbe: MailboxProbe {
  struct Box {
    var listing: ProbedMailbox
    var messages: [ProbedMessage] = []
    /// The content of a message; nil: it can't be told.
    var content: (ProbedMessage) -> ContentOctets? = { ContentOctets(textOctets: $0.octets) }
    var isRefused = false
  }

  var account = "budi@mail.example.org"
  var source = MeasuredSource.imap
  let throughputMethod = "BODY.PEEK[] of pieces of the largest messages"
  var contentSampleLimit = AdviceLimits.structureSample
  var facts = ServiceFacts(.imap, .offered, capabilities: ["IMAP4REV1"])
  var quotaFacts: [QuotaFacts] = []
  var boxes: [Box] = []

  var elapsed: Duration = .zero
  /// What each NOOP takes, one after another, the last for ever; empty: no line.
  var pings: [Duration] = [.milliseconds(40)]
  var octetsPerSecond = 1_000_000.0
  /// The largest messages hold so much.
  var transferable = Int.max
  private(set) var asked: [(mailbox: String, count: Int)] = []
  private(set) var pieces: [Int] = []
  private(set) var largest: [ProbedLocation] = []
  private(set) var isClosed = false

  func service() async throws -> ServiceFacts { facts }
  func mailboxes() async throws -> [ProbedMailbox] { boxes.map(\.listing) }
  func quotas() async throws -> [QuotaFacts] { quotaFacts }

  private func box(_ mailbox: ProbedMailbox) throws -> Box {
    guard let box = boxes.first(where: { $0.listing.name == mailbox.name }), !box.isRefused else {
      throw ClientError(.refused(command: "EXAMINE", code: nil, text: "no"), server: "mail.example.org:993")
    }
    return box
  }

  func messages(of mailbox: ProbedMailbox, limit: Int, _ take: (ProbedMessage) -> Void) async throws {
    for message in try box(mailbox).messages.suffix(limit) { take(message) }
  }

  func contents(
    of mailbox: ProbedMailbox, _ messages: [ProbedMessage], _ take: (ProbedContent) -> Void
  ) async throws {
    let box = try box(mailbox)
    asked.append((mailbox.name, messages.count))
    for message in messages {
      if let content = box.content(message) { take(ProbedContent(id: message.id, octets: content)) }
    }
  }

  func ping() async throws -> Bool {
    guard let next = pings.first else { return false }
    if pings.count > 1 { pings.removeFirst() }
    elapsed += next
    return true
  }

  func transfer(octets: Int, of largest: [ProbedLocation]) async throws -> Transferred {
    self.largest = largest
    let brought = min(octets, transferable)
    guard brought > 0, !largest.isEmpty else { return .nothing }
    transferable -= brought
    pieces.append(brought)
    elapsed += pings[0] + .nanoseconds(Int64(Double(brought) / octetsPerSecond * 1e9))
    return Transferred(octets: brought, roundTrips: 1)
  }

  func close() async { isClosed = true }

  func measure(now: Int64 = Examples.now, other: ServiceFacts? = nil, bounds: MeasureBounds = MeasureBounds())
    async throws
    -> Measurement
  {
    try await Measurer(self, now: now, clock: { self.elapsed }, bounds: bounds).measure(other: other)
  }
}
