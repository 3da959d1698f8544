import MailStore

/// A few threads, each with a worker of its own (a database connection, a compressor), that take jobs from one queue.
final class WorkerPool<Worker: AnyObject & Sendable>: Sendable {
  typealias Job = @Sendable (Worker) -> Void

  /// A job in the queue. In a structure, since a bare function that goes through something generic is wrapped, which is a
  /// malloc each time.
  private struct Entry {
    let job: Job
  }

  private struct Queue {
    var jobs: [Entry] = []
    var head = 0
    var isClosed = false

    mutating func next() -> Entry?? {
      if head < jobs.count {
        let entry = jobs[head]
        head += 1
        if head == jobs.count {
          jobs.removeAll(keepingCapacity: true)
          head = 0
        } else if head > 1024 {
          jobs.removeFirst(head)
          head = 0
        }
        return .some(entry)
      }
      return isClosed ? .some(nil) : nil
    }
  }

  private let queue = Monitor(Queue())
  private let threads: [StoreThread]

  /// - rest: called on a worker's thread when it has had no work for `quiet` milliseconds, once until it has some again.
  init(
    name: String, workers: [Worker], quiet: Int = StoreLimits.quiet, rest: (@Sendable (Worker) -> Void)? = nil
  ) throws(StoreError) {
    var threads: [StoreThread] = []
    for worker in workers {
      let thread = StoreThread(name) { [queue] in
        var isWarm = false
        while true {
          guard let next = isWarm ? queue.wait(milliseconds: quiet, { $0.next() }) : queue.wait({ $0.next() }) else {
            rest?(worker)
            isWarm = false
            continue
          }
          guard let entry = next else { return }
          entry.job(worker)
          isWarm = rest != nil
        }
      }
      guard let thread else {
        queue.broadcast { $0.isClosed = true }
        for thread in threads { thread.join() }
        throw .io(operation: "start a thread", path: name, errno: 0)
      }
      threads.append(thread)
    }
    self.threads = threads
  }

  /// False when the pool is closed; the job is not run then.
  func submit(_ job: @escaping Job) -> Bool {
    var accepted = false
    queue.signal {
      guard !$0.isClosed else { return }
      $0.jobs.append(Entry(job: job))
      accepted = true
    }
    return accepted
  }

  /// One hop to a thread of the pool and back. `afterwards` is done by the same thread when the result is on its way.
  func run<Value: Sendable>(
    _ body: @escaping @Sendable (Worker) throws(StoreError) -> Value,
    afterwards: (@Sendable (Worker) -> Void)? = nil
  ) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
      let accepted = submit { worker in
        let result: Result<Value, StoreError>
        do throws(StoreError) { result = .success(try body(worker)) } catch { result = .failure(error) }
        continuation.resume(returning: result)
        afterwards?(worker)
      }
      if !accepted { continuation.resume(returning: .failure(.shuttingDown)) }
    }
    return try result.get()
  }

  /// Finishes what is queued and ends the threads. Blocks; later submissions are refused.
  func close() {
    queue.broadcast { $0.isClosed = true }
    for thread in threads { thread.join() }
  }
}
