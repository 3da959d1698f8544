import MailClient
import MailNet
import Synchronization
import Testing

@testable import MailPull

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite(.timeLimit(.minutes(1)))
struct PullTests {
  @Test func `Everything comes home and is then deleted`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let before = bench.server.bodies
    let report = try await bench.run(.with(.delete, batch: 5))
    #expect(bench.home.texts == before)
    #expect(bench.home.now.batches == [5, 5, 2])
    #expect(bench.server.bodies.isEmpty)
    #expect(report.isComplete)
    #expect((report.seen, report.new, report.landed, report.deleted, report.kept) == (12, 12, 12, 12, 0))
    #expect(report.octets == before.reduce(0) { $0 + Int64($1.utf8.count) })
    #expect(report.sessions == 1)
  }

  @Test func `A second run finds nothing to do`() async throws {
    let bench = PullBench(FakeServer.twelve())
    try await bench.run(.with(.keep))
    bench.server.set { $0.retrieved = [] }
    let report = try await bench.run(.with(.keep))
    #expect((report.new, report.alreadyThere, report.landed, report.kept) == (0, 12, 0, 12))
    #expect(bench.server.now.retrieved.isEmpty)
    #expect(bench.server.now.topped == 0)
    #expect(bench.home.now.messages.count == 12)
  }

  @Test func `What the policy kept is deleted once the policy says so, without being fetched again`() async throws {
    let bench = PullBench(FakeServer.twelve())
    try await bench.run(.with(.keep))
    bench.server.set { $0.retrieved = [] }
    let report = try await bench.run(.with(.delete))
    #expect(report.deleted == 12)
    #expect(bench.server.bodies.isEmpty)
    #expect(bench.server.now.retrieved.isEmpty)
  }

  @Test func `A message that RETR refuses stays, and does not hold up the others`() async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.refusesToRetrieve = ["number 5\r\n"] }
    let report = try await bench.run()
    #expect((report.landed, report.deleted, report.failed, report.kept) == (11, 11, 1, 1))
    #expect(report.failures.first?.uidl == "u5")
    #expect(report.failures.first?.step == .retrieve)
    #expect(bench.server.bodies == [FakeServer.mail(5)])
    bench.server.set { $0.refusesToRetrieve = [] }
    #expect(try await bench.run().landed == 1)
    #expect(bench.home.now.messages.count == 12)
  }

  @Test func `A message that the target refuses stays on the server`() async throws {
    for recovers in [true, false] {
      let bench = PullBench(FakeServer.twelve(), recovers: recovers)
      bench.home.set { $0.refuses = ["number 5\r\n"] }
      let report = try await bench.run()
      #expect((report.landed, report.deleted, report.failed) == (11, 11, 1))
      #expect(report.failures.first?.reason == "not this one")
      #expect(bench.server.bodies == [FakeServer.mail(5)])
      #expect(try await bench.lines().isEmpty)
    }
  }

  @Test func `What the target does not take now is tried again in the same run, a bounded number of times`()
    async throws
  {
    let bench = PullBench(FakeServer.twelve())
    bench.home.set { $0.defers = ["number 5\r\n"] }
    let report = try await bench.run()
    #expect((report.landed, report.deleted, report.failed) == (11, 11, 1))
    #expect(report.stopped?.isTemporary == true)
    // The first failure came with progress; five more without.
    #expect(report.sessions == PullLimits.attempts + 1)
    #expect(bench.slept.withLock { $0 } == [1, 2, 4, 8, 16].map { .seconds($0) })
    #expect(bench.server.bodies == [FakeServer.mail(5)])
  }

  @Test func `A target that takes nothing at all is not sent the whole drop again and again`() async throws {
    let bench = PullBench(FakeServer.twelve(), recovers: false)
    bench.home.set { $0.defers = ["Subject"] }
    let report = try await bench.run(.with(.delete, batch: 2))
    #expect(report.stopped?.isTemporary == true)
    #expect(report.landed == 0)
    // Per attempt the batch that was deferred, and those on the way meanwhile.
    #expect(bench.server.now.retrieved.count <= 6 * (PullLimits.attempts + 1))
    #expect(bench.server.bodies.count == 12)
    #expect(try await bench.lines().isEmpty)
  }

  @Test func `A run that is cancelled keeps what came, and lets go of the account`() async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.onRetrieve = { if $0 == 8 { withUnsafeCurrentTask { $0?.cancel() } } } }
    let task = Task { try await bench.run(.with(.delete, batch: 3)) }
    let report = try await task.value
    #expect(report.stopped?.kind == .cancelled)
    bench.server.set { $0.onRetrieve = nil }
    let second = try await bench.run()
    #expect(second.isComplete)
    #expect(report.landed + second.landed == 12)
    #expect(bench.home.now.messages.count == 12)
  }

  @Test func `A target that is away for a while gets everything once`() async throws {
    let bench = PullBench(FakeServer.twelve(), recovers: false)
    bench.home.set { $0.isAway = 2 }
    let report = try await bench.run()
    #expect(report.isComplete)
    #expect(bench.home.now.messages.count == 12)
    #expect(report.landed == 12)
  }

  @Test func `A message of which nobody can tell whether it was delivered is left, or delivered again if so wished`()
    async throws
  {
    let bench = PullBench(FakeServer.twelve(), recovers: false)
    bench.home.set { $0.isUnknown = ["number 5\r\n"] }
    #expect(try await bench.run().failed == 1)
    bench.home.set { $0.isUnknown = [] }
    let report = try await bench.run()
    #expect((report.failed, report.landed, report.kept) == (1, 0, 1))
    #expect(bench.server.bodies == [FakeServer.mail(5)])
    var options = PullOptions()
    options.deliversDoubtfulAgain = true
    #expect(try await bench.run(options).landed == 1)
    #expect(bench.server.bodies.isEmpty)
  }

  @Test func `A refused DELE is reported and asked again next time`() async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.refusesToDelete = ["number 5\r\n"] }
    let report = try await bench.run()
    #expect((report.landed, report.deleted, report.failed, report.kept) == (12, 11, 1, 1))
    #expect(report.failures.first?.step == .delete)
    bench.server.set { $0.refusesToDelete = [] }
    let second = try await bench.run()
    #expect((second.landed, second.deleted) == (0, 1))
    #expect(bench.server.bodies.isEmpty)
  }

  @Test func `A QUIT that failed is settled by the next listing`() async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.quitFails = true }
    let report = try await bench.run()
    #expect((report.landed, report.deleted, report.kept) == (12, 0, 12))
    #expect(report.warnings.count == 1)
    bench.server.set { $0.quitFails = false }
    let second = try await bench.run()
    #expect((second.landed, second.deleted) == (0, 12))
    #expect(bench.home.now.messages.count == 12)
  }

  @Test func `A big drop is emptied in steps`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let before = bench.server.bodies
    var options = PullOptions()
    options.commitEvery = 5
    let report = try await bench.run(options)
    #expect((report.landed, report.deleted, report.kept) == (12, 12, 0))
    #expect(bench.server.now.quits >= 3)
    #expect(bench.home.texts == before)
    #expect(report.isComplete)
  }

  @Test func `In steps, messages that fail do not stand before the others in every session`() async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.refusesToRetrieve = ["number 1\r\n", "number 2\r\n"] }
    var options = PullOptions()
    options.commitEvery = 2
    let report = try await bench.run(options)
    #expect((report.landed, report.deleted, report.failed) == (10, 10, 2))
    #expect(bench.server.bodies.count == 2)
  }

  @Test func `A server that is not there is tried again, then the run says so`() async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.refusedConnections = 3 }
    #expect(try await bench.run().landed == 12)
    #expect(bench.slept.withLock { $0 } == [.seconds(1), .seconds(2), .seconds(4)])
    bench.server.set { $0.refusedConnections = .max }
    let report = try await bench.run()
    guard case .server = report.stopped?.kind else {
      Issue.record("\(String(describing: report.stopped))")
      return
    }
  }

  @Test func `Large messages go to the target piece by piece`() async throws {
    let long = String(repeating: "A line of a long message.\r\n", count: 200)
    let bench = PullBench(FakeServer.twelve() + [.init(uidl: "long", bytes: FakeServer.mail(13, body: long))])
    bench.server.set { $0.wholeOctets = 1000 }
    let before = bench.server.bodies
    #expect(try await bench.run().landed == 13)
    #expect(bench.home.texts == before)
    #expect(bench.server.bodies.isEmpty)
  }

  @Test func `Events begin, tell how far it is, and end`() async throws {
    let bench = PullBench(FakeServer.twelve())
    try await bench.run()
    let events = bench.events.withLock { $0 }
    #expect(events.first?.event == .started)
    #expect(events.last?.event == .finished)
    #expect(events.last?.done == 12)
    // The clock stands still: one event for all of it.
    #expect(events.filter { $0.event == .progress }.count == 1)
    #expect(events.first { $0.event == .progress }?.total == 12)
  }

  @Test func `Another run on the same account is refused and told whose it is`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let first = try await bench.journal()
    await #expect(throws: PullError(.inUse(process: "\(getpid())"), account: "pop3://ana@fake")) {
      try await bench.journal()
    }
    await first.close()
    await (try bench.journal()).close()
  }
}
