import IMAPCore
import LocalMail
import MailClient
import NIOPosix
import Synchronization
import Testing

@testable import MailSync

/// Between the look at a mailbox and the work on it.
@Suite("A mailbox that is replaced during a run")
struct ReplacedMailboxTests {
  /// Does `change` just before the `number`th SELECT of a run.
  static func faults(beforeSelect number: Int, _ change: @escaping @Sendable () -> Void) -> Faults {
    let faults = Faults()
    let seen = Turn()
    faults.onStep.withLock {
      $0 = { what in
        if what == "SELECT →", seen.next() == number { change() }
      }
    }
    return faults
  }

  @Test(
    "UIDVALIDITY that is made only when the mailbox is selected is learnt within the run",
    arguments: [SyncMode.sync, .mirror, .headers])
  func firstLook(mode: SyncMode) async throws {
    let world = try World(mode: mode)
    let server = world.server
    for number in 1...20 { server.deliver(mail(number)) }
    // As Courier does: another one for the second SELECT than for the first.
    let report = try await world.sync(Self.faults(beforeSelect: 2) { server.renumber("INBOX") })
    #expect(report.isComplete)
    #expect(report.total.downloaded + report.total.adopted == 20)
    #expect(report.total.failed == 0 && report.total.reasons.isEmpty)
    if mode != .headers { try world.expectSame() }
    #expect(try await !world.sync().hasChanges)
  }

  @Test("Replaced again and again, it is left to the next run, and nothing is lost")
  func again() async throws {
    let world = try World()
    let server = world.server
    for number in 1...20 { server.deliver(mail(number)) }
    try await world.sync()
    server.deliver(mail(21))
    let faults = Faults()
    faults.onStep.withLock { $0 = { if $0 == "SELECT →" { server.renumber("INBOX") } } }
    let report = try await world.sync(faults)
    #expect(!report.isComplete)
    #expect(report.total.reasons.contains { $0.contains("replaced on the server") })
    #expect(try world.entries().count >= 20)
    try await world.settle()
    try world.expectSame()
    #expect(world.server.messages().count == 21)
  }

  @Test("The brake holds in the second pass too", arguments: [SyncMode.sync, .mirror])
  func brake(mode: SyncMode) async throws {
    let world = try World(mode: mode)
    let server = world.server
    for number in 1...20 { server.deliver(mail(number)) }
    try await world.sync()
    server.deliver(mail(21))
    // The mailbox is deleted and made anew, empty, while the run is at work on it.
    let report = try await world.sync(
      Self.faults(beforeSelect: 2) {
        server.delete("INBOX")
        server.create("INBOX")
      })
    #expect(try world.entries().count == 20)
    if mode == .mirror { #expect(report.total.deletedLocally == 0) }
    // In sync mode what the server lost is sent to it again, as after any new UIDVALIDITY.
    if mode == .sync { #expect(server.messages().count >= 20) }
  }

  @Test("A reader of events hears of one beginning and one end")
  func events() async throws {
    let world = try World()
    let server = world.server
    server.deliver(mail(1))
    let kinds = Mutex<[String]>([])
    let faults = Self.faults(beforeSelect: 2) { server.renumber("INBOX") }
    let real = MaildirLocal(tree: world.tree, settings: LandingSettings(), threads: .singleton)
    let engine = try SyncEngine(
      account: "budi", stateFolder: world.stateFolder, settings: world.settings, local: real,
      connect: { FakeRemote(server, faults) }, report: { event in kinds.withLock { $0.append("\(event.event)") } })
    defer { engine.close() }
    #expect(try await engine.run().isComplete)
    #expect(kinds.withLock { $0.filter { $0 == "started" }.count } == 1)
    #expect(kinds.withLock { $0.filter { $0 == "finished" }.count } == 1)
    #expect(kinds.withLock { !$0.contains("failed") && !$0.contains("warning") })
  }
}

private final class Turn: Sendable {
  private let count = Atomic(0)
  func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
}
