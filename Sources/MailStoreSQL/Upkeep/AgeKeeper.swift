import Logging
import MailStore
import Synchronization

/// The store's `AgeClock`, kept in `volume_state` from one process to the next: `clock_seen`, and a row `clock_jump_BEFORE`
/// for each jump.
final class AgeKeeper: Sendable {
  private struct State {
    var clock: AgeClock
    /// Not in the database yet.
    var isDirty = false
    /// When it was saved last, by the even clock.
    var saved: Int64
  }

  /// Seconds between two notes of the date.
  private static let saveInterval: Int64 = 3600

  private let settings: StoreSettings
  private let logger: Logger
  private let state: Mutex<State>

  init(_ db: SQLConnection, settings: StoreSettings, logger: Logger) throws(StoreError) {
    self.settings = settings
    self.logger = logger
    let seen = try db("SELECT value FROM volume_state WHERE name = 'clock_seen'").first { $0.int(0) }
    var jumps: [AgeClock.Jump] = []
    let rows = try db(
      """
      SELECT CAST(SUBSTR(name, 12) AS INTEGER), value FROM volume_state WHERE name GLOB 'clock_jump_*' ORDER BY value
      """)
    try rows.forEach { jumps.append(AgeClock.Jump(before: $0.int(0), after: $0.int(1))) }
    let steady = settings.steady()
    let clock = AgeClock(seen: seen, jumps: jumps, wall: settings.now(), steady: steady)
    state = Mutex(State(clock: clock, isDirty: clock.jumps.count != jumps.count || seen == nil, saved: steady))
    if clock.jumps.count > jumps.count, let jump = clock.jumps.last {
      logger.notice(
        "the store was last open on another date: the time between does not count for the age of mail",
        metadata: ["then": "\(jump.before)", "now": "\(jump.after)"])
    }
  }

  /// What carries this date or an earlier one is at least so many days old.
  func cutoff(days: Int, now: Int64? = nil) -> Int64 {
    let wall = settings.now()
    let steady = settings.steady()
    let (jump, cutoff) = state.withLock { state in
      let jump = state.clock.observe(wall: wall, steady: steady)
      if jump != nil { state.isDirty = true }
      return (jump, state.clock.cutoff(age: Int64(days) * 86_400, now: now ?? wall))
    }
    if let jump {
      logger.warning(
        "the date has jumped: the time between does not count for the age of mail",
        metadata: ["from": "\(jump.before)", "to": "\(jump.after)"])
    }
    return cutoff
  }

  /// Is there something to be noted?
  var isDue: Bool {
    _ = cutoff(days: 0)
    let steady = settings.steady()
    return state.withLock { $0.isDirty || steady - $0.saved >= Self.saveInterval }
  }

  /// Within a transaction.
  func save(_ db: SQLConnection) throws(StoreError) {
    let steady = settings.steady()
    let (clock, wasDirty) = state.withLock { state in
      defer {
        state.isDirty = false
        state.saved = steady
      }
      return (state.clock, state.isDirty)
    }
    do throws(StoreError) {
      try db("DELETE FROM volume_state WHERE name GLOB 'clock_jump_*'").run()
      let row = try db(
        "INSERT INTO volume_state (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")
      for (name, value) in [("clock_seen", clock.expected)] + clock.jumps.map({ ("clock_jump_\($0.before)", $0.after) })
      {
        row.bind(1, name)
        row.bind(2, value)
        try row.run()
      }
    } catch {
      if wasDirty { state.withLock { $0.isDirty = true } }
      throw error
    }
  }
}
