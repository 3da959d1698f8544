import Synchronization

/// A clock that moves when a test says so.
public final class TestClock: Sendable {
  private let seconds: Mutex<Int64>

  /// 2026-09-21 14:13:20 UTC.
  public init(_ start: Int64 = 1_790_000_000) { seconds = Mutex(start) }

  /// Seconds since 1970.
  public var now: Int64 { seconds.withLock { $0 } }

  public func advance(_ by: Int) { seconds.withLock { $0 += Int64(by) } }
}
