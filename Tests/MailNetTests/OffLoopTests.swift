import NIOCore
import NIOPosix
import Testing

@testable import MailNet

struct OffLoopTests {
  private struct Trouble: Error {}

  @Test func `Work that is to leave the loop leaves it, and what follows is on the loop again`() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let task = Task(executorPreference: LoopTaskExecutor(loop)) {
      let before = loop.inEventLoop
      let during = await offLoop {
        var isOnLoop = [loop.inEventLoop]
        await Task.yield()
        isOnLoop.append(loop.inEventLoop)
        return isOnLoop
      }
      return (before, during, loop.inEventLoop)
    }
    let (before, during, after) = await task.value
    #expect(before && after)
    #expect(during == [false, false])
    try await group.shutdownGracefully()
  }

  @Test func `Errors of work off the loop arrive as they are`() async {
    await #expect(throws: Trouble.self) { try await offLoop { () throws(Trouble) -> Int in throw Trouble() } }
  }
}
