import IMAPCore
import LocalMail
import MailNet
import Synchronization
import Testing

@testable import MailSync

@Suite("Big messages")
struct BigMessageTests {
  static let big = mail(1, lines: 4000)

  static func world() throws -> World {
    let world = try World()
    world.settings.bigMessage = 1000
    world.settings.piece = 4096
    world.server.deliver(big)
    world.server.deliver(mail(2))
    return world
  }

  @Test("A message that was cut off at any piece is fetched from there on: every octet travels once")
  func resumed() async throws {
    let probe = try Self.world()
    let steps = Faults()
    try await probe.sync(steps)
    let total = steps.count
    #expect(try probe.localContents().count(Self.big) == 1)
    for at in stride(from: 1, through: total, by: 3) {
      for kind in [Faults.Kind.crash, .cut] {
        let world = try Self.world()
        _ = try? await world.sync(Faults(at: at, kind))
        try await world.sync()
        try world.expectSame("step \(at)")
        let octets = world.server.withState { $0.bodyOctets }
        // At most the piece on the way is asked for again, and the small message.
        #expect(octets <= Self.big.utf8.count + 2 * mail(2).utf8.count + world.settings.piece, "step \(at)")
        #expect(Files.list("\(world.stateFolder)/merpati-partial").isEmpty)
        #expect(Files.list("\(world.root)/tmp").isEmpty, "step \(at)")
      }
    }
  }

  @Test("At 90 % only the rest travels")
  func ninety() async throws {
    let world = try Self.world()
    let pieces = Self.big.utf8.count / world.settings.piece
    let probe = Faults(at: Int.max)
    let engine = try world.engine(probe)
    let before = try await world.stepsUntil(octets: Self.big.utf8.count * 9 / 10, engine, probe)
    engine.close()
    #expect(before >= Self.big.utf8.count * 9 / 10 && pieces > 10)
    try world.expectNothingHalf()
    try await world.sync()
    let rest = world.server.withState { $0.bodyOctets } - before
    #expect(rest <= Self.big.utf8.count - before + world.settings.piece + mail(2).utf8.count)
    try world.expectSame()
  }

  @Test("A size that the server only estimated does not keep a message", arguments: [Int64(-300), 300])
  func wrongSize(error: Int64) async throws {
    let world = try Self.world()
    world.server.withState { $0.sizeError = error }
    let report = try await world.sync()
    #expect(report.total.downloaded == 2, "\(report.total.reasons)")
    #expect(try world.localContents().count(Self.big) == 1)
    #expect(Files.list("\(world.stateFolder)/merpati-partial").isEmpty)
  }

  @Test("What was begun and then deleted on the server is tidied away")
  func vanished() async throws {
    let world = try Self.world()
    let probe = Faults(at: Int.max)
    let engine = try world.engine(probe)
    _ = try await world.stepsUntil(octets: 20_000, engine, probe)
    engine.close()
    #expect(Files.list("\(world.stateFolder)/merpati-partial").count == 1)
    world.server.expunge("INBOX", [1])
    try await world.sync()
    #expect(Files.list("\(world.stateFolder)/merpati-partial").isEmpty)
    try world.expectSame()
  }
}

extension World {
  /// Runs a pass that is cut as soon as the server has sent so many octets. Returns how many it sent.
  func stepsUntil(octets: Int, _ engine: SyncEngine, _ faults: Faults) async throws -> Int {
    faults.condition.withLock { $0 = { [server] in server.withState { $0.bodyOctets } >= octets } }
    _ = try? await engine.run()
    return server.withState { $0.bodyOctets }
  }

  /// No file of half a message is in a folder.
  func expectNothingHalf() throws {
    for entry in try entries() { #expect(try text(entry, in: ["INBOX"]) != "" && entry.size < 1000) }
  }
}
