import ArgumentParser
import Foundation
import MailClient
import MailStore
import MerpatiServer
import Synchronization

extension Check {
  func runRepair() async throws {
    let directory = try await data.directory
    try confirm(directory)
    let options = RepairOptions(dryRun: dryRun, salvage: salvage.map(Self.absolute) ?? "")
    let bar = ProgressBar(isShown: !json && isatty(STDERR_FILENO) == 1)
    let (report, isOnline) = try await Terminal.run {
      defer { bar.end() }
      return try await DataFolder.repair(options, in: directory) { bar.show($0) }
    }
    if json { try Terminal.json(report) } else { show(report, isOnline: isOnline) }
    if !report.remaining.isEmpty { throw ExitCode(EX_DATAERR) }
  }

  /// Whoever sits at a terminal is asked; a script has said what it wants.
  private func confirm(_ directory: String) throws {
    guard !yes, !dryRun, isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return }
    Terminal.write(
      "Repair the store in \(Text.plain(directory))? What is replaced is set aside. "
        + "'--dry-run' shows what would be done. [y/N] ", to: STDERR_FILENO)
    guard ["y", "yes"].contains(readLine()?.trimmingCharacters(in: .whitespaces).lowercased()) else {
      throw Terminal.fail(ControlFailure(.temporary, "nothing was changed"))
    }
  }

  /// The server may have another working directory.
  private static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }

  private func show(_ report: RepairReport, isOnline: Bool) {
    let would = report.isDryRun ? "would be done" : "done"
    if report.actions.isEmpty { print("nothing to repair") }
    for action in report.actions { print("\(would.uppercased())  \(Text.plain(action))") }
    for account in report.accounts {
      var facts: [String] = []
      if account.restored > 0 { facts.append("\(account.restored) messages came back") }
      if account.recovered > 0 { facts.append("\(account.recovered) messages are in the mailbox Recovered") }
      if account.lost > 0 { facts.append("\(account.lost) messages are lost") }
      if account.damaged > 0 { facts.append("\(account.damaged) messages are damaged") }
      if account.needsPassword {
        facts.append("it has no password: 'merpati account passwd \(account.name) --password-stdin' sets one")
      }
      if !account.renewed.isEmpty { facts.append("clients load anew: \(account.renewed.joined(separator: ", "))") }
      facts += account.unknown
      print("ACCOUNT  \(Text.plain(account.name)): \(Text.plain(facts.joined(separator: "; ")))")
    }
    for message in report.damaged { print("DAMAGED  \(Text.plain(message))") }
    for file in report.salvaged { print("SALVAGED \(Text.plain(file))") }
    for file in report.setAside { print("ASIDE    \(Text.plain(file))") }
    for problem in report.remaining { print("REMAINS  \(Text.plain(problem))") }
    if report.remaining.isEmpty, !report.isDryRun { print(isOnline ? "clean (the server runs on)" : "clean") }
  }

  // MARK: Status

  func showStatus() async throws {
    guard let status = try await Terminal.call(.scrubStatus, in: data.directory).scrub else { return }
    if json {
      try Terminal.json(status)
    } else {
      let rate = status.rate > 0 ? "\(ConfigValues.readable(octets: status.rate)) a second" : "not running"
      print("background verification: \(rate)")
      print("last whole round: \(Self.moment(status.roundEnded))")
      if status.roundBegun > 0 {
        let share = status.totalBytes > 0 ? Int(min(100, status.doneBytes * 100 / status.totalBytes)) : 100
        print(
          "round under way: since \(Self.moment(status.roundBegun)), \(share) % of "
            + ConfigValues.readable(octets: status.totalBytes))
      }
      let verdict = status.databaseIsSound ? "sound" : "DAMAGED: stop the server and run 'merpati check --repair'"
      print(
        "database: \(status.databaseChecked > 0 ? verdict : "not looked at yet"), \(Self.moment(status.databaseChecked))"
      )
      if let index = status.searchIndex { print("search index: \(Self.facts(of: index))") }
      for message in status.damaged { print("DAMAGED  \(Text.plain(message))") }
    }
    if !status.databaseIsSound || !status.damaged.isEmpty { throw ExitCode(EX_DATAERR) }
  }

  private static func facts(of index: SearchIndexStatus) -> String {
    var facts = [
      "\(index.waiting) waiting", "\(index.indexed) indexed since the start",
      "\(ConfigValues.readable(octets: index.octets)) in \(index.segments) segments",
    ]
    if index.indexed > 0 { facts.append("\(index.microseconds / index.indexed) µs each") }
    if let trouble = index.trouble { facts.append("PAUSED: \(Text.plain(trouble))") }
    return facts.joined(separator: ", ")
  }

  private static func moment(_ seconds: Int64) -> String {
    guard seconds > 0 else { return "never" }
    return Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
  }
}

/// One line that is written over and over.
private final class ProgressBar: Sendable {
  private let display: ProgressDisplay?
  private struct State {
    var phase = ""
    var next = ContinuousClock.now
  }
  private let state = Mutex(State())

  init(isShown: Bool) { display = isShown ? ProgressDisplay(json: false) : nil }

  func show(_ progress: RepairProgress) {
    guard let display else { return }
    let (old, isDue) = state.withLock { state -> (String, Bool) in
      let isDue = state.phase != progress.phase || ContinuousClock.now >= state.next
      defer {
        state.phase = progress.phase
        if isDue { state.next = .now + .milliseconds(200) }
      }
      return (state.phase, isDue)
    }
    if !old.isEmpty, old != progress.phase { display.report(JobEvent(.finished, account: old)) }
    guard isDue else { return }
    display.report(JobEvent(.progress, account: progress.phase, done: progress.done, total: progress.total))
  }

  func end() {
    let phase = state.withLock { $0.phase }
    if !phase.isEmpty { display?.report(JobEvent(.finished, account: phase)) }
  }
}
