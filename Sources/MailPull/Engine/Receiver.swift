import MailNet
import NIOCore
import POP3Client

/// Gathers what RETR brings into batches and hands each full one to the lander, which works on it while the next comes in.
/// Used by one task.
final class Receiver {
  private struct Open {
    var listing: POP3Listing
    var stream: any PullStream
    var probe = MessageProbe()
    var octets: Int64 = 0
  }

  private let target: any PullTarget
  private let lander: Lander
  private let options: PullOptions
  private let wanted: [Int: POP3Listing]
  private let account: String
  private let absorb: ([Lander.Result]) throws -> Void
  private var items: [Lander.Item] = []
  private var octets = 0
  private var open: Open?
  private var landing: Task<[Lander.Result], any Error>?

  /// - absorb: told what became of each batch, in order; ends the session when it throws.
  init(
    _ messages: [POP3Listing], target: any PullTarget, lander: Lander, options: PullOptions, account: String,
    absorb: @escaping ([Lander.Result]) throws -> Void
  ) {
    wanted = Dictionary(messages.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    self.target = target
    self.lander = lander
    self.options = options
    self.account = account
    self.absorb = absorb
  }

  func whole(_ number: Int, _ bytes: ByteBuffer) async throws {
    let listing = try listing(number)
    var probe = MessageProbe()
    probe.update(bytes)
    items.append(Lander.Item(listing: listing, content: .whole(bytes), probe: probe))
    octets += bytes.readableBytes
    if items.count >= options.batchMessages || octets >= options.batchOctets { try await handOver() }
  }

  func begin(_ number: Int) async throws {
    let listing = try listing(number)
    // What came before it need not wait for it.
    try await handOver()
    open = Open(listing: listing, stream: try await target.openStream(octets: listing.octets))
  }

  func piece(_ bytes: ByteBuffer) async throws {
    guard open != nil else { throw violation("a piece of no message") }
    open?.probe.update(bytes)
    open?.octets += Int64(bytes.readableBytes)
    try await open?.stream.append(bytes)
  }

  func end(_ number: Int) async throws {
    guard let done = open, done.listing.number == number else { throw violation("the end of message \(number)") }
    let fingerprint = try await done.stream.finish()
    open = nil
    items.append(
      Lander.Item(
        listing: done.listing, content: .stream(done.stream, fingerprint, octets: done.octets), probe: done.probe))
    try await handOver()
  }

  /// Lands the rest and waits for it.
  func finish() async throws {
    try await handOver()
    try await settle()
  }

  /// The message being received when the line was cut is of no use.
  func dropOpen() async {
    await open?.stream.discard()
    open = nil
  }

  /// Waits for the batch that is landing. Never leaves it behind: a session that follows would meet it.
  func settle() async throws {
    guard let landing else { return }
    self.landing = nil
    try absorb(try await landing.value)
  }

  private func handOver() async throws {
    if items.isEmpty { return }
    try await settle()
    let batch = items
    items = []
    octets = 0
    landing = Task { [lander] in try await lander.land(batch) }
  }

  private func listing(_ number: Int) throws -> POP3Listing {
    guard let listing = wanted[number] else { throw violation("message \(number), which was not asked for") }
    return listing
  }

  private func violation(_ what: String) -> ClientError { ClientError(.protocolViolation(what), server: account) }
}
