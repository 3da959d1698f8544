import NIOCore
import NIOPosix
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct LoopTaskTests {
  private actor Worker {
    nonisolated let executor: LoopTaskExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private(set) var log: [String] = []

    init(_ executor: LoopTaskExecutor) { self.executor = executor }

    private func work(_ name: String, waits: Bool) async {
      log.append("\(name) begins")
      if waits { await Task.yield() }
      log.append("\(name) ends")
    }

    /// What has happened by the time the call returns.
    func start(_ name: String, waits: Bool) -> [String] {
      executor.startingAtOnce { Task(executorPreference: executor) { await self.work(name, waits: waits) } }
      return log
    }
  }

  private func withWorker(_ body: (Worker, any EventLoop) async throws -> Void) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    try await body(Worker(LoopTaskExecutor(loop)), loop)
    try await group.shutdownGracefully()
  }

  private func log(of worker: Worker, has count: Int) async -> [String] {
    while await worker.log.count < count { await Task.yield() }
    return await worker.log
  }

  @Test func `A task that need not wait is done when its start returns`() async throws {
    try await withWorker { worker, loop in
      let log = try await loop.submit { worker.assumeIsolated { $0.start("one", waits: false) } }.get()
      #expect(log == ["one begins", "one ends"])
    }
  }

  @Test func `A task that waits goes on in a later round of the loop`() async throws {
    try await withWorker { worker, loop in
      let log = try await loop.submit { worker.assumeIsolated { $0.start("one", waits: true) } }.get()
      #expect(log == ["one begins"])
      #expect(await self.log(of: worker, has: 2) == ["one begins", "one ends"])
    }
  }

  @Test func `Inside another task a start is left to the loop`() async throws {
    try await withWorker { worker, _ in
      #expect(await worker.start("one", waits: false) == [])
      #expect(await log(of: worker, has: 2) == ["one begins", "one ends"])
    }
  }

  @Test func `Quiet work of a loop is done together, once`() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let done = loop.makePromise(of: [Int].self)
    let resources = LoopResources.of(loop)
    try await loop.submit {
      let calls = NIOLoopBound<Calls>(Calls(), eventLoop: loop)
      for number in 1...3 { resources.whenQuiet { calls.value.numbers.append(number) } }
      resources.whenQuiet { done.succeed(calls.value.numbers) }
    }.get()
    #expect(try await done.futureResult.get() == [1, 2, 3])
    try await group.shutdownGracefully()
  }

  private final class Calls { var numbers: [Int] = [] }

  @Test func `A turn ends after its commands or with its time`() {
    var some = TurnBudget(commands: 3, time: .hours(1))
    #expect((0..<5).map { _ in some.takeOne() } == [true, true, true, false, false])
    var late = TurnBudget(commands: 3, time: .zero)
    #expect((0..<2).map { _ in late.takeOne() } == [true, false])
  }
}
