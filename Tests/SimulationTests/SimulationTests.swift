import MailStoreMemory
import SimulationKit
import Testing

/// A few seconds of what `make simulate` does for long (docs/simulation.md).
@Suite struct SimulationTests {
  private func play(_ script: SimulationScript) async throws {
    let simulation = try Simulation()
    let outcome = try await simulation.run(script)
    if case .differs(let difference) = outcome {
      var shrinker = Shrinker(simulation, mostRuns: 150)
      let short = try await shrinker.shrink(script)
      Issue.record("\(Story.tell(short?.script ?? script, short?.difference ?? difference))")
    }
    await simulation.close()
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
  func `Random sessions hear the same from SQLite and from the model`(_ seed: UInt64) async throws {
    try await play(ScriptGenerator.script(seed: seed, sessions: 8, steps: 300))
  }

  @Test func `So they do with a seed that nobody has tried`() async throws {
    let seed = UInt64.random(in: 1_000_000_000...9_999_999_999)
    print("simulation: seed \(seed)")
    try await play(ScriptGenerator.script(seed: seed, sessions: 8, steps: 300))
  }

  @Test func `A script reads back as it was printed`() throws {
    for seed in 1...20 as ClosedRange<UInt64> {
      let script = ScriptGenerator.script(seed: seed, sessions: 8, steps: 300)
      #expect(try SimulationScript(parsing: script.description) == script)
    }
    #expect(throws: ScriptError.self) { try SimulationScript(parsing: "@session 1 gopher ana\n") }
    #expect(throws: ScriptError.self) { try SimulationScript(parsing: "@quota ana octets\n") }
  }

  /// Scripts that once made the two differ.
  @Test(arguments: try SavedScript.all())
  func `A saved script is answered alike`(_ saved: SavedScript) async throws {
    try await play(saved.script)
  }

  /// The harness is worth nothing if it cannot fail: with a defect in the model it must, and soon. (The other defects of
  /// `MemoryFault` are for `SIMULATION_FAULT`, see docs/simulation.md.)
  @Test(arguments: [MemoryFault.storeKeepsModSeq, .uidReused, .copyUncharged])
  func `A defect in the model is found and cut down to a few steps`(_ fault: MemoryFault) async throws {
    let simulation = try Simulation(fault: fault)
    var found: (script: SimulationScript, difference: Simulation.Difference)?
    var shrinker = Shrinker(simulation, mostRuns: 80)
    var steps = 0
    for seed in 1...20 as ClosedRange<UInt64> where found == nil {
      let script = ScriptGenerator.script(seed: seed, sessions: 4, steps: 150)
      steps += script.steps.count
      if case .differs = try await simulation.run(script) { found = try await shrinker.shrink(script) }
    }
    let short = try #require(found, "\(fault) was not found in \(steps) steps")
    print(
      "simulation: \(fault.rawValue) found in \(steps) steps, cut to \(short.script.steps.count) by \(shrinker.runs) plays"
    )
    #expect(short.script.steps.count <= 12, "\(Story.tell(short.script, short.difference))")
    // What was cut down is a script like any other: read back from its text it still differs.
    let replayed = try await simulation.run(
      try SimulationScript(parsing: Story.tell(short.script, short.difference)))
    if case .equal = replayed { Issue.record("replayed from its text it is equal") }
    await simulation.close()
  }
}

struct SavedScript: Sendable, CustomTestStringConvertible {
  let name: String
  let script: SimulationScript
  var testDescription: String { name }

  /// Tests/Simulation/*.txt
  static func all() throws -> [SavedScript] {
    let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    return try Campaign.files(in: "/\(folder)/Simulation").map { path in
      SavedScript(
        name: String(path.split(separator: "/").last ?? ""),
        script: try SimulationScript(parsing: try Campaign.read(path)))
    }
  }
}
