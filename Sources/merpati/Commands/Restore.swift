import ArgumentParser
import Foundation
import MailStoreSQL
import MerpatiServer

struct Restore: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Bring a backup back: the whole store, or one account also while the server runs.",
    discussion: """
      Without --account the data folder gets the whole store of that moment; the server must not run, and what was there is \
      set aside in the folder, never deleted. With --account one account's mail comes into the store as new messages; those \
      that are there already are passed over. Mailboxes that it makes are shared as they were, and their annotations come \
      back; who is no longer the same account gets no rights. What clients see is told in docs/backup.md.
      """)

  @Argument(help: ArgumentHelp("The folder of backups.", valueName: "folder")) var folder: String
  @OptionGroup var data: DataOptions
  @Option(help: ArgumentHelp("A generation by its name; the latest if none is named.", valueName: "name"))
  var generation: String?
  @Option(help: ArgumentHelp("Only this account.", valueName: "name")) var account: String?
  @Option(name: .customLong("as"), help: ArgumentHelp("Into an account of this name.", valueName: "name"))
  var newName: String?
  @Option(help: ArgumentHelp("With --account: only this mailbox. May be given again.", valueName: "name"))
  var mailbox: [String] = []
  @Flag(help: "With --account: an account that is there is renamed and disabled first, and a new one takes its name.")
  var replace = false
  @Flag(help: "With --account: bring the mail in though the account is full.") var ignoreQuota = false
  @Flag(help: "Say what would be done, and do nothing.") var dryRun = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard account == nil else { return }
    if newName != nil || replace || ignoreQuota || !mailbox.isEmpty {
      throw ValidationError("--as, --mailbox, --replace and --ignore-quota go with --account")
    }
  }

  func run() async throws {
    try await Terminal.run {
      let folder = Places.absolute(folder)
      let directory = try await data.directory
      if let account { try await restore(account, folder, directory) } else { try await restoreAll(folder, directory) }
    }
  }

  private func restoreAll(_ folder: String, _ directory: String) async throws {
    let bar = OctetBar("restore", json: json)
    let (generation, dryRun) = (generation, dryRun)
    let report = try await Interruption.ending {
      try await StoreRestore.whole(from: folder, generation: generation, data: directory, isDryRun: dryRun) {
        bar.show($0, of: $1)
      }
    }
    bar.clear()
    if json { return try Terminal.json(report) }
    print(
      "\(dryRun ? "would restore" : "restored") \(report.generation): \(report.messages) messages of "
        + "\(report.accounts) accounts, \(Text.size(report.octets)), into \(directory)")
    if let aside = report.setAside { print("what is there now \(dryRun ? "would be" : "was") set aside: \(aside)") }
    if !report.hadMarks {
      print("the data folder knows nothing of this backup: mail clients will read all mailboxes anew (UIDVALIDITY)")
    } else if !dryRun {
      print(
        "mail clients keep what they have of \(report.mailboxes - report.newUIDValidity) mailboxes of \(report.mailboxes); "
          + "\(report.renumbered) messages in them have new UIDs")
    }
    for problem in report.problems { print("damaged when the backup was taken: \(Text.plain(problem))") }
    if !dryRun { print("now: merpati check, then start the server") }
  }

  private func restore(_ account: String, _ folder: String, _ directory: String) async throws {
    var options = StoreRestore.AccountOptions(account: account)
    options.newName = newName
    options.replaces = replace
    options.ignoringQuota = ignoreQuota
    options.mailboxes = mailbox.isEmpty ? nil : Set(mailbox)
    if dryRun {
      let plan = try await StoreRestore.plan(from: folder, generation: generation, data: directory, options)
      if json { return try Terminal.json(plan) }
      let into =
        !plan.exists
        ? "a new account \(plan.into)"
        : replace ? "a new \(plan.into), the old one set aside" : "\(plan.into), which is there"
      print("would bring \(plan.messages) messages of \(plan.account) (\(plan.generation)) into \(into)")
      for name in plan.mailboxes { print("  \(Text.plain(name))") }
      return
    }
    let display = TransferDisplay(json: json)
    let (generation, wanted) = (generation, options)
    let result = try await Interruption.ending {
      try await StoreRestore.account(from: folder, generation: generation, data: directory, wanted) {
        display.report($0)
      }
    }
    if !json { print("\(result.generation): \(result.made)") }
    try display.show(result.report)
  }
}
