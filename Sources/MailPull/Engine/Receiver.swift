import MailNet
import NIOCore
import POP3Client

/// Gathers what RETR brings into batches and hands each full one to the lander: while one comes in, the one before it is
/// written into files, and the one before that is made durable.
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
  private var staging: Task<Lander.Staged, any Error>?
  /// The oldest first; two at most.
  private var landings: [Task<[Lander.Result], any Error>] = []

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
    do { try await handOver() } catch {
      try? await settle()
      throw error
    }
    try await settle()
  }

  /// The message being received when the line was cut is of no use.
  func dropOpen() async {
    await open?.stream.discard()
    open = nil
  }

  /// Waits for the batches that are landing. Never leaves one behind: a session that follows would meet it.
  func settle() async throws {
    var failure: (any Error)?
    while !landings.isEmpty {
      do { try await absorbFirst() } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  private func absorbFirst() async throws { try absorb(try await landings.removeFirst().value) }

  private func handOver() async throws {
    if items.isEmpty { return }
    // If it fails, so does its landing, which is asked below.
    _ = try? await staging?.value
    while landings.count >= PullLimits.batchesLanding { try await absorbFirst() }
    let batch = items
    items = []
    octets = 0
    let staging = Task { [lander] in try await lander.stage(batch) }
    self.staging = staging
    landings.append(
      Task { [lander, before = landings.last] in
        let staged = try await staging.value
        do { _ = try await before?.value } catch {
          await lander.discard(staged)
          throw error
        }
        return try await lander.land(staged)
      })
  }

  private func listing(_ number: Int) throws -> POP3Listing {
    guard let listing = wanted[number] else { throw violation("message \(number), which was not asked for") }
    return listing
  }

  private func violation(_ what: String) -> ClientError { ClientError(.protocolViolation(what), server: account) }
}
