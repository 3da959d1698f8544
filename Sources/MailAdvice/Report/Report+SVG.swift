extension Report {
  /// Both charts in one drawing, readable on light and on dark ground; no script, nothing loaded.
  public func svg() -> String {
    let (disk, space) = (DiskChart(self), SpaceChart(self))
    let height = Markup.number(DiskChart.height + space.height + 48)
    var svg = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 \(height)" width="800" height="\(height)" role="img"
        aria-labelledby="chart-title chart-description">
      <title id="chart-title">\(Markup.escape("POP3 or IMAP for \(Human.name(measurement.account))"))</title>
      <desc id="chart-description">\(Markup.escape(disk.description + " " + space.description))</desc>
      <style>
      \(Markup.palette("svg"))
      \(Self.chartStyle)
      </style>
      <rect class="back" width="800" height="\(height)"/>

      """
    svg += "<g transform=\"translate(20 16)\">\n\(disk.markup())</g>\n"
    svg += "<g transform=\"translate(20 \(Markup.number(DiskChart.height + 24)))\">\n\(space.markup())</g>\n"
    return svg + "</svg>\n"
  }

  static let chartStyle = """
    .back { fill: var(--back) }
    text { font-family: \(Markup.font); fill: var(--ink) }
    text.title { font-size: 15px; font-weight: 600 }
    text.tick { font-size: 12px; fill: var(--soft) }
    text.name { font-size: 13px }
    text.chosen { font-weight: 700 }
    text.quota-name { font-size: 12px; fill: var(--quota); font-weight: 600 }
    .grid { stroke: var(--rule); stroke-width: 1 }
    .leader { stroke: var(--soft); stroke-width: 1; fill: none }
    .quota { stroke: var(--quota); stroke-width: 2; stroke-dasharray: 7 4 }
    .way { fill: none; stroke-width: 2; stroke-linejoin: round }
    .way.chosen { stroke-width: 4 }
    .way.imap { stroke: var(--imap) }
    .way.keep30 { stroke: var(--keep30); stroke-dasharray: 10 4 }
    .way.keep7 { stroke: var(--keep7); stroke-dasharray: 3 3 }
    .way.delete { stroke: var(--delete); stroke-dasharray: 12 3 2 3 }
    text.imap { fill: var(--imap) }
    text.keep30 { fill: var(--keep30) }
    text.keep7 { fill: var(--keep7) }
    text.delete { fill: var(--delete) }
    rect.attachments { fill: var(--attachments) }
    rect.text { fill: var(--text) }
    rect.bodies { fill: var(--bodies) }
    rect.headers { fill: var(--headers) }
    """
}
