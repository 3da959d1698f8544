import ArgumentParser
import MerpatiServer

struct QuotaCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quota", abstract: "Show what an account uses of its quota.", subcommands: [Show.self])

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Usage and bounds of one account.")
    @Argument var name: String
    @OptionGroup var data: DataOptions
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      guard let quota = try await Terminal.call(.quotaShow(name: name), in: data.directory).quota else { return }
      if json { return try Terminal.json(quota) }
      func row(_ name: String, _ resource: QuotaReport.Resource, _ text: (Int64) -> String) -> [String] {
        let percent = resource.limit.map { $0 > 0 ? "\(resource.usage * 100 / $0) %" : "–" } ?? "–"
        return [name, text(resource.usage), resource.limit.map(text) ?? "none", percent]
      }
      var rows = [
        row("storage", quota.storage, ConfigValues.readable(octets:)),
        row("messages", quota.messages, { String($0) }),
      ]
      if let mailboxes = quota.mailboxes { rows.append(row("mailboxes", mailboxes, { String($0) })) }
      if let octets = quota.annotations { rows.append(row("annotations", octets, ConfigValues.readable(octets:))) }
      Terminal.table(["RESOURCE", "USED", "LIMIT", "FULL"], rows, right: [1, 2, 3])
      if let kept = quota.kept?.usage, kept > 0 {
        print("kept for undelete: \(ConfigValues.readable(octets: kept)), in no quota")
      }
    }
  }
}
