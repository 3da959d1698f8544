public import NIOCore
import Synchronization

/// An event loop as executor of the actors that live on it, and of their tasks: `Task(executorPreference:
/// connection.taskExecutor)` keeps the continuations of a session's task off the global pool.
///
/// `@unchecked Sendable`: `startsAtOnce` is touched on the loop only.
public final class LoopTaskExecutor: TaskExecutor, SerialExecutor, @unchecked Sendable {
  public let eventLoop: any EventLoop
  private var startsAtOnce = false
  private let queued = Atomic<Int>(0)

  /// How many jobs have come by the loop's queue.
  var arrivals: Int { queued.load(ordering: .relaxed) }

  init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  /// The task that `make` starts runs before this returns, up to where it first waits for somebody: most commands need
  /// no second round of the loop. Inside another task it is left to the loop as ever. On the loop only; `make` starts
  /// one task of an actor that lives here.
  ///
  /// `Task.immediate` does not do it: the runtime takes a loop without a current task for another context.
  public func startingAtOnce(_ make: () -> Void) {
    eventLoop.assertInEventLoop()
    startsAtOnce = withUnsafeCurrentTask { $0 == nil }
    make()
    startsAtOnce = false
  }

  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    guard eventLoop.inEventLoop, startsAtOnce else {
      queued.wrappingAdd(1, ordering: .relaxed)
      return eventLoop.execute { self.run(job) }
    }
    startsAtOnce = false
    run(job)
  }

  private func run(_ job: UnownedJob) {
    job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
  }

  public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  public func checkIsolated() { eventLoop.preconditionInEventLoop() }

  public func isIsolatingCurrentContext() -> Bool? { eventLoop.inEventLoop }
}

/// What the connections of one event loop share, of whichever listener. `@unchecked Sendable`: what changes is touched
/// on that loop only.
final class LoopResources: @unchecked Sendable {
  let taskExecutor: LoopTaskExecutor
  private var spare: [ByteBuffer] = []
  var prompt = PromptPeer()
  /// See `Connection.whenQuiet`.
  private var quietWork: [() -> Void] = []

  private struct Known {
    weak var resources: LoopResources?
  }
  /// They keep their loop, so its address means no other one while they live.
  private static let known = Mutex<[ObjectIdentifier: Known]>([:])

  private init(_ eventLoop: any EventLoop) {
    taskExecutor = LoopTaskExecutor(eventLoop)
  }

  static func of(_ loop: any EventLoop) -> LoopResources {
    known.withLock { known in
      if let resources = known[ObjectIdentifier(loop)]?.resources { return resources }
      known = known.filter { $0.value.resources != nil }
      let resources = LoopResources(loop)
      known[ObjectIdentifier(loop)] = Known(resources: resources)
      return resources
    }
  }

  func whenQuiet(_ work: @escaping () -> Void) {
    quietWork.append(work)
    guard quietWork.count == 1 else { return }
    _ = taskExecutor.eventLoop.assumeIsolated().scheduleTask(in: NetLimits.quiet) {
      let work = self.quietWork
      self.quietWork = []
      for work in work { work() }
    }
  }

  /// An empty buffer, with storage when there is one to spare.
  func takeBuffer() -> ByteBuffer { spare.popLast() ?? ByteBuffer() }

  /// Takes an empty buffer's storage, so that an idle connection keeps none.
  func giveBack(_ buffer: inout ByteBuffer) {
    if spare.count < 4, buffer.storageCapacity <= NetLimits.outgoingHighWater { spare.append(buffer) }
    buffer = ByteBuffer()
  }
}
