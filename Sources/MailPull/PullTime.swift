#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Time and chance, so that tests can hold them.
public struct PullTime: Sendable {
  /// Seconds since 1970.
  public var now: @Sendable () -> Int64
  /// Never goes back; its start means nothing.
  public var elapsed: @Sendable () -> Duration
  public var sleep: @Sendable (Duration) async throws -> Void
  /// From 0 up to 1.
  public var random: @Sendable () -> Double

  public init(
    now: @escaping @Sendable () -> Int64, elapsed: @escaping @Sendable () -> Duration,
    sleep: @escaping @Sendable (Duration) async throws -> Void, random: @escaping @Sendable () -> Double
  ) {
    self.now = now
    self.elapsed = elapsed
    self.sleep = sleep
    self.random = random
  }

  public static var system: PullTime {
    let start = ContinuousClock.now
    return PullTime(
      now: { Int64(time(nil)) },
      elapsed: { ContinuousClock.now - start },
      sleep: { try await Task.sleep(for: $0) },
      random: { Double.random(in: 0..<1) })
  }

  /// Before attempt `number` (1 is the first after a failure): doubling, up to a bound, a quarter of it by chance so that
  /// many machines do not come back at once.
  func pause(_ number: Int) -> Duration {
    var pause = PullLimits.firstPause
    for _ in 1..<max(2, min(number, 16)) where number > 1 { pause = min(pause * 2, PullLimits.longestPause) }
    return pause * (0.75 + 0.25 * random())
  }
}
