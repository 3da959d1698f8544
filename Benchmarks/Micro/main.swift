// Time and mallocs of the small things: `make bench-micro`. Arguments: the file of budgets, then a part of names to run alone.
// Exits 1 where a row takes more mallocs than its budget, or has none. Times are printed, not judged: machines are noisy.

import Foundation

struct MicroError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Lines of `MALLOCS NAME`; `#` begins a comment.
func readBudgets(_ path: String) throws -> [String: Double] {
  var budgets: [String: Double] = [:]
  for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") where !line.hasPrefix("#") {
    let words = line.split(separator: " ", maxSplits: 1)
    guard words.count == 2, let most = Double(words[0]) else { throw MicroError("\(path): \(line)") }
    budgets[words[1].trimmingCharacters(in: .whitespaces)] = most
  }
  return budgets
}

func column(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

/// Prints the table; returns how many rows take more than their budget.
func report(_ figures: [Figure], _ budgets: [String: Double]) -> Int {
  var exceeded = 0
  print("   time/op   mallocs/op   budget   operation")
  for figure in figures {
    let budget = budgets[figure.name]
    // A fraction is left free: a thread of the store may allocate once in a round.
    let isOver = figure.mallocs > (budget ?? -1) + 0.1
    exceeded += isOver ? 1 : 0
    let time =
      figure.nanoseconds < 1e4
      ? String(format: "%.0f ns", figure.nanoseconds) : String(format: "%.1f us", figure.nanoseconds / 1e3)
    print(
      column(time, 10), column(String(format: "%.2f", figure.mallocs), 12),
      column(budget.map { String(format: "%g", $0) } ?? "none", 8), " ", figure.name, isOver ? " OVER" : "")
  }
  return exceeded
}

func run(_ arguments: [String]) async throws -> Int32 {
  guard arguments.count >= 2 else {
    print("usage: microbench BUDGETS [PART-OF-A-NAME]")
    return 64
  }
  let budgets = try readBudgets(arguments[1])
  var meter = Meter(only: arguments.count > 2 ? arguments[2] : "")
  try measureCommands(&meter)
  measureMail(&meter)
  try await measureStore(&meter)
  let exceeded = report(meter.figures, budgets)
  if exceeded > 0 { print("\(exceeded) rows take more mallocs than their budget in \(arguments[1])") }
  return exceeded > 0 ? 1 : 0
}

exit(try await run(CommandLine.arguments))
