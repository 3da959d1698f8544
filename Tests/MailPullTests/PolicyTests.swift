import MailTestKit
import POP3Client
import Synchronization
import Testing

@testable import MailPull

@Suite(.timeLimit(.minutes(1)))
struct PolicyTests {
  @Test func `Keep-days deletes so many days after the message came home`() async throws {
    let bench = PullBench(FakeServer.twelve())
    #expect(try await bench.run(.with(.keepDays(3))).deleted == 0)
    bench.clock.advance(2 * 86_400)
    bench.server.add([.init(uidl: "late", bytes: FakeServer.mail(20))])
    #expect(try await bench.run(.with(.keepDays(3))).deleted == 0)
    bench.clock.advance(86_400)
    let report = try await bench.run(.with(.keepDays(3)))
    #expect((report.deleted, report.kept) == (12, 1))
    #expect(bench.server.bodies == [FakeServer.mail(20)])
    #expect(try await bench.run(.with(.keepDays(0))).deleted == 1)
  }

  struct Side: DropKnowledge {
    var limit: Int64?
    var used: Int64?
    var unseen: Set<String> = []
    var isDown = false
    struct Down: Error {}
    func quota() async throws -> DropQuota? {
      if isDown { throw Down() }
      return limit.map { DropQuota(limit: $0, used: used) }
    }
    func unseenMessageIDs() async throws -> Set<String> { unseen }
  }

  @Test func `Keep-under deletes the oldest until enough room is free`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let sizes = bench.server.now.messages.map { Int64($0.bytes.utf8.count) }
    var options = PullOptions.with(.keepUnder(percent: 50))
    // Room for all but three.
    options.quotaOctets = 2 * sizes.dropFirst(3).reduce(0, +)
    let report = try await bench.run(options)
    #expect((report.deleted, report.kept) == (3, 9))
    #expect(bench.server.now.messages.map(\.uidl) == (4...12).map { "u\($0)" })
    #expect(report.warnings.contains { $0.contains("by age alone") })
  }

  @Test func `Keep-under never deletes what nobody has looked at`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let side = Side(limit: 200, used: 10_000, unseen: ["m1@test", "m3@test"])
    let report = try await bench.run(.with(.keepUnder(percent: 80)), knowledge: side)
    #expect(report.deleted == 10)
    #expect(bench.server.now.messages.map(\.uidl) == ["u1", "u3"])
    #expect(report.warnings.contains { $0.contains("remain") })
  }

  /// The IMAP side of a `FakeServer`: at QUIT it may mark as read what RETR handed out.
  struct LiveSide: DropKnowledge {
    let server: FakeServer
    var marksRetrieved: Bool
    var unseen: @Sendable () -> Set<String>
    func quota() async throws -> DropQuota? { DropQuota(limit: 200, used: 10_000) }
    func unseenMessageIDs() async throws -> Set<String> {
      let now = server.now
      guard marksRetrieved, now.quits > 0 else { return unseen() }
      let marked = now.retrieved.compactMap { $0.split(separator: ">").first?.split(separator: "<").last }
      return unseen().subtracting(marked.map(String.init))
    }
  }

  @Test(arguments: [nil, 3]) func `What was unread when it was fetched stays, though the server marks it for that`(
    commitEvery: Int?
  ) async throws {
    let bench = PullBench(FakeServer.twelve())
    let side = LiveSide(server: bench.server, marksRetrieved: true) { ["m1@test", "m3@test", "m9@test"] }
    var options = PullOptions.with(.keepUnder(percent: 80))
    options.commitEvery = commitEvery
    try await bench.run(options, knowledge: side)
    #expect(bench.server.now.messages.map(\.uidl) == ["u1", "u3", "u9"])
    // Now the IMAP side calls all of them read.
    #expect(try await side.unseenMessageIDs().isEmpty)
    for _ in 0..<3 {
      let report = try await bench.run(options, knowledge: side)
      #expect((report.deleted, report.kept) == (0, 3))
      #expect(report.warnings.contains { $0.contains("3 messages nobody had looked at are marked as read since") })
    }
    #expect(bench.server.now.messages.map(\.uidl) == ["u1", "u3", "u9"])
  }

  @Test func `Where RETR marks nothing, what its owner has read since may go`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let unseen = Mutex<Set<String>>(["m1@test", "m3@test"])
    let side = LiveSide(server: bench.server, marksRetrieved: false) { unseen.withLock { $0 } }
    let options = PullOptions.with(.keepUnder(percent: 80))
    try await bench.run(options, knowledge: side)
    try await bench.run(options, knowledge: side)
    #expect(bench.server.now.messages.map(\.uidl) == ["u1", "u3"])
    unseen.withLock { _ = $0.remove("m1@test") }
    #expect(try await bench.run(options, knowledge: side).deleted == 1)
    #expect(bench.server.now.messages.map(\.uidl) == ["u3"])
  }

  @Test func `A run that is killed between fetching and QUIT remembers what was unread`() async throws {
    for step in stride(from: 3, through: 60, by: 4) {
      let bench = PullBench(FakeServer.twelve())
      let side = LiveSide(server: bench.server, marksRetrieved: true) { ["m2@test"] }
      bench.faults.arm(.crash, at: step)
      _ = try? await bench.run(.with(.keepUnder(percent: 80)), knowledge: side)
      bench.faults.disarm()
      // Marked at once, as other servers do.
      bench.server.set { $0.quits = max(1, $0.quits) }
      for _ in 0..<3 { try await bench.run(.with(.keepUnder(percent: 80)), knowledge: side) }
      let isFetched = bench.server.now.retrieved.filter { $0.contains("number 2\r\n") }.count == 1
      if isFetched { #expect(bench.server.now.messages.map(\.uidl) == ["u2"], "step \(step)") }
    }
  }

  @Test func `Keep-under deletes nothing when the other side does not answer`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let report = try await bench.run(.with(.keepUnder(percent: 80)), knowledge: Side(isDown: true))
    #expect((report.landed, report.deleted) == (12, 0))
    #expect(report.warnings.count == 1)
  }

  @Test func `Keep-under without a size says what it needs, before anything is done`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let report = try await bench.run(.with(.keepUnder(percent: 80)))
    guard case .impossible(let why) = report.stopped?.kind else {
      Issue.record("\(report)")
      return
    }
    #expect(why.contains("quota"))
    #expect(bench.server.now.sessions == 0)
  }

  private func expireZero() -> PullBench {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set {
      $0.capabilities.expireDays = 0
      $0.retrievalDeletes = true
    }
    return bench
  }

  @Test func `Where RETR deletes, all at home is one session`() async throws {
    let bench = expireZero()
    let report = try await bench.run()
    #expect((report.deleted, report.sessions) == (12, 1))
    #expect(bench.server.bodies.isEmpty)
  }

  @Test func `Where RETR deletes, one message that is not at home keeps the session from QUIT`() async throws {
    let bench = expireZero()
    bench.home.set { $0.refuses = ["number 5\r\n"] }
    let report = try await bench.run()
    #expect((report.landed, report.failed, report.deleted, report.kept) == (11, 1, 11, 1))
    #expect(bench.server.bodies == [FakeServer.mail(5)])
    // The second one only deletes.
    #expect(report.sessions == 2)
    #expect((bench.server.now.quits, bench.server.now.abandons) == (1, 1))
  }

  @Test func `Where RETR deletes, keep ends without QUIT and says so`() async throws {
    let bench = expireZero()
    let report = try await bench.run(.with(.keep))
    #expect((report.landed, report.kept, report.deleted) == (12, 12, 0))
    #expect((bench.server.now.quits, bench.server.bodies.count) == (0, 12))
    #expect(report.warnings.contains { $0.contains("without QUIT") })
    #expect(report.isComplete)
    // Nothing retrieved: QUIT is harmless.
    #expect(try await bench.run(.with(.keep)).alreadyThere == 12)
    #expect((bench.server.now.quits, bench.server.bodies.count) == (1, 12))
  }

  @Test func `Where RETR deletes, old mail goes in a session of its own`() async throws {
    let bench = expireZero()
    try await bench.run(.with(.keepDays(3)))
    bench.clock.advance(4 * 86_400)
    bench.server.add([.init(uidl: "late", bytes: FakeServer.mail(20))])
    let report = try await bench.run(.with(.keepDays(3)))
    #expect((report.landed, report.deleted, report.sessions) == (1, 12, 2))
    #expect(bench.server.bodies == [FakeServer.mail(20)])
  }

  @Test func `A long LOGIN-DELAY leaves deletions to the next run`() async throws {
    let bench = expireZero()
    bench.server.set { $0.capabilities.loginDelay = 300 }
    bench.home.set { $0.refuses = ["number 5\r\n"] }
    let report = try await bench.run()
    #expect((report.landed, report.deleted, report.sessions) == (11, 0, 1))
    #expect(report.stopped == nil)
    bench.home.set { $0.refuses = [] }
    #expect(try await bench.run().deleted == 12)
    #expect(bench.home.now.messages.count == 12)
  }

  @Test func `A short LOGIN-DELAY is waited for`() async throws {
    let bench = expireZero()
    bench.server.set { $0.capabilities.loginDelay = 30 }
    bench.home.set { $0.refuses = ["number 5\r\n"] }
    #expect(try await bench.run().deleted == 11)
    #expect(bench.slept.withLock { $0 } == [.seconds(30)])
  }
}
