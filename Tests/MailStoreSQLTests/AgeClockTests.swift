import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

private let day: Int64 = 86_400
private let days = Int(day)
private let year = 365 * day
private let years = Int(year)

/// Ages of mail while the date jumps.
@Suite struct AgeClockTests {
  private let start: Int64 = 1_800_000_000

  private func clock(seen: Int64? = nil, jumps: [AgeClock.Jump] = []) -> AgeClock {
    AgeClock(seen: seen, jumps: jumps, wall: start, steady: 1000)
  }

  @Test func `Days count while both clocks run evenly`() {
    var clock = clock()
    #expect(clock.observe(wall: start + 20 * day, steady: 1000 + 20 * day) == nil)
    #expect(clock.cutoff(age: 14 * day, now: start + 20 * day) == start + 6 * day)
  }

  @Test func `A jump forward by a year makes nothing a year older`() {
    var clock = clock()
    clock.observe(wall: start + 10 * day, steady: 1000 + 10 * day)
    let jump = clock.observe(wall: start + 10 * day + year + 60, steady: 1000 + 10 * day + 60)
    #expect(jump == AgeClock.Jump(before: start + 10 * day + 60, after: start + 10 * day + year + 60))
    let now = start + 10 * day + year + 60
    // Retrieved at the start, ten days ago: not yet.
    #expect(clock.cutoff(age: 14 * day, now: now) < start)
    // Four days later it is time; what came in between has to wait.
    let later = now + 4 * day
    clock.observe(wall: later, steady: 1000 + 14 * day + 60)
    #expect(clock.cutoff(age: 14 * day, now: later) == start + 60)
  }

  @Test func `A date that was set back and put right again is no jump`() {
    var clock = clock()
    #expect(clock.observe(wall: start - year, steady: 1010) == nil)
    #expect(clock.observe(wall: start - year + 600, steady: 1610) == nil)
    #expect(clock.observe(wall: start + 900, steady: 1900) == nil)
    #expect(clock.jumps.isEmpty && clock.expected == start + 900)
  }

  @Test func `A date that stays set back for a day is the date, and a step forward from it a jump`() {
    var clock = clock()
    clock.observe(wall: start - year, steady: 1010)
    clock.observe(wall: start - year + 2 * day, steady: 1010 + 2 * day)
    #expect(clock.expected == start - year + 2 * day)
    #expect(clock.observe(wall: start + 3 * day, steady: 1010 + 3 * day) != nil)
  }

  @Test func `An absence of more than a day does not count`() {
    #expect(clock(seen: start - day / 2).jumps.isEmpty)
    let away = clock(seen: start - 30 * day)
    #expect(away.jumps == [AgeClock.Jump(before: start - 30 * day, after: start)])
    #expect(away.cutoff(age: 14 * day, now: start) == start - 44 * day)
  }

  @Test func `A machine that starts in 1970 and learns the date then has not jumped`() {
    var clock = AgeClock(seen: start, jumps: [], wall: 30, steady: 5)
    #expect(clock.jumps.isEmpty)
    #expect(clock.observe(wall: start + 600, steady: 65) == nil)
    #expect(clock.cutoff(age: 14 * day, now: start + 600) == start + 600 - 14 * day)
  }

  @Test func `Many jumps are joined and never make anything older`() {
    var clock = clock()
    var wall = start
    var steady: Int64 = 1000
    for _ in 0..<200 {
      wall += year
      steady += 60
      clock.observe(wall: wall, steady: steady)
    }
    #expect(clock.jumps.count == StoreLimits.dateJumps)
    #expect(clock.cutoff(age: day, now: wall) < start)
  }

  /// The even clock of the store's process, beside its date.
  private func open(_ bed: StoreBed, _ steady: TestClock, retentionDays: Int) throws -> SQLStore {
    let settings = StoreSettings(
      expungedRetentionDays: retentionDays, upkeepInterval: 0, now: { [clock = bed.clock] in clock.now },
      steady: { steady.now })
    return try SQLStore.open(directory: bed.data, settings: settings)
  }

  @Test func `Retention and expiry after retrieval outlive a jump by a year, and a restart`() async throws {
    let bed = try StoreBed()
    let steady = TestClock()
    var store = try open(bed, steady, retentionDays: 30)
    let ana = try await store.add("ana", expire: .days(14))
    try await store.fill(3, of: ana)
    let ref = try await store.ref("INBOX", of: ana)
    let drop = try await store.openMaildrop(of: ana.id)
    try await drop.markRetrieved([0], at: bed.clock.now)
    drop.close()
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [3], in: ref)
    _ = try await store.expunge(nil, in: ref)
    bed.clock.advance(years)
    #expect(try await store.expireRetrieved(of: nil, now: bed.clock.now) == 0)
    #expect(try await store.compact().purgedMessages == 0)
    await store.close()
    store = try open(bed, steady, retentionDays: 30)
    #expect(try await store.expireRetrieved(of: nil, now: bed.clock.now) == 0)
    #expect(try await store.compact().purgedMessages == 0)
    for _ in 0..<15 {
      bed.clock.advance(days)
      steady.advance(days)
      _ = try await store.compact()
    }
    #expect(try await store.expireRetrieved(of: nil, now: bed.clock.now) == 1)
    for _ in 0..<16 {
      bed.clock.advance(days)
      steady.advance(days)
      _ = try await store.compact()
    }
    #expect(try await store.check().problems == [])
    #expect(try await store.openMessage(3, in: ref) == nil)
    await store.close()
  }

  @Test func `What a store has lived through counts after it was closed`() async throws {
    let bed = try StoreBed()
    let steady = TestClock()
    var store = try open(bed, steady, retentionDays: 3)
    let ana = try await store.add("ana")
    try await store.put(of: ana, flags: .deleted)
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.expunge(nil, in: ref)
    bed.clock.advance(3 * days)
    steady.advance(3 * days)
    await store.close()
    store = try open(bed, steady, retentionDays: 3)
    #expect(try await store.compact().purgedMessages == 1)
    await store.close()
  }

  @Test func `Without retention a date that was set back keeps no disk occupied`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana, flags: .deleted)
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.expunge(nil, in: ref)
    bed.clock.advance(-years)
    #expect(try await store.compact().purgedMessages == 1)
    await store.close()
  }

  @Test func `UIDVALIDITY never repeats and is not used up by a date far in the future`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    var seen: Set<UInt32> = []
    for step in [0, 300 * years, -400 * years, 100 * years, -years, 0] {
      bed.clock.advance(step)
      for _ in 0..<3 {
        seen.insert(try await store.createMailbox("Again", of: ana.id, specialUse: nil).uidValidity)
        try await store.deleteMailbox("Again", of: ana.id)
      }
    }
    #expect(seen.count == 18)
    await store.close()
  }
}
