public import NIOCore

/// Runs tasks on an event loop: `Task(executorPreference: connection.taskExecutor)` keeps the continuations of a
/// session's long-lived task off the global pool.
public final class LoopTaskExecutor: TaskExecutor {
  public let eventLoop: any EventLoop

  init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}

/// What the connections of one event loop share. `@unchecked Sendable`: `spare` is touched on that loop only.
final class LoopResources: @unchecked Sendable {
  let taskExecutor: LoopTaskExecutor
  /// For actors that live on this loop.
  let executor: any SerialExecutor
  private var spare: [ByteBuffer] = []

  init(_ eventLoop: any EventLoop) {
    taskExecutor = LoopTaskExecutor(eventLoop)
    executor = eventLoop.executor
  }

  /// An empty buffer, with storage when there is one to spare.
  func takeBuffer() -> ByteBuffer { spare.popLast() ?? ByteBuffer() }

  /// Takes an empty buffer's storage, so that an idle connection keeps none.
  func giveBack(_ buffer: inout ByteBuffer) {
    if spare.count < 4, buffer.storageCapacity <= NetLimits.outgoingHighWater { spare.append(buffer) }
    buffer = ByteBuffer()
  }
}
