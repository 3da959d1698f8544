import ArgumentParser
import Foundation
import MailStore
import MerpatiServer

struct Check: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Verify every checksum and invariant of the store, and repair it on demand.",
    discussion: """
      Without --repair nothing is changed. While a server runs, --repair isolates and mends damaged messages and brings back \
      messages that no row knows; everything else is done when the server is stopped. What it replaces is set aside, \
      never deleted.
      """)
  @OptionGroup var data: DataOptions
  @Flag(help: "Mend what can be mended.") var repair = false
  @Flag(help: "With --repair: show what would be done, and change nothing.") var dryRun = false
  @Flag(help: "With --repair: do not ask first.") var yes = false
  @Option(help: "With --repair: a folder for what is left of damaged messages.") var salvage: String?
  @Flag(help: "Show how far the background verification has come, and what it found.") var status = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if !repair, dryRun || yes || salvage != nil {
      throw ValidationError("--dry-run, --yes and --salvage go with --repair")
    }
    if repair, status { throw ValidationError("--repair and --status do not go together") }
  }

  func run() async throws {
    if repair { return try await runRepair() }
    if status { return try await showStatus() }
    guard let report = try await Terminal.call(.check, in: data.directory).check else { return }
    if json {
      try Terminal.json(report)
    } else {
      print(
        "\(report.accounts) accounts, \(report.mailboxes) mailboxes, \(report.messages) messages, \(report.blobs) blobs "
          + "in \(report.packs) packs (\(ConfigValues.readable(octets: report.blobBytes)))")
      for message in report.damaged { Terminal.say("DAMAGED  \(message)") }
      for problem in report.problems { Terminal.say("PROBLEM  \(problem)") }
      if report.problems.isEmpty {
        print(
          report.damaged.isEmpty ? "clean" : "clean, \(report.damaged.count) damaged messages are known and isolated")
      } else {
        print("\(report.problems.count) problems; 'merpati check --repair --dry-run' shows what can be done")
      }
    }
    if !report.problems.isEmpty { throw ExitCode(EX_DATAERR) }
  }
}

struct Compact: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact",
    abstract: "Give the disk space of deleted mail back now. The server does so by itself in the background.")
  @OptionGroup var data: DataOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    guard let report = try await Terminal.call(.compact, in: data.directory).compaction else { return }
    if json { return try Terminal.json(report) }
    print(
      "\(report.purgedMessages) messages purged, \(report.rewrittenPacks) packs rewritten, \(report.removedPacks) removed, "
        + "\(ConfigValues.readable(octets: report.freedBytes)) given back")
  }
}
