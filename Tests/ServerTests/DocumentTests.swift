import Foundation
import MerpatiServer
import Testing

/// docs/configuration.md against the table of keys. What needs a running server is in Interop/test_docs.py.
@Suite struct DocumentTests {
  static let page: [String] = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try? String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
    return text?.split(separator: "\n").map(String.init) ?? []
  }()

  /// The lines of the table below `## Keys`.
  static let rows = Array(page.drop { $0 != "## Keys" }.filter { $0.hasPrefix("| `") })

  @Test(arguments: ConfigTable.rows.map(\.key))
  func `A key of the configuration has its row in the page`(key: String) throws {
    let row = try #require(ConfigTable.row(key))
    func code(_ text: String?) -> String { text.map { $0.isEmpty ? "–" : "`\($0)`" } ?? "–" }
    let expected =
      "| `\(key)` | \(Self.word(for: row.kind)) | \(code(row.fallback)) | \(code(row.flag.map { "--" + $0 })) "
      + "| `\(ConfigTable.environmentName(key))` | \(row.help) |"
    #expect(Self.rows.contains(expected), "docs/configuration.md should say: \(expected)")
  }

  @Test func `The page has no row for a key that does not exist, and keeps the order of the table`() {
    let keys = Self.rows.compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) }
    #expect(keys == ConfigTable.rows.map(\.key))
  }

  @Test func `No two keys share a name in the environment or on the command line`() {
    let names = ConfigTable.rows.map { ConfigTable.environmentName($0.key) }
    #expect(Set(names).count == names.count)
    let flags = ConfigTable.rows.compactMap(\.flag)
    #expect(Set(flags).count == flags.count)
  }

  private static func word(for kind: ConfigKind) -> String {
    switch kind {
    case .text: "text"
    case .path: "path"
    case .integer(let range): "number, \(grouped(range.lowerBound)) to \(grouped(range.upperBound))"
    case .size(let optional): optional ? "size or none" : "size"
    case .duration: "duration"
    case .flag: "true or false"
    case .choice(let choices): choices.joined(separator: " or ")
    case .mode: "permission bits"
    case .listeners: "listeners"
    }
  }

  /// 15000 → 15,000
  private static func grouped(_ number: Int) -> String {
    number < 1000 ? "\(number)" : grouped(number / 1000) + "," + String("00\(number % 1000)".suffix(3))
  }
}
