import ArgumentParser
import Foundation
import MailClient
import MailPull
import MailSync
import MerpatiServer
import NIOPosix

struct Pull: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Bring mail home from a server: by POP3 all of it, by IMAP in step.",
    discussion: """
      pull pop3 downloads every new message and deletes it on the server once it is proved to be at home. pull imap keeps a \
      Maildir in step with a server, one way or two. pull --config FILE does so for any number of accounts.

      Everything may be interrupted at any moment; the next run goes on from there.
      """,
    subcommands: [PullAccounts.self, PullPOP3.self, PullIMAP.self, PullUndo.self], defaultSubcommand: PullAccounts.self)
}

/// `merpati pull --config FILE [ACCOUNT...]`
struct PullAccounts: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accounts", abstract: "The accounts of a configuration file, several at a time (this is the default).")

  @Option(help: ArgumentHelp("The YAML file with the accounts.", valueName: "file"))
  var config: String
  @Argument(help: "Names of accounts; all if none is given.") var accounts: [String] = []
  @Option(help: ArgumentHelp("Accounts at a time.", valueName: "n")) var parallel = 4
  @Flag(help: "Print an event in JSON a line.") var json = false

  func run() async throws {
    let code = try await Terminal.run {
      guard (1...64).contains(parallel) else { throw Refusal.usage("--parallel: \(parallel) is not 1 to 64") }
      let file = Places.absolute(config)
      let configuration = try PullConfiguration(file: file, home: Places.home)
      let chosen = try configuration.accounts(named: accounts, file: file)
      let secrets = Set(configuration.accounts.flatMap(\.credential.environmentVariables))
      let work = try PullWork(display: ProgressDisplay(json: json), hiding: secrets)
      let parallel = parallel
      let codes = try await Interruption.ending {
        await PullAll.run(chosen, parallel: parallel) { account in
          do {
            return try await Self.pull(account, work)
          } catch {
            let refusal = Refusal(error)
            work.display.report(.init(.failed, account: account.name, text: refusal.sentence))
            return refusal.code.rawValue
          }
        }
      }
      return codes.first { $0 != EX_OK } ?? EX_OK
    }
    if code != EX_OK { throw ExitCode(code) }
  }

  private static func pull(_ account: PullAccount, _ work: PullWork) async throws -> Int32 {
    let credential = try account.credential.credential(server: account.server, group: work.context.group)
    guard account.server.mailProtocol == .imap else { return await work.pop3(account, credential, knowledge: nil) }
    guard case .maildir(let directory) = account.destination else {
      throw Refusal(code: .configuration, sentence: "\(account.name): IMAP goes to maildir:DIR")
    }
    guard let user = account.server.user else {
      throw Refusal(code: .configuration, sentence: "\(account.name): the URL names no user")
    }
    var settings = SyncSettings(mode: SyncMode(rawValue: account.mode.rawValue) ?? .mirror)
    settings.mailboxes = account.mailboxes
    return await work.imap(
      .init(
        name: account.name, server: account.server, user: user, credential: credential, directory: directory,
        settings: settings, watches: false, compresses: true))
  }
}

struct PullPOP3: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pop3", abstract: "Download all new mail by POP3, then delete it on the server.",
    discussion: """
      A message is deleted on the server only after its file and its folder are synced and its bytes were read again from \
      the disk and found right. Targets: maildir:DIR, mbox:FILE, lmtp:HOST:PORT or lmtp:unix:PATH, mda:COMMAND (one message \
      on standard input, codes of sysexits), store:DATA/ACCOUNT (a Merpati store).
      """)

  @Argument(help: ArgumentHelp("pop3s://user@host or pop3://user@host", valueName: "url")) var url: String
  @Option(help: ArgumentHelp("Where the mail goes.", valueName: "target")) var to: String
  @OptionGroup var remote: RemoteOptions
  @Flag(help: "Delete what is at home (the default).") var delete = false
  @Flag(help: "Delete nothing on the server.") var keep = false
  @Option(help: ArgumentHelp("Delete what came home so many days ago.", valueName: "n")) var keepDays: Int?
  @Option(
    help: ArgumentHelp("Delete the oldest until less than this share of the quota is used.", valueName: "percent"))
  var keepUnder: Int?
  @Option(help: ArgumentHelp("For --keep-under: the quota, such as 2G.", valueName: "size")) var quota: String?
  @Option(
    help: ArgumentHelp(
      "For --keep-under: ask this server for the quota and for what is unread. Same user and password.",
      valueName: "url"))
  var quotaFrom: String?
  @Option(help: ArgumentHelp("For lmtp: the address there; else the user of the URL.", valueName: "address"))
  var recipient: String?
  @Flag(help: "For lmtp and mda: deliver again what may have been delivered when a run was cut short.")
  var atLeastOnce = false
  @Option(help: ArgumentHelp("Let deletions happen every so many messages, in a session each.", valueName: "n"))
  var commitEvery: Int?
  @Flag(help: "Print an event in JSON a line.") var json = false

  func run() async throws {
    let code = try await Terminal.run {
      let options = try self.options()
      let destination = try Places.destination(to)
      let remote = try Remote(url, self.remote)
      guard remote.server.mailProtocol == .pop3 else {
        throw Refusal.usage("\(url): pull pop3 takes a pop3:// or pop3s:// URL")
      }
      let account = PullAccount(
        name: remote.name, server: remote.server,
        credential: .password(.value("")), destination: destination, recipient: recipient, options: options,
        mode: .mirror, mailboxes: [])
      let (work, side) = (try PullWork(display: ProgressDisplay(json: json)), try knowledge(remote))
      return try await Interruption.ending { await work.pop3(account, remote.credential, knowledge: side) }
    }
    if code != EX_OK { throw ExitCode(code) }
  }

  private func options() throws -> PullOptions {
    var options = PullOptions()
    var policies: [PullPolicy] = []
    if delete { policies.append(.delete) }
    if keep { policies.append(.keep) }
    if let keepDays {
      guard (0...36_500).contains(keepDays) else { throw Refusal.usage("--keep-days: \(keepDays) is not 0 to 36500") }
      policies.append(.keepDays(keepDays))
    }
    if let keepUnder {
      guard (1...100).contains(keepUnder) else { throw Refusal.usage("--keep-under: \(keepUnder) is not 1 to 100") }
      policies.append(.keepUnder(percent: keepUnder))
    }
    guard policies.count <= 1 else {
      throw Refusal.usage("--delete, --keep, --keep-days and --keep-under exclude each other")
    }
    options.policy = policies.first ?? .delete
    if let quota {
      guard let octets = ConfigValues.octets(quota) else {
        throw Refusal.usage("--quota: '\(quota)' is not a size such as 500M or 2G")
      }
      options.quotaOctets = octets
    }
    options.deliversDoubtfulAgain = atLeastOnce
    if let commitEvery {
      guard commitEvery > 0 else { throw Refusal.usage("--commit-every: \(commitEvery) is not above 0") }
      options.commitEvery = commitEvery
    }
    return options
  }

  private func knowledge(_ remote: Remote) throws -> (any DropKnowledge)? {
    guard let quotaFrom else { return nil }
    let side = try Remote(quotaFrom, self.remote, user: remote.user, credential: remote.credential)
    guard side.server.mailProtocol == .imap else {
      throw Refusal.usage("--quota-from takes an imap:// or imaps:// URL: POP3 shows no quota")
    }
    return IMAPKnowledge(server: side.server, user: side.user, credential: side.credential)
  }
}

struct PullIMAP: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imap", abstract: "Keep a Maildir in step with a server by IMAP.",
    discussion: """
      mirror: the server is right, the Maildir follows. sync: changes go both ways. headers: only headers and structure are \
      kept, in a database; bodies come when they are asked for.

      Before many messages would be deleted on either side, that mailbox stops and says so: --allow-delete. What is deleted \
      locally is kept for 30 days: 'merpati pull undo'.
      """)

  @Argument(help: ArgumentHelp("imaps://user@host or imap://user@host", valueName: "url")) var url: String
  @Option(help: ArgumentHelp("maildir:DIR", valueName: "target")) var to: String
  @OptionGroup var remote: RemoteOptions
  @Option(help: ArgumentHelp("mirror, sync or headers.", valueName: "mode")) var mode: Mode = .mirror
  @Option(help: ArgumentHelp("Only this mailbox; * and % as in LIST. May be given again.", valueName: "name"))
  var mailbox: [String] = []
  @Option(help: ArgumentHelp("Let a mailbox lose so many messages in one run: a number, or all.", valueName: "n"))
  var allowDelete: String?
  @Flag(help: "Stay connected and follow changes on both sides.") var watch = false
  @Option(help: ArgumentHelp("Connections at a time.", valueName: "n")) var connections = 3
  @Flag(help: "Do not fetch messages into the quarantine before they are deleted on the server.") var noQuarantine =
    false
  @Flag(help: "Print an event in JSON a line.") var json = false

  enum Mode: String, ExpressibleByArgument, CaseIterable { case mirror, sync, headers }

  func run() async throws {
    let code = try await Terminal.run {
      guard case .maildir(let directory) = try Places.destination(to) else {
        throw Refusal.usage("--to: pull imap takes maildir:DIR")
      }
      guard (1...16).contains(connections) else { throw Refusal.usage("--connections: \(connections) is not 1 to 16") }
      var settings = SyncSettings(mode: SyncMode(rawValue: mode.rawValue) ?? .mirror)
      settings.connections = connections
      settings.quarantinesRemoteDeletions = !noQuarantine
      settings.brake.allowance = try allowance()
      let remote = try Remote(url, self.remote)
      guard remote.server.mailProtocol == .imap else {
        throw Refusal.usage("\(url): pull imap takes an imap:// or imaps:// URL")
      }
      settings.mailboxes = mailbox + (remote.url.mailbox.map { [$0] } ?? [])
      let work = try PullWork(display: ProgressDisplay(json: json))
      let sync = PullWork.IMAP(
        name: remote.name, server: remote.server, user: remote.user,
        credential: remote.credential, directory: directory, settings: settings, watches: watch, compresses: true)
      return try await Interruption.ending { await work.imap(sync) }
    }
    if code != EX_OK { throw ExitCode(code) }
  }

  private func allowance() throws -> DeletionAllowance {
    guard let allowDelete else { return .none }
    if allowDelete == "all" { return .all }
    guard let count = Int(allowDelete), count >= 0 else {
      throw Refusal.usage("--allow-delete: '\(allowDelete)' is neither a number nor all")
    }
    return .upTo(count)
  }
}
