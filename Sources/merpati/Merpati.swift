import ArgumentParser
import MerpatiServer

@main
struct Merpati: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merpati",
    abstract: "A mail access system: IMAP, POP3 and LMTP over one store with exact quotas.",
    version: MerpatiVersion.text,
    subcommands: [
      Serve.self, AccountCommand.self, QuotaCommand.self, Deliver.self, Pull.self, ListMail.self, ReadMail.self,
      ChooseCommand.self, Authorize.self, Import.self, Export.self, Check.self, Compact.self, Config.self,
    ])

  static func main() async {
    Interruption.holdStandardFiles()
    ProcessHardening.hideMemory()
    await main(nil)
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
