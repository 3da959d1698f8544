public import Logging

/// Where an issuer's keys come from, and what is kept of them.
///
/// They are read when they are needed first, and again when they are old or a token names a key that is not among them;
/// for that reason at most once a minute, whatever clients send. While they cannot be read the old ones serve on for a day.
public actor TokenKeySource {
  /// The document, from a file or over HTTPS.
  public typealias Load = @Sendable () async throws -> [UInt8]

  private let load: Load
  private let lifetime: Duration
  private let now: @Sendable () -> ContinuousClock.Instant
  private let logger: Logger
  private var keys: TokenKeys?
  /// When `keys` were read, and when reading was last tried.
  private var readAt: ContinuousClock.Instant?
  private var triedAt: ContinuousClock.Instant?
  private var reading: Task<TokenKeys?, Never>?

  public init(
    lifetime: Duration, logger: Logger, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
    load: @escaping Load
  ) {
    self.load = load
    self.lifetime = lifetime
    self.logger = logger
    self.now = now
  }

  /// Keys for a token with this header; nil when there are none to be had. Several callers wait for one reading.
  func keys(for header: TokenHeader) async -> TokenKeys? {
    let time = now()
    let isFresh = readAt.map { $0.duration(to: time) < lifetime } ?? false
    if isFresh, let keys, !keys.candidates(header).isEmpty { return keys }
    let wasTriedJustNow = triedAt.map { $0.duration(to: time) < TokenLimits.refetch } ?? false
    if reading == nil, wasTriedJustNow { return usable(at: time) }
    if let fresh = await read(at: time) { return fresh }
    return usable(at: now())
  }

  private func usable(at time: ContinuousClock.Instant) -> TokenKeys? {
    guard let keys, let readAt, readAt.duration(to: time) < lifetime + TokenLimits.stale else { return nil }
    return keys
  }

  private func read(at time: ContinuousClock.Instant) async -> TokenKeys? {
    if let reading { return await reading.value }
    triedAt = time
    let task = Task { [load, logger] () -> TokenKeys? in
      do {
        let keys = try await TokenKeys(document: try await load())
        logger.info("keys for tokens read", metadata: ["keys": "\(keys.count)"])
        return keys
      } catch {
        logger.error("keys for tokens not read", metadata: ["problem": "\(error)"])
        return nil
      }
    }
    reading = task
    let made = await task.value
    reading = nil
    if let made {
      keys = made
      readAt = now()
    }
    return made
  }
}
