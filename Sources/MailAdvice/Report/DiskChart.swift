/// Server disk over the next twelve months, a line for each way, against the quota. Ways that come to the same share a
/// line. Lines differ in dashes and carry their names.
struct DiskChart {
  struct Line {
    var name: String
    var style: String
    var values: [Int64]
    var isChosen: Bool
  }

  static let width = 760.0
  static let height = 330.0
  private static let plot = (left: 74.0, right: 560.0, top: 46.0, bottom: 286.0)

  let lines: [Line]
  let limit: Int64?
  private let top: Double

  init(_ report: Report) {
    limit = report.measurement.quota.map(\.limit)
    let all = Self.lines(report)
    let most = Double(all.flatMap(\.values).max() ?? 0)
    // A line that shoots far beyond the quota is cut off rather than pressing all others flat.
    let reach = limit.map { max(Double($0), min(most, Double($0) * 1.6)) } ?? most
    top = max(reach, 1) * 1.1
    lines = Self.merged(all, within: top / 100)
  }

  /// POP3 lines that nobody could tell apart become one.
  private static func merged(_ lines: [Line], within distance: Double) -> [Line] {
    let pop3 = lines.filter { $0.style != "imap" }
    guard pop3.count > 1, let first = pop3.first else { return lines }
    let isOne = first.values.indices.allSatisfy { month in
      let values = pop3.map { Double($0.values[month]) }
      return (values.max() ?? 0) - (values.min() ?? 0) < distance
    }
    guard isOne else { return lines }
    let name = pop3.count == 2 ? "POP3, both ways" : "POP3, all ways"
    let line = Line(
      name: name, style: first.style, values: first.values, isChosen: pop3.contains { $0.isChosen })
    return [line] + lines.filter { $0.style == "imap" }
  }

  private static func lines(_ report: Report) -> [Line] {
    var lines: [Line] = []
    for costs in report.ways where costs.isPossible {
      let isChosen = costs.way == report.recommendation.way
      if costs.way.keptDays == nil, let index = lines.firstIndex(where: { $0.style == "imap" }) {
        lines[index].isChosen = lines[index].isChosen || isChosen
        lines[index].name = "IMAP, all modes"
        continue
      }
      let style =
        switch costs.way.keptDays {
        case nil: "imap"
        case 30?: "keep30"
        case 7?: "keep7"
        default: "delete"
        }
      lines.append(Line(name: costs.way.title, style: style, values: costs.serverOctetsByMonth, isChosen: isChosen))
    }
    return lines
  }

  private func x(_ month: Int) -> Double { Self.plot.left + (Self.plot.right - Self.plot.left) * Double(month) / 12 }
  private func y(_ octets: Double) -> Double {
    Self.plot.bottom - (Self.plot.bottom - Self.plot.top) * min(max(octets, 0) / top, 4)
  }

  /// For readers who can't see it.
  var description: String {
    let parts = lines.map { line in
      "\(line.name): \(Human.size(line.values.first ?? 0)) after the first run, \(Human.size(line.values.last ?? 0)) in a year"
    }
    return (parts + (limit.map { ["quota \(Human.size($0))"] } ?? [])).joined(separator: "; ") + "."
  }

  /// The content of a group whose origin is its top left corner.
  func markup() -> String {
    let number = Markup.number
    let plot = Self.plot
    var svg = "<text class=\"title\" x=\"0\" y=\"18\">Server disk over the next 12 months</text>\n"
    svg += "<clipPath id=\"plot\"><rect x=\"\(number(plot.left))\" y=\"\(number(plot.top - 6))\" "
    svg += "width=\"\(number(plot.right - plot.left))\" height=\"\(number(plot.bottom - plot.top + 8))\"/></clipPath>\n"
    for tick in ticks() {
      let height = number(y(tick))
      svg +=
        "<line class=\"grid\" x1=\"\(number(plot.left))\" x2=\"\(number(plot.right))\" y1=\"\(height)\" y2=\"\(height)\"/>"
      svg += "<text class=\"tick\" text-anchor=\"end\" x=\"\(number(plot.left - 8))\" y=\"\(number(y(tick) + 4))\">"
      svg += "\(Markup.escape(Human.size(Int64(octets: tick))))</text>\n"
    }
    for month in [0, 3, 6, 9, 12] {
      svg += "<text class=\"tick\" text-anchor=\"middle\" x=\"\(number(x(month)))\" y=\"\(number(plot.bottom + 20))\">"
      svg += month == 0 ? "now" : "\(month) months"
      svg += "</text>\n"
    }
    if let limit {
      let height = y(Double(limit))
      svg += "<line class=\"quota\" x1=\"\(number(plot.left))\" x2=\"\(number(plot.right))\" "
      svg += "y1=\"\(number(height))\" y2=\"\(number(height))\"/>"
      svg +=
        "<text class=\"quota-name\" text-anchor=\"end\" x=\"\(number(plot.right - 4))\" y=\"\(number(height - 6))\">"
      svg += "quota \(Markup.escape(Human.size(limit)))</text>\n"
    }
    for line in lines {
      let points = line.values.enumerated().map { "\(number(x($0))),\(number(y(Double($1))))" }
      svg += "<polyline class=\"way \(line.style)\(line.isChosen ? " chosen" : "")\" clip-path=\"url(#plot)\" "
      svg += "points=\"\(points.joined(separator: " "))\"/>\n"
    }
    return svg + labels()
  }

  /// Names at the right ends, pushed apart where lines end close together.
  private func labels() -> String {
    let plot = Self.plot
    var places = lines.map { (line: $0, end: max(plot.top, y(Double($0.values.last ?? 0)))) }
    places.sort { $0.end < $1.end }
    var heights = places.map(\.end)
    for index in heights.indices.dropFirst() { heights[index] = max(heights[index], heights[index - 1] + 17) }
    if let last = heights.last, last > plot.bottom {
      heights[heights.count - 1] = plot.bottom
      for index in heights.indices.dropLast().reversed() {
        heights[index] = min(heights[index], heights[index + 1] - 17)
      }
    }
    var svg = ""
    for (place, height) in zip(places, heights) {
      let number = Markup.number
      svg += "<path class=\"leader\" d=\"M\(number(plot.right + 2)) \(number(place.end)) "
      svg += "L\(number(plot.right + 16)) \(number(height))\"/>"
      svg += "<text class=\"name \(place.line.style)\(place.line.isChosen ? " chosen" : "")\" "
      svg += "x=\"\(number(plot.right + 20))\" y=\"\(number(height + 4))\">\(Markup.escape(place.line.name))"
      svg += "\(place.line.isChosen ? " ✓" : "")</text>\n"
    }
    return svg
  }

  /// Round figures in powers of 1024: 1, 2, 5, 10 … 500 of a unit.
  private func ticks() -> [Double] {
    var unit = 1.0
    while unit * 1024 <= top { unit *= 1024 }
    let rough = top / 4 / unit
    // At the small end of a unit steps are parts of it.
    let steps: [Double] = [0.125, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 250, 500]
    let step = (steps.first { $0 >= rough } ?? 500) * unit
    return stride(from: 0, through: top, by: step).map { $0 }
  }
}
