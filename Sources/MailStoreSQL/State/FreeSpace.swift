import Logging
import MailStore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The floor of free space under which no new mail is taken (`store.free-space-floor`), so that what makes room again
/// (EXPUNGE, DELE, flags, purge, compaction) always has some to work in.
///
/// The file system is asked once a second at most, or after so many octets taken since. For the store's own threads: the
/// call may block.
final class FreeSpace: Sendable {
  private struct State {
    /// When the file system was asked last, in milliseconds of the even clock.
    var looked: Int64?
    var free: Int64 = .max
    /// Octets taken since.
    var taken: Int64 = 0
    var isLow = false
  }

  /// Octets; 0: no floor.
  let floor: Int64
  private let path: String
  private let logger: Logger
  private let measure: @Sendable (String) -> Int64?
  private let clock: @Sendable () -> Int64
  private let state = Mutex(State())

  /// - Parameters:
  ///   - measure: octets free for us on the file system of a path; nil when it cannot tell.
  ///   - clock: milliseconds that run evenly.
  init(
    path: String, floor: Int64, logger: Logger, measure: @escaping @Sendable (String) -> Int64? = FreeSpace.ofVolume,
    clock: @escaping @Sendable () -> Int64 = Clock.milliseconds
  ) {
    self.path = path
    self.floor = floor
    self.logger = logger
    self.measure = measure
    self.clock = clock
  }

  /// Is there room for so many octets? Throws `io` with ENOSPC.
  func check(_ octets: Int64) throws(StoreError) { try look(octets, takes: false) }

  /// As `check`, and they count as taken.
  func take(_ octets: Int64) throws(StoreError) { try look(octets, takes: true) }

  /// `check` and `take` would ask the file system.
  var isStale: Bool { floor > 0 && state.withLock { isStale($0) } }

  private func isStale(_ state: State) -> Bool {
    guard let looked = state.looked else { return true }
    return clock() - looked >= StoreLimits.freeSpaceInterval || state.taken >= StoreLimits.freeSpaceOctets
  }

  private func look(_ octets: Int64, takes: Bool) throws(StoreError) {
    guard floor > 0 else { return }
    let hasRoom = state.withLock { state in
      if isStale(state) {
        state.looked = clock()
        // A file system that cannot tell refuses by itself when it is full.
        state.free = measure(path) ?? .max
        state.taken = 0
        tell(&state)
      }
      guard state.free - state.taken - octets >= floor else { return false }
      if takes { state.taken += octets }
      return true
    }
    guard hasRoom else {
      throw .io(operation: "keep store.free-space-floor free", path: path, errno: ENOSPC)
    }
  }

  /// A line when the floor is passed, and one when there is clearly more again.
  private func tell(_ state: inout State) {
    if !state.isLow, state.free < floor {
      state.isLow = true
      logger.warning(
        "less free space than store.free-space-floor: no new mail is taken until there is more",
        metadata: ["folder": "\(path)", "free": "\(state.free)", "floor": "\(floor)"])
    } else if state.isLow, state.free >= floor + floor / 16 {
      state.isLow = false
      logger.notice("free space again: new mail is taken", metadata: ["folder": "\(path)", "free": "\(state.free)"])
    }
  }

  @Sendable static func ofVolume(_ path: String) -> Int64? {
    var info = statvfs()
    guard statvfs(path, &info) == 0 else { return nil }
    return Int64(clamping: info.f_bavail.multipliedReportingOverflow(by: info.f_frsize).partialValue)
  }
}
