import MailStoreMemory
import SimulationKit

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The campaign of `make simulate`: episodes of random sessions until so many steps are done, or one script replayed
/// (docs/simulation.md).

/// Empty is not given.
func setting(_ name: String) -> String? { getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } }

var campaign = Campaign(
  steps: setting("SIMULATION_STEPS").flatMap { Int($0) } ?? 1_000_000,
  sessions: setting("SIMULATION_SESSIONS").flatMap { Int($0) } ?? 8,
  // Another one each time, and printed, so that campaigns differ and can be repeated.
  seed: setting("SIMULATION_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999_999),
  // What the model is to do wrong, to see that it is found.
  fault: setting("SIMULATION_FAULT").flatMap { MemoryFault(rawValue: $0) },
  say: { line in
    print(line)
    // A long campaign is watched through a pipe or in a log.
    fflush(nil)
  })
campaign.isLoud = setting("SIMULATION_LOUD") != nil

do {
  if CommandLine.arguments.count > 1 {
    var isEqual = true
    for path in CommandLine.arguments.dropFirst() {
      if try await !campaign.replay(path) { isEqual = false }
    }
    exit(isEqual ? 0 : 1)
  }
  exit(try await campaign.run() ? 0 : 1)
} catch {
  print("simulation: \(error)")
  exit(2)
}
