import IMAPCore
import LocalMail
import MailTestKit
import Testing

@testable import MailSync

/// A small world in which everything happens at once.
struct Scenario {
  static func prepare(_ kind: FakeServer.Kind) async throws -> World {
    let world = try World(FakeServer(kind))
    world.settings.brake.allowance = .all
    world.settings.bigMessage = 2000
    world.settings.piece = 1024
    for name in ["A", "B", "Old"] { world.server.create(name) }
    for number in 1...8 { world.server.deliver(mail(number), to: "A") }
    world.server.deliver(nameless(9), to: "A")
    world.server.deliver(mail(20), to: "Old")
    try await world.sync()
    // New on the server, one of them big, one without a name.
    world.server.deliver(mail(30))
    world.server.deliver(mail(31, lines: 200))
    world.server.deliver(nameless(1))
    // New here.
    try await world.deliver(mail(40), .seen)
    try await world.deliver(nameless(2))
    try await world.deliver(mail(41), to: ["Mine"], .flagged)
    // Moved, deleted and changed on each side.
    func uid(_ number: Int) -> UInt32 { world.server.uid(of: mail(number), in: "A") ?? 0 }
    world.server.move("A", uid(1), to: "B")
    try world.move(mail(2), from: ["A"], to: ["B"])
    try world.move(nameless(9), from: ["A"], to: ["B"])
    world.server.expunge("A", [uid(3)])
    try world.remove(mail(4), in: ["A"])
    world.server.setFlags("A", uid(5), .flagged)
    try world.setFlags(mail(5), in: ["A"], .seen)
    try world.setFlags(mail(6), in: ["A"], SyncFlags(.answered, keywords: [KeywordName("work")]))
    world.server.rename("Old", to: "New")
    return world
  }

  static let alive: [String] =
    [1, 2, 5, 6, 7, 8, 20, 30, 40, 41].map { mail($0) } + [mail(31, lines: 200), nameless(1), nameless(2), nameless(9)]
  static let deleted = [mail(3), mail(4)]

  static func check(_ world: World, _ what: Comment) throws {
    try world.expectSame(what)
    let remote = world.remoteContents()
    for text in alive { #expect(remote.count(text) == 1, "\(what): \(text.prefix(24))") }
    for text in deleted { #expect(remote.count(text) == 0, "\(what): \(text.prefix(24))") }
    #expect(remote.messages.count == alive.count, what)
    for path in try world.tree.folders() {
      #expect(Files.list("\(world.folder(path).directory)/tmp").isEmpty, "\(what): left in tmp of \(path)")
    }
  }
}

@Suite("Crashes and cut lines")
struct CrashTests {
  @Test(
    "Killed at any step, the next runs put everything right: nothing lost, nothing doubled",
    arguments: [FakeServer.Kind.full, .bare, .copying])
  func crash(kind: FakeServer.Kind) async throws {
    try await everyStep(kind, .crash)
  }

  @Test(
    "Cut off at any step, the next runs put everything right: nothing lost, nothing doubled",
    arguments: [FakeServer.Kind.full, .plain])
  func cut(kind: FakeServer.Kind) async throws {
    try await everyStep(kind, .cut)
  }

  private func everyStep(_ kind: FakeServer.Kind, _ fault: Faults.Kind) async throws {
    let probe = try await Scenario.prepare(kind)
    let steps = Faults()
    try await probe.sync(steps)
    try await probe.settle()
    try Scenario.check(probe, "without a fault")
    #expect(steps.count > 60)
    // Every step with the full server; with the others every second one, for the time it takes.
    for step in stride(from: 1, through: steps.count, by: kind.hasQResync && kind.hasMove ? 1 : 2) {
      let world = try await Scenario.prepare(kind)
      let faults = Faults(at: step, fault)
      _ = try? await world.sync(faults)
      #expect(faults.happened, "step \(step)")
      try await world.settle()
      try Scenario.check(world, "\(fault) at step \(step) of \(steps.count)")
      // What was deleted is in the quarantine, once.
      let kept = try await world.quarantine().compactMap(\.fingerprint)
      #expect(kept.count >= 2 && Set(kept).count == kept.count, "step \(step)")
    }
  }

  @Test("Killed twice, at random steps", arguments: [UInt64(1), 2, 3, 4, 5, 6])
  func twice(seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<8 {
      let (first, second) = (Int.random(in: 1...120, using: &random), Int.random(in: 1...80, using: &random))
      let world = try await Scenario.prepare(.full)
      _ = try? await world.sync(Faults(at: first))
      _ = try? await world.sync(Faults(at: second))
      try await world.settle()
      try Scenario.check(world, "seed \(seed), steps \(first) and \(second)")
    }
  }

  @Test("A restore that is interrupted is finished by the next one")
  func restore() async throws {
    for step in 1...12 {
      let world = try World()
      for number in 1...4 { world.server.deliver(mail(number)) }
      try await world.sync()
      try world.remove(mail(1))
      world.server.expunge("INBOX", [2])
      try await world.sync()
      let faults = Faults(at: step)
      do {
        let engine = try world.engine(faults)
        _ = try? await engine.quarantine.undo(since: 0)
        engine.close()
      }
      do {
        let engine = try world.engine()
        _ = try await engine.quarantine.undo(since: 0)
        #expect(try await engine.quarantine.list().isEmpty)
        engine.close()
      }
      try await world.settle()
      try world.expectSame("step \(step)")
      #expect(world.remoteContents().messages.count == 4, "step \(step)")
    }
  }
}
