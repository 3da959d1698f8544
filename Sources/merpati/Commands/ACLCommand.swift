import ArgumentParser
import MerpatiServer

struct ACLCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "acl", abstract: "Show and change who may do what in an account's mailboxes (RFC 4314).",
    discussion: """
      Rights are letters: l sees it, r reads, s keeps what is read apart, w sets flags, i puts messages in, p may send to it, \
      k makes mailboxes below, x deletes or renames it, t marks messages deleted, e expunges them, a gives rights. IDENTIFIER is an \
      account, or anyone for every account.
      """,
    subcommands: [List.self, Set.self, Remove.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show whom an account's mailboxes are shared with.")
    @Argument var account: String
    @Argument(help: "One mailbox only.") var mailbox: String?
    @OptionGroup var data: DataOptions
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let reply = try await Terminal.call(.accessList(account: account, mailbox: mailbox), in: data.directory)
      let entries = reply.access ?? []
      if json { return try Terminal.json(entries) }
      Terminal.table(["MAILBOX", "IDENTIFIER", "RIGHTS"], entries.map { [$0.mailbox, $0.identifier, $0.rights] })
    }
  }

  /// Which line it is.
  struct Line: ParsableArguments {
    @Argument(help: "Whose mailbox it is.") var account: String
    @Argument var mailbox: String
    @Argument(help: "An account, or anyone.") var identifier: String
    @Flag(help: "The line that takes rights away, whatever other lines give.") var negative = false

    func request(_ rights: String) -> ControlRequest {
      .accessChange(
        account: account, mailbox: mailbox, identifier: (negative ? "-" : "") + identifier, rights: rights)
    }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "set", abstract: "Give rights in a mailbox.")
    enum Manner: String, EnumerableFlag {
      case add, take
      static func help(for value: Manner) -> ArgumentHelp? {
        value == .add ? "Beside those there are." : "Away from those there are."
      }
    }
    @OptionGroup var line: Line
    @Argument(help: "Letters, in place of those there are: lrs.") var rights: String
    @Flag var manner: Manner?
    @OptionGroup var data: DataOptions

    func run() async throws {
      let sign = manner == .add ? "+" : manner == .take ? "-" : ""
      let reply = try await Terminal.call(line.request(sign + rights), in: data.directory)
      Terminal.say(reply.message ?? "changed")
    }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove", abstract: "Take all rights that a line gives.")
    @OptionGroup var line: Line
    @OptionGroup var data: DataOptions

    func run() async throws {
      let reply = try await Terminal.call(line.request(""), in: data.directory)
      Terminal.say(reply.message ?? "removed")
    }
  }
}
