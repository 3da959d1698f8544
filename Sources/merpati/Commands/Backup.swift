import ArgumentParser
import Foundation
import MailStoreSQL
import MerpatiServer

struct Backup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy the whole store into a folder, also while the server runs.",
    discussion: """
      Each run makes a generation, a folder named after its moment (UTC), that is complete by itself. What has not changed \
      since the one before is shared with it, so the next one costs only what is new, and the databases. A run that was cut \
      leaves nothing that looks like a backup. See docs/backup.md.
      """)

  @Argument(help: ArgumentHelp("The folder of backups, best on another disk.", valueName: "folder")) var folder: String
  @OptionGroup var data: DataOptions
  @Option(help: ArgumentHelp("Keep so many generations, and remove older ones.", valueName: "n")) var keep: Int?
  @Flag(help: "Copy nothing: read what is there again, and compare it with its checksums.") var verify = false
  @Option(help: ArgumentHelp("With --verify: only this one.", valueName: "name")) var generation: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if let keep, keep < 1 { throw ValidationError("--keep: at least 1") }
    if generation != nil, !verify { throw ValidationError("--generation goes with --verify") }
    if keep != nil, verify { throw ValidationError("--keep and --verify do not go together") }
  }

  func run() async throws {
    try await Terminal.run {
      let folder = Places.absolute(folder)
      if verify { return try await runVerify(folder) }
      let directory = try await data.directory
      let bar = OctetBar("backup", json: json)
      let options = BackupRun.Options(keep: keep)
      let report = try await Interruption.ending {
        try await StoreBackup.run(data: directory, to: folder, options: options) { bar.show($0, of: $1) }
      }
      bar.clear()
      if json { try Terminal.json(report) } else { show(report) }
      if !report.problems.isEmpty { throw ExitCode(EX_DATAERR) }
    }
  }

  private func show(_ report: BackupRun.Report) {
    print(
      "\(report.generation): \(report.messages) messages of \(report.accounts) accounts, \(Text.size(report.octets)); "
        + "copied \(Text.size(report.copied)), of which \(Text.size(report.packs)) mail")
    for name in report.removed { print("removed \(name)") }
    for problem in report.problems { print("PROBLEM  \(Text.plain(problem))") }
  }

  private func runVerify(_ folder: String) async throws {
    let bar = OctetBar("verify", json: json)
    let generation = generation
    let report = try await Interruption.ending {
      try await StoreBackup.verify(folder, generation: generation) { bar.show($0, of: $1) }
    }
    bar.clear()
    if json {
      try Terminal.json(report)
    } else {
      for generation in report.generations {
        print(
          "\(generation.name): \(generation.messages) messages of \(generation.accounts) accounts, "
            + "\(Text.size(generation.octets)): \(generation.problems.isEmpty ? "as it was written" : "DAMAGED")")
        for problem in generation.problems { print("PROBLEM  \(Text.plain(problem))") }
        for problem in generation.storeProblems { print("in the store already: \(Text.plain(problem))") }
      }
      print("read \(Text.size(report.octets))")
    }
    if !report.isClean { throw ExitCode(EX_DATAERR) }
  }
}
