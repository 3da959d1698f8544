import ArgumentParser
import Dispatch
import MerpatiServer

@main
struct Merpati: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merpati",
    abstract: "A mail access system: IMAP, POP3 and LMTP over one store with exact quotas.",
    version: MerpatiVersion.text,
    subcommands: [
      Serve.self, AccountCommand.self, ACLCommand.self, QuotaCommand.self, MetadataCommand.self, Deliver.self,
      Pull.self, ListMail.self,
      ReadMail.self,
      ChooseCommand.self, Authorize.self, Import.self, Export.self, Check.self, Compact.self, Backup.self,
      Restore.self, Undelete.self, Config.self,
    ])

  /// Not `async`: the main thread of an asynchronous one ends half-way, as Dispatch has it, and what half-way ended takes
  /// no part when `serve` gives up root. So it waits here instead.
  static func main() {
    Interruption.holdStandardFiles()
    ProcessHardening.hideMemory()
    // Before there are other threads: it holds for one and for those that it makes.
    if CommandLine.arguments.dropFirst().first == Serve._commandName { ProcessHardening.forbidNewPrivileges() }
    let done = DispatchSemaphore(value: 0)
    // Detached: `main` belongs to the main actor, which waits.
    Task.detached {
      await main(nil)
      done.signal()
    }
    done.wait()
  }
}

/// Where the data folder is: every command that touches mail takes it.
struct DataOptions: ParsableArguments {
  @Option(help: "The data folder.")
  var data: String?

  var directory: String {
    get async throws { try await DataFolder.resolve(flag: data) }
  }
}
