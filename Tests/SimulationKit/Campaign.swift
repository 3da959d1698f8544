public import MailStoreMemory

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Episode after episode, each from a seed of its own that follows from the campaign's.
public struct Campaign: Sendable {
  public var steps: Int
  public var sessions: Int
  public var seed: UInt64
  /// What the model does wrong.
  public var fault: MemoryFault?
  public var say: @Sendable (String) -> Void
  /// Every step is said, with its answer.
  public var isLoud = false

  /// A fresh store for so many steps: mailboxes get old, and a failing script stays short enough to be cut down.
  static let episode = 2000

  public init(
    steps: Int, sessions: Int, seed: UInt64, fault: MemoryFault? = nil, say: @escaping @Sendable (String) -> Void
  ) {
    self.fault = fault
    self.steps = steps
    self.sessions = sessions
    self.seed = seed
    self.say = say
  }

  /// False: the stores differed; the script is told, cut down.
  public func run() async throws -> Bool {
    say("simulation: \(steps) steps, \(sessions) sessions, seed \(seed)")
    let simulation = try Simulation(fault: fault)
    var kinds: [String: (count: Int, refused: Int)] = [:]
    var done = 0
    var episode: UInt64 = 0
    let start = ContinuousClock.now
    var nextWord = start + .seconds(10)
    while done < steps {
      let script = ScriptGenerator.script(
        seed: seed &+ episode, sessions: sessions, steps: min(Self.episode, steps - done))
      let outcome = try await simulation.run(script) { step, answer in
        kinds[step.kind, default: (0, 0)].count += 1
        if Self.isRefusal(answer) { kinds[step.kind, default: (0, 0)].refused += 1 }
        if isLoud { say("\(step)\n\(answer)") }
        done += 1
      }
      if case .differs(let difference) = outcome {
        say("simulation: differs in the episode with seed \(script.seed), after \(done) equal steps")
        say(Story.tell(script, difference).split(separator: "\n").prefix { $0.hasPrefix("#") }.joined(separator: "\n"))
        var shrinker = Shrinker(simulation)
        if let (short, difference) = try await shrinker.shrink(script) {
          say("simulation: cut down to \(short.steps.count) steps by \(shrinker.runs) plays; replay it with")
          say("  make simulate SIMULATION_SCRIPT=FILE")
          say(Story.tell(short, difference))
        } else {
          say("simulation: it did not differ when it was played again")
        }
        await simulation.close()
        return false
      }
      episode += 1
      if ContinuousClock.now >= nextWord {
        nextWord = ContinuousClock.now + .seconds(10)
        say("  \(done) steps, \(rate(done, start)) a second, next seed \(seed &+ episode)")
      }
    }
    await simulation.close()
    for (kind, tally) in kinds.sorted(by: { ($0.value.count, $1.key) > ($1.value.count, $0.key) }) {
      say("  \(String(tally.count).padded(9)) \(kind)\(tally.refused > 0 ? " (\(tally.refused) refused)" : "")")
    }
    say(
      "simulation: equal. \(done) steps by \(sessions) sessions in \(episode) episodes, seeds \(seed) to "
        + "\(seed &+ episode &- 1), \(rate(done, start)) steps a second")
    return true
  }

  /// Did the last line of the answer say no?
  private static func isRefusal(_ answer: String) -> Bool {
    let last = answer.split(separator: "\r\n").last { !$0.hasPrefix("session ") } ?? ""
    let words = last.split(separator: " ", maxSplits: 2)
    guard let first = words.first else { return false }
    return first == "-ERR" || first.hasPrefix("5") || first.hasPrefix("4")
      || (words.count > 1 && (words[1] == "NO" || words[1] == "BAD"))
  }

  private func rate(_ steps: Int, _ start: ContinuousClock.Instant) -> Int {
    let (seconds, atto) = (ContinuousClock.now - start).components
    return Int(Double(steps) / (Double(seconds) + Double(atto) / 1e18))
  }

  /// Plays a script from a file. False: the stores differ.
  public func replay(_ path: String) async throws -> Bool {
    let script = try SimulationScript(parsing: try Self.read(path))
    let simulation = try Simulation(fault: fault)
    let outcome = try await simulation.run(script)
    await simulation.close()
    switch outcome {
    case .equal:
      say("simulation: equal. \(path), \(script.steps.count) steps")
      return true
    case .differs(let difference):
      say(Story.tell(script, difference))
      return false
    }
  }

  /// The whole of a text file.
  public static func read(_ path: String) throws -> String {
    guard let file = fopen(path, "r") else { throw ScriptError("\(path) cannot be read") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&part, 1, part.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += part[..<count]
    }
  }
}

extension String {
  fileprivate func padded(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}

extension Campaign {
  /// The scripts of a folder, by name.
  public static func files(in folder: String) throws -> [String] {
    guard let directory = opendir(folder) else { throw ScriptError("\(folder) cannot be read") }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasSuffix(".txt") { names.append("\(folder)/\(name)") }
    }
    return names.sorted()
  }
}
