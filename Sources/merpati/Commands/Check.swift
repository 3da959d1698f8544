import ArgumentParser
import Foundation
import MailStore
import MerpatiServer

struct Check: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Verify every checksum and invariant of the store. Changes nothing.")
  @OptionGroup var data: DataOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    guard let report = try await Terminal.call(.check, in: data.directory).check else { return }
    if json {
      try Terminal.json(report)
    } else {
      print(
        "\(report.accounts) accounts, \(report.mailboxes) mailboxes, \(report.messages) messages, \(report.blobs) blobs "
          + "in \(report.packs) packs (\(ConfigValues.readable(octets: report.blobBytes)))")
      for problem in report.problems { Terminal.say("PROBLEM  \(problem)") }
      print(report.problems.isEmpty ? "clean" : "\(report.problems.count) problems")
    }
    if !report.problems.isEmpty { throw ExitCode(EX_DATAERR) }
  }
}

struct Compact: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
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
