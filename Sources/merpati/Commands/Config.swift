import ArgumentParser
import MerpatiServer

struct Config: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Print the effective configuration, and where each value comes from.")
  @OptionGroup var options: ServeOptions
  @Flag(help: "Print JSON.") var json = false
  @Flag(help: "Describe every key instead.") var keys = false

  func run() async throws {
    if keys {
      return Terminal.table(
        ["KEY", "DEFAULT", "FLAG", "WHAT"],
        ConfigTable.rows.map {
          [$0.key, $0.fallback.isEmpty ? "–" : $0.fallback, $0.flag.map { "--" + $0 } ?? "–", $0.help]
        })
    }
    let config = try await options.load()
    let values = ConfigTable.rows.map { row in
      (
        row.key, row.isSecret && !config[row.key].isEmpty ? "(hidden)" : config[row.key],
        config.source(of: row.key).rawValue
      )
    }
    if json { return try Terminal.json(Dictionary(uniqueKeysWithValues: values.map { ($0.0, $0.1) })) }
    Terminal.table(["KEY", "VALUE", "FROM"], values.map { [$0.0, $0.1.isEmpty ? "–" : $0.1, $0.2] })
  }
}
