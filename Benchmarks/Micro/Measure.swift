import MallocCount

/// One measured row: nanoseconds and mallocs of one operation.
struct Figure {
  var name: String
  var nanoseconds: Double
  var mallocs: Double
}

/// Keeps the compiler from leaving out what nobody looks at.
@inline(never)
func keep<Value>(_ value: Value) {}

/// What is counted and timed is the best of five rounds: whatever else a thread of the store does now and then is not the
/// operation's.
struct Meter {
  private(set) var figures: [Figure] = []
  let only: String

  init(only: String) { self.only = only }

  /// - Parameter of: operations that one call of `work` stands for (messages of a FETCH, say).
  mutating func measure(_ name: String, times: Int, of operations: Int = 1, _ work: () throws -> Void) rethrows {
    guard wants(name) else { return }
    try work()
    for _ in 0..<5 {
      let mallocs = merpati_mallocs()
      let start = ContinuousClock.now
      for _ in 0..<times { try work() }
      note(name, ContinuousClock.now - start, merpati_mallocs() - mallocs, times * operations)
    }
  }

  mutating func measure(
    _ name: String, times: Int, of operations: Int = 1, _ work: () async throws -> Void
  ) async rethrows {
    guard wants(name) else { return }
    try await work()
    for _ in 0..<5 {
      let mallocs = merpati_mallocs()
      let start = ContinuousClock.now
      for _ in 0..<times { try await work() }
      note(name, ContinuousClock.now - start, merpati_mallocs() - mallocs, times * operations)
    }
  }

  private func wants(_ name: String) -> Bool { only.isEmpty || name.contains(only) }

  private mutating func note(_ name: String, _ time: Duration, _ mallocs: UInt64, _ count: Int) {
    let (seconds, attoseconds) = time.components
    let nanoseconds = (Double(seconds) * 1e9 + Double(attoseconds) / 1e9) / Double(count)
    let each = Double(mallocs) / Double(count)
    if let last = figures.indices.last, figures[last].name == name {
      figures[last].nanoseconds = min(figures[last].nanoseconds, nanoseconds)
      figures[last].mallocs = min(figures[last].mallocs, each)
    } else {
      figures.append(Figure(name: name, nanoseconds: nanoseconds, mallocs: each))
    }
  }
}
