import ArgumentParser
import LocalMail
import MailTransfer
import MerpatiServer
import NIOPosix

struct Export: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write an account's mail into a Maildir or mbox files.",
    discussion: """
      maildir:DIR is written as Dovecot keeps it, with UIDs, UIDVALIDITY, POP3 UIDLs, keywords and subscriptions, so that a \
      Dovecot over it goes on where this server was. Works while the server runs; a run that was interrupted is simply run \
      again. At the end every message is read again on both sides and compared.
      """)

  @OptionGroup var data: DataOptions
  @Option(help: "The account.") var account: String
  @Option(help: ArgumentHelp("maildir:DIR or mbox:FOLDER", valueName: "target")) var to: String
  @Option(help: ArgumentHelp("Only this mailbox. May be given again.", valueName: "name")) var mailbox: [String] = []
  @Flag(help: "Do not compare both sides at the end.") var noVerify = false
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await Terminal.run {
      var options = ExportOptions()
      options.verifies = !noVerify
      options.mailboxes = mailbox.isEmpty ? nil : Set(mailbox)
      let place = try TransferPlace(to)
      let display = TransferDisplay(json: json)
      let report = try await Interruption.ending { [options] in
        let target: any ExportTarget
        switch place {
        case .maildir(let path):
          target = MaildirTarget(MaildirTree(root: path), threads: NIOThreadPool.singleton)
        case .mbox(let path): target = MboxTarget(path, threads: NIOThreadPool.singleton)
        case .server: throw Refusal.usage("--to: export takes maildir:DIR or mbox:FOLDER")
        }
        let door = try await StoreDoor.open(directory: try await data.directory)
        let report = await MailExport(from: door.account(account), to: target, options: options)
          .run(account: account, reporter: { display.report($0) })
        await door.close()
        return report
      }
      try display.show(report)
    }
  }
}
