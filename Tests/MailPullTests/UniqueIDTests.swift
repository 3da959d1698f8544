import MailTestKit
import POP3Client
import Testing

@testable import MailPull

@Suite(.timeLimit(.minutes(1)))
struct UniqueIDTests {
  private func message(_ uidl: String?, _ number: Int, body: String? = nil) -> FakeServer.Message {
    FakeServer.Message(uidl: uidl, bytes: FakeServer.mail(number, body: body))
  }

  @Test func `Two messages under one unique-id both come home`() async throws {
    let bench = PullBench([message("x", 1), message("x", 2), message("y", 3)])
    let report = try await bench.run(.with(.keep))
    #expect(report.landed == 3)
    bench.server.set { $0.retrieved = [] }
    let second = try await bench.run(.with(.keep))
    #expect((second.landed, second.alreadyThere) == (0, 3))
    // Their first lines tell.
    #expect(bench.server.now.retrieved.isEmpty)
    #expect(bench.server.now.topped == 2)
  }

  @Test func `A server that renumbers costs a look at the first lines, no second copy`() async throws {
    let bench = PullBench(FakeServer.twelve())
    try await bench.run(.with(.keep))
    bench.server.set { state in
      state.retrieved = []
      for index in state.messages.indices { state.messages[index].uidl = "new-\(index)" }
    }
    let report = try await bench.run(.with(.keep))
    #expect((report.landed, report.alreadyThere, report.kept) == (0, 12, 12))
    #expect((bench.server.now.topped, bench.server.now.retrieved.count) == (12, 0))
    // From now on the new ones are known.
    #expect(try await bench.run(.with(.keep)).alreadyThere == 12)
    #expect(bench.server.now.topped == 12)
    // DELE wants more than first lines: all bytes are compared before.
    #expect(try await bench.run(.with(.delete)).deleted == 12)
    #expect(bench.server.now.retrieved.count == 12)
    #expect(bench.home.now.messages.count == 12)
  }

  @Test func `Where TOP is missing, whole messages are compared`() async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.capabilities.top = false }
    try await bench.run(.with(.keep))
    bench.server.set { state in
      state.retrieved = []
      for index in state.messages.indices { state.messages[index].uidl = "new-\(index)" }
    }
    let report = try await bench.run(.with(.keep))
    #expect((report.landed, report.alreadyThere) == (0, 12))
    #expect(bench.server.now.retrieved.count == 12)
  }

  @Test func `A unique-id that now stands for another message is not believed`() async throws {
    let bench = PullBench([message("1x", 1), message("2x", 2), message("3x", 3)])
    try await bench.run(.with(.keep))
    // Somebody else deleted the first; this server numbers by place.
    bench.server.set {
      $0.messages = [message("1x", 2), message("2x", 3), message("3x", 4, body: "Longer than the others.")]
    }
    let report = try await bench.run(.with(.delete))
    #expect((report.landed, report.alreadyThere, report.deleted) == (1, 2, 3))
    #expect(bench.home.now.messages.count == 4)
    #expect(report.warnings.count == 1)
  }

  @Test func `A message whose first lines and size are those of another is not deleted, and comes home`() async throws {
    let start = String(repeating: "The same.\r\n", count: PullLimits.topLines + 5)
    let old = message("a", 1, body: start + "One end.")
    let new = message("b", 1, body: start + "Two end.")
    let bench = PullBench([old, message("z", 2)])
    try await bench.run(.with(.keepDays(30)))
    // The old one goes, its twin comes under another unique-id.
    bench.server.set { $0.messages = [new, message("zz", 2)] }
    let report = try await bench.run(.with(.keepDays(30)))
    #expect(report.alreadyThere == 2)
    bench.clock.advance(31 * 86_400)
    // Now they are to go; all bytes are compared, and one is another message.
    let second = try await bench.run(.with(.keepDays(30)))
    #expect(second.deleted == 1)
    #expect(bench.server.bodies == [new.bytes])
    #expect(try await bench.run(.with(.delete)).landed == 1)
    #expect(bench.home.texts == [old.bytes, new.bytes, message(nil, 2).bytes].sorted())
    #expect(bench.server.bodies.isEmpty)
  }

  @Test func `A unique-id that comes back with another message brings that message home`() async throws {
    // The same size, so that only the content tells.
    let bench = PullBench([message("1", 1), message("q", 2)])
    try await bench.run()
    #expect(bench.server.bodies.isEmpty)
    bench.server.add([message("1", 3), message("q", 4)])
    let report = try await bench.run()
    #expect((report.landed, report.deleted) == (2, 2))
    #expect(bench.home.now.messages.count == 4)
  }

  @Test func `A deleted message that is there again is not brought home again`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let before = bench.server.now.messages
    try await bench.run()
    bench.server.set { $0.messages = before }
    let report = try await bench.run()
    #expect((report.landed, report.alreadyThere, report.deleted) == (0, 12, 12))
    #expect(bench.home.now.messages.count == 12)
  }

  @Test func `Equal messages under unique-ids of their own are two`() async throws {
    let bench = PullBench([message("a", 1), message("b", 1)])
    #expect(try await bench.run().landed == 2)
  }

  @Test func `Messages without unique-ids are known by content, each once`() async throws {
    let bench = PullBench(FakeServer.twelve(uidl: false))
    try await bench.run(.with(.keep))
    bench.server.set { $0.retrieved = [] }
    bench.server.add([message(nil, 4), message(nil, 13)])
    let report = try await bench.run(.with(.keep))
    // Text 4 is there three times now, two of them at home.
    #expect((report.landed, report.alreadyThere) == (2, 12))
    #expect(bench.home.now.messages.count == 14)
  }

  @Test func `Matching by unique-id of a large drop takes one look at each`() {
    let lines = (1...10_000).map {
      JournalLine(id: Int64($0), uidl: "u\($0)", octets: 10, state: .landed, landedAt: 0, isBoundByTop: false)
    }
    let listing = (1...10_000).map { POP3Listing(number: $0, octets: 10, uidl: "u\($0)") }
    let drop = DropMatching.match(listing, lines)
    #expect(drop.unexplained.isEmpty)
    #expect(drop.messages.allSatisfy { $0.entry == Int64($0.listing.number) })
  }
}
