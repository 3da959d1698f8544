/// How old something is by a clock that may jump. Mail whose days are over is destroyed, so an hour in which the date was
/// wrong must not count as a year: stretches of time that nobody has lived through are noted as jumps, and left out when
/// ages are reckoned. When in doubt things count as younger.
///
/// Seconds throughout. `wall` is the date as the system has it; `steady` runs evenly, whatever is done to the date.
struct AgeClock: Sendable {
  /// The date went from `before` to `after` without the time between them.
  struct Jump: Sendable, Hashable {
    var before: Int64
    var after: Int64
  }

  /// In the order in which they happened.
  private(set) var jumps: [Jump]
  /// The date there would be if it had never been set back.
  private(set) var expected: Int64
  private var lastSteady: Int64
  private var lowerSince: Int64?

  /// - Parameter seen: `expected` as the last process has left it; nil: there was none.
  init(seen: Int64?, jumps: [Jump], wall: Int64, steady: Int64) {
    self.jumps = jumps
    expected = max(seen ?? wall, wall)
    lastSteady = steady
    if let seen, wall - seen > StoreLimits.absence { note(Jump(before: seen, after: wall)) }
  }

  /// Looks at both clocks. Returns the jump if there was one.
  @discardableResult
  mutating func observe(wall: Int64, steady: Int64) -> Jump? {
    expected += max(0, steady - lastSteady)
    lastSteady = steady
    if wall > expected + StoreLimits.dateTolerance {
      let jump = Jump(before: expected, after: wall)
      note(jump)
      expected = wall
      lowerSince = nil
      return jump
    }
    if wall >= expected - StoreLimits.dateTolerance {
      expected = max(expected, wall)
      lowerSince = nil
      return nil
    }
    let since = lowerSince ?? steady
    lowerSince = since
    if steady - since >= StoreLimits.datePatience {
      expected = wall
      lowerSince = nil
    }
    return nil
  }

  /// What carries this date or an earlier one is at least `age` old at `now`.
  func cutoff(age: Int64, now: Int64) -> Int64 {
    var end = now
    var rest = age
    for jump in jumps.reversed() where jump.after <= end {
      let lived = end - jump.after
      if rest <= lived { break }
      rest -= lived
      end = jump.before
    }
    return end - rest
  }

  private mutating func note(_ jump: Jump) {
    jumps.append(jump)
    while jumps.count > StoreLimits.dateJumps {
      let first = jumps.removeFirst()
      jumps[0].before = min(first.before, jumps[0].before)
    }
  }
}
