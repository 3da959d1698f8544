import ArgumentParser
import IMAPClient
import LocalMail
import MailClient
import MailNet
import MailTransfer
import MerpatiServer
import NIOPosix

struct Import: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Bring mail into an account: from a Maildir, mbox files or another server.",
    discussion: """
      From maildir:DIR (as Dovecot or Courier keep it: UIDs, UIDVALIDITY, POP3 UIDLs, keywords, dates and subscriptions come \
      along, so that no client downloads again), mbox:FILE or mbox:FOLDER, or a server by imaps://user@host. Works while \
      the server runs. What is there already is not brought again, so a run that was interrupted is simply run again. At \
      the end every message is read again on both sides and compared.
      """)

  @Argument(help: ArgumentHelp("maildir:DIR, mbox:FILE, imaps://user@host or imap://", valueName: "source"))
  var source: String
  @OptionGroup var data: DataOptions
  @Option(help: "The account that gets the mail.") var account: String
  @OptionGroup var remote: RemoteOptions
  @Option(help: ArgumentHelp("Only this mailbox, by its name in the account. May be given again.", valueName: "name"))
  var mailbox: [String] = []
  @Option(help: ArgumentHelp("For a single mbox file: the mailbox it goes to.", valueName: "name")) var into = "INBOX"
  @Option(
    help: ArgumentHelp(
      "How the old server made POP3 UIDLs (Dovecot's pop3_uidl_format), or none. A Maildir's default is Dovecot's.",
      valueName: "format"))
  var uidlFormat: String?
  @Flag(help: "Give messages new UIDs.") var newUids = false
  @Flag(help: "Bring the mail in though the account is full.") var ignoreQuota = false
  @Flag(help: "Do not compare both sides at the end.") var noVerify = false
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await Terminal.run {
      var options = ImportOptions()
      options.keepsUIDs = !newUids
      options.verifies = !noVerify
      options.mailboxes = mailbox.isEmpty ? nil : Set(mailbox)
      let display = TransferDisplay(json: json)
      let report = try await Interruption.ending { [options] in
        let door = try await StoreDoor.open(directory: try await data.directory)
        do {
          let report = try await transfer(to: door.account(account, ignoringQuota: ignoreQuota), options, display)
          await door.close()
          return report
        } catch {
          await door.close()
          throw error
        }
      }
      try display.show(report)
    }
  }

  private func transfer(
    to destination: AccountDoor, _ options: ImportOptions, _ display: TransferDisplay
  ) async throws -> TransferReport {
    let threads = NIOThreadPool.singleton
    func run(_ origin: any ImportOrigin) async -> TransferReport {
      await MailImport(from: origin, to: destination, options: options)
        .run(account: account, reporter: { display.report($0) })
    }
    switch try TransferPlace(source) {
    case .maildir(let path):
      return await run(
        MaildirOrigin(MaildirTree(root: path), uidlFormat: try format(orElse: .dovecot), threads: threads))
    case .mbox(let path):
      return await run(try await MboxOrigin(path, mailbox: into, threads: threads))
    case .server(let url):
      let remote = try Remote(url, self.remote)
      guard remote.server.mailProtocol == .imap else {
        throw Refusal.usage(
          "\(source): import takes imap:// or imaps://; POP3 has neither folders nor flags (see 'pull')")
      }
      let client = try await IMAPClient.connect(
        to: remote.server, group: MultiThreadedEventLoopGroup.singleton, timeouts: .init())
      do {
        try await client.logIn(user: remote.user, remote.credential, compress: true)
        let report = await run(IMAPOrigin(client, name: remote.name, uidlFormat: try format(orElse: nil)))
        await client.logOut()
        return report
      } catch {
        await client.abandon()
        throw error
      }
    }
  }

  private func format(orElse usual: UIDLFormat?) throws -> UIDLFormat? {
    guard let uidlFormat else { return usual }
    if uidlFormat == "none" { return nil }
    do { return try UIDLFormat(uidlFormat) } catch { throw Refusal.usage("--uidl-format: \(error)") }
  }
}
