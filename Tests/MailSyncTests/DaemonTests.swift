import LocalMail
import MailNet
import NIOCore
import Synchronization
import Testing

@testable import MailSync

@Suite("Daemon")
struct DaemonTests {
  /// Runs a daemon until `until` says so of a report.
  static func run(
    _ world: World, faults: Faults = Faults(),
    until: @escaping @Sendable (Int, SyncReport) throws -> Bool
  ) async throws {
    let engine = try world.engine(faults)
    defer { engine.close() }
    let daemon = SyncDaemon(engine) { duration in
      try await Task.sleep(for: duration > .seconds(60) ? .seconds(3600) : .milliseconds(2))
    }
    let (numbers, finish) = AsyncStream.makeStream(of: Void.self)
    let counter = Counter()
    let running = Task {
      try await daemon.run { report in
        if (try? until(counter.next(), report)) ?? true { finish.yield() }
      }
      finish.yield()
    }
    for await _ in numbers { break }
    running.cancel()
    try await running.value
  }

  private final class Counter: Sendable {
    private let number = Mutex(0)
    func next() -> Int {
      number.withLock {
        $0 += 1; return $0
      }
    }
  }

  @Test("A local change brings a pass")
  func localChange() async throws {
    let world = try World()
    world.server.deliver(mail(1))
    let (root, server) = (world.root, world.server)
    try await Self.run(world) { number, _ in
      if number == 1 {
        // As another program delivers.
        try Files.write(mail(2), to: "\(root)/new/1790000000.M1P1.host")
      }
      return server.messages().count == 2
    }
    try world.expectSame()
  }

  @Test("News from the server bring a pass")
  func remoteChange() async throws {
    let world = try World()
    let server = world.server
    try await Self.run(world) { number, report in
      if number == 1 {
        server.deliver(mail(1))
        server.ring()
      }
      return report.total.downloaded == 1
    }
    try world.expectSame()
  }

  @Test("A line that breaks is made anew, after a pause")
  func reconnects() async throws {
    let world = try World()
    for number in 1...30 { world.server.deliver(mail(number)) }
    let server = world.server
    try await Self.run(world, faults: Faults(at: 12, .cut)) { _, report in
      report.isComplete && report.mailboxes.count == 1 && server.withState { $0.connections } > 1
    }
    try await world.settle()
    try world.expectSame()
  }

  @Test("What waiting cannot cure ends it")
  func ends() async throws {
    let world = try World()
    world.server.deliver(mail(1))
    try await world.sync()
    try Files.remove(world.root)
    let engine = try world.engine()
    defer { engine.close() }
    await #expect(throws: SyncError.rootLost(path: world.root)) { try await SyncDaemon(engine).run() }
  }

  @Test("Waiting times double up to a limit")
  func backoff() {
    var backoff = Backoff()
    let times = (0..<20).map { _ in backoff.next() }
    #expect(times[0] <= .seconds(2) && times[0] >= .seconds(1.5))
    #expect(times[3] <= .seconds(16) && times[3] >= .seconds(12))
    #expect(times.allSatisfy { $0 <= .seconds(300) })
    #expect(times[19] >= .seconds(225))
    backoff.reset()
    #expect(backoff.next() <= .seconds(2))
  }
}
