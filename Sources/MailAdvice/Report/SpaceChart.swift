/// What takes the space now: bars by year, or by mailbox where all mail is of one year; each bar parted by kind.
struct SpaceChart {
  private static let width = 760.0
  private static let left = 150.0
  private static let right = 640.0
  private static let rowHeight = 26.0

  private let rows: [Report.Share]
  private let title: String
  private let kinds: [(name: String, path: KeyPath<ContentOctets, Int64>)]

  init(_ report: Report) {
    let years = report.shownYears(AdviceLimits.shownYears)
    let isByYear = years.count > 1
    rows = isByYear ? years : report.shownMailboxes(AdviceLimits.shownMailboxes)
    title = "What takes the space, by \(isByYear ? "year" : "mailbox")"
    let all: [(String, KeyPath<ContentOctets, Int64>)] = [
      ("attachments", \.attachmentOctets), ("text", \.textOctets), ("bodies", \.unsplitOctets),
      ("headers", \.headerOctets),
    ]
    let content = report.measurement.content.octets
    kinds = all.filter { content[keyPath: $0.1] > 0 }.map { (name: $0.0, path: $0.1) }
  }

  var height: Double { rows.isEmpty ? 60 : 66 + Double(rows.count) * Self.rowHeight }

  var description: String {
    guard !rows.isEmpty else { return "The mailbox is empty." }
    return rows.map { "\($0.name): \(Human.size($0.octets))" }.joined(separator: "; ") + "."
  }

  func markup() -> String {
    let number = Markup.number
    var svg = "<text class=\"title\" x=\"0\" y=\"18\">\(title)</text>\n"
    guard !rows.isEmpty else {
      return svg + "<text class=\"tick\" x=\"0\" y=\"44\">Nothing: the mailbox is empty.</text>\n"
    }
    var place = Self.left
    for kind in kinds {
      svg += "<rect class=\"\(kind.name)\" x=\"\(number(place))\" y=\"32\" width=\"12\" height=\"12\" rx=\"2\"/>"
      svg += "<text class=\"tick\" x=\"\(number(place + 18))\" y=\"42\">\(kind.name)</text>\n"
      place += 40 + Double(kind.name.count) * 7.5
    }
    let most = Double(rows.map(\.octets).max() ?? 1)
    for (index, row) in rows.enumerated() {
      let top = 58 + Double(index) * Self.rowHeight
      svg += "<text class=\"name\" text-anchor=\"end\" x=\"\(number(Self.left - 10))\" y=\"\(number(top + 13))\">"
      svg += "\(Markup.escape(Self.short(row.name)))</text>"
      var start = Self.left
      for kind in kinds {
        let octets = Double(max(0, row.content[keyPath: kind.path]))
        let length = most > 0 ? (Self.right - Self.left) * octets / most : 0
        guard length >= 0.3 else { continue }
        svg += "<rect class=\"\(kind.name)\" x=\"\(number(start))\" y=\"\(number(top))\" "
        svg += "width=\"\(number(max(0.5, length)))\" height=\"18\"/>"
        start += length
      }
      svg += "<text class=\"tick\" x=\"\(number(start + 8))\" y=\"\(number(top + 13))\">"
      svg += "\(Markup.escape("\(Human.size(row.octets)), \(Human.percent(row.share))"))</text>\n"
    }
    return svg
  }

  private static func short(_ name: String) -> String { name.count > 20 ? String(name.prefix(19)) + "…" : name }
}
