/// Cuts a script that makes two stores differ down to what it takes: drops ever smaller pieces, and keeps what still fails.
public struct Shrinker {
  /// Plays of a script, at most.
  public var mostRuns: Int
  public private(set) var runs = 0
  private let simulation: Simulation

  public init(_ simulation: Simulation, mostRuns: Int = 400) {
    self.simulation = simulation
    self.mostRuns = mostRuns
  }

  /// The shortest script found that still differs, and how. Nil: this one does not differ.
  public mutating func shrink(
    _ script: SimulationScript
  ) async throws -> (script: SimulationScript, difference: Simulation.Difference)? {
    guard var best = try await failing(script) else { return nil }
    best = try await withLessRoom(best)
    var piece = max(best.script.steps.count / 2, 1)
    while runs < mostRuns {
      var hasShrunk = false
      var end = best.script.steps.count
      // From the end: what comes late depends on what comes early.
      while end > 0, runs < mostRuns {
        let start = max(end - piece, 0)
        var shorter = best.script
        shorter.steps.removeSubrange(start..<min(end, shorter.steps.count))
        if let found = try await failing(shorter) {
          best = found
          hasShrunk = true
        }
        end = min(start, best.script.steps.count)
      }
      if piece == 1, !hasShrunk { break }
      if !hasShrunk || piece > best.script.steps.count / 2 { piece = max(piece / 2, 1) }
    }
    return try await withoutIdlers(best)
  }

  /// The script up to where it differs, if it does.
  private mutating func failing(
    _ script: SimulationScript
  ) async throws -> (script: SimulationScript, difference: Simulation.Difference)? {
    runs += 1
    guard case .differs(let difference) = try await simulation.run(script) else { return nil }
    var cut = script
    cut.steps = Array(script.steps.prefix(difference.step + 1))
    return (cut, difference)
  }

  /// Full accounts need many messages, unless they are small: then a few do.
  private mutating func withLessRoom(
    _ best: (script: SimulationScript, difference: Simulation.Difference)
  ) async throws -> (script: SimulationScript, difference: Simulation.Difference) {
    guard best.difference.sqlite.contains("OVERQUOTA") || best.difference.model.contains("OVERQUOTA") else {
      return best
    }
    for messages in [2, 5] as [Int64] {
      var smaller = best.script
      for index in smaller.owners.indices { smaller.owners[index].messages = messages }
      smaller.steps.removeAll { step in
        if case .quota = step { return true }
        return false
      }
      if let found = try await failing(smaller) { return found }
    }
    return best
  }

  /// Sessions and accounts that say nothing go, and so do the settings if they do not matter.
  private mutating func withoutIdlers(
    _ best: (script: SimulationScript, difference: Simulation.Difference)
  ) async throws -> (script: SimulationScript, difference: Simulation.Difference) {
    var best = best
    var plain = best.script
    let said = best.script.steps
    plain.clients.removeAll { client in
      !said.contains { step in
        if case .say(client.number, _) = step { return true }
        return step == .drop(client.number)
      }
    }
    let clients = plain.clients
    plain.owners.removeAll { owner in
      let addresses = [" \(owner.name)", " \(owner.name.prefix { $0 != "@" })+"]
      return !clients.contains { $0.account == owner.name }
        && !said.contains { step in addresses.contains { step.description.contains($0) } }
    }
    if let found = try await failing(plain) { best = found }
    for change: (inout SimulationScript) -> Void in [
      { $0.smallSlices = false }, { $0.forgetsViews = false }, { $0.isShared = false }, { $0.retention = 0 },
    ] {
      var plainer = best.script
      change(&plainer)
      if plainer != best.script, let found = try await failing(plainer) { best = found }
    }
    return best
  }
}
