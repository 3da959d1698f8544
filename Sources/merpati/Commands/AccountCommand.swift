import ArgumentParser
import MerpatiServer

struct AccountCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "account", abstract: "Add, list, change and remove accounts.",
    subcommands: [Add.self, List.self, Remove.self, Passwd.self, Set.self])

  /// Options of `add` and `set`.
  struct Policy: ParsableArguments {
    @Option(help: ArgumentHelp("Bound on the mail's octets: 500M, 1G, none.", valueName: "size"))
    var quota: String?
    @Option(help: ArgumentHelp("Bound on the number of messages, or none.", valueName: "n"))
    var quotaMessages: String?
    @Option(help: ArgumentHelp("Bound on the number of mailboxes, or none.", valueName: "n"))
    var quotaMailboxes: String?
    @Option(help: ArgumentHelp("Bound on the octets of annotations (METADATA): 64K, none.", valueName: "size"))
    var quotaAnnotations: String?
    @Option(
      help: ArgumentHelp(
        "When POP3 removes what it sent: never, on-retrieve or a number of days (14d).", valueName: "when"))
    var pop3Expire: String?

    func settings(enabled: Bool? = nil) throws -> AccountSettings {
      var settings = AccountSettings(pop3Expire: pop3Expire, enabled: enabled)
      settings.quotaBytes = try Self.octets(quota, "--quota")
      settings.quotaMessages = try Self.count(quotaMessages, "--quota-messages")
      settings.quotaMailboxes = try Self.count(quotaMailboxes, "--quota-mailboxes")
      settings.quotaAnnotations = try Self.octets(quotaAnnotations, "--quota-annotations")
      return settings
    }

    private static func octets(_ text: String?, _ option: String) throws -> Int64? {
      guard let text else { return nil }
      guard let octets = text == "none" ? -1 : ConfigValues.octets(text) else {
        throw Terminal.fail(ControlFailure(.usage, "\(option): '\(text)' is not a size such as 500M or 1G, or none"))
      }
      return octets
    }

    private static func count(_ text: String?, _ option: String) throws -> Int64? {
      guard let text else { return nil }
      guard let count = text == "none" ? -1 : Int64(text), count >= -1 else {
        throw Terminal.fail(ControlFailure(.usage, "\(option): '\(text)' is not a number or none"))
      }
      return count
    }
  }

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "add", abstract: "Add an account with INBOX and the usual mailboxes.")
    @Argument(help: "user or user@domain") var name: String
    @OptionGroup var data: DataOptions
    @Flag(help: "Read the password from the first line of standard input.") var passwordStdin = false
    @Flag(help: "The line on standard input is a hash ({SHA512-CRYPT}…, {BLF-CRYPT}…, {SSHA}…, $y$…), not a password.")
    var hashed = false
    @OptionGroup var policy: Policy

    func run() async throws {
      let settings = try policy.settings()
      guard passwordStdin else {
        throw Terminal.fail(
          ControlFailure(
            .usage, "give the password on standard input with --password-stdin; arguments can be seen by others"))
      }
      let secret = try Terminal.readPassword()
      let request: ControlRequest =
        hashed
        ? .accountImportHash(name: name, hash: secret, settings: settings)
        : .accountAdd(name: name, password: secret, settings: settings)
      let reply = try await Terminal.call(request, in: data.directory)
      Terminal.say(reply.message ?? "added \(name)")
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List accounts with their usage.")
    @OptionGroup var data: DataOptions
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let accounts = try await Terminal.call(.accountList, in: data.directory).accounts ?? []
      if json { return try Terminal.json(accounts) }
      Terminal.table(
        ["ACCOUNT", "MESSAGES", "SIZE", "QUOTA", "POP3 EXPIRE", "STATE"],
        accounts.map { account in
          [
            account.name, String(account.messages), ConfigValues.readable(octets: account.bytes),
            account.quotaBytes.map(ConfigValues.readable(octets:)) ?? "none", account.pop3Expire,
            account.enabled ? "enabled" : "disabled",
          ]
        }, right: [1, 2, 3])
    }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove", abstract: "Remove an account and all its mail.")
    @Argument var name: String
    @OptionGroup var data: DataOptions
    func run() async throws {
      let reply = try await Terminal.call(.accountRemove(name: name), in: data.directory)
      Terminal.say(reply.message ?? "removed \(name)")
    }
  }

  struct Passwd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "passwd", abstract: "Set an account's password.")
    @Argument var name: String
    @OptionGroup var data: DataOptions
    @Flag(help: "Read the password from the first line of standard input.") var passwordStdin = false
    func run() async throws {
      guard passwordStdin else {
        throw Terminal.fail(ControlFailure(.usage, "give the password on standard input with --password-stdin"))
      }
      let reply = try await Terminal.call(
        .accountPassword(name: name, password: try Terminal.readPassword()), in: data.directory)
      Terminal.say(reply.message ?? "changed")
    }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "set", abstract: "Change quota, POP3 policy or state of an account.")
    @Argument var name: String
    @OptionGroup var data: DataOptions
    @OptionGroup var policy: Policy
    @Flag(inversion: .prefixedEnableDisable, help: "Whether the account may log in. Mail is taken in either way.")
    var login: Bool?
    func run() async throws {
      let reply = try await Terminal.call(
        .accountChange(name: name, settings: policy.settings(enabled: login)), in: data.directory)
      Terminal.say(reply.message ?? "changed")
    }
  }
}
