import MailClient

extension Report {
  /// One page that needs nothing else: no script, no font or picture from elsewhere; for screens light and dark, small and
  /// large, for print, and for those who hear it read.
  public func html() -> String {
    let title = "POP3 or IMAP for \(Human.name(measurement.account))?"
    let date = CivilDate.text(ofSeconds: measurement.measuredAtSeconds)
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(Markup.escape(title))</title>
      <style>
      \(Markup.palette(":root"))
      \(Self.pageStyle)
      </style>
      </head>
      <body>
      <main>
      <header>
      <h1>\(Markup.escape(title))</h1>
      <p class="soft">Measured \(date)</p>
      </header>
      \(advice)
      <h2>What each way costs</h2>
      \(waysTable)
      <figure>
      <div class="scroll">
      \(svg())</div>
      <figcaption class="soft">Server disk if mail comes as it does now, and what takes the space today.</figcaption>
      </figure>
      <h2>The mailbox</h2>
      \(factsList)
      \(mailboxesTable)
      <h2>What the server offers</h2>
      \(offersTable)
      <h2>How this was measured</h2>
      \(list([Self.capital(measurement.line.method) + "."] + measurement.notes))
      </main>
      </body>
      </html>

      """
  }

  private var advice: String {
    var html = "<section class=\"card\" aria-label=\"Recommendation\">\n"
    html += "<p class=\"advice\">\(Markup.escape(recommendation.way.advice))</p>\n"
    html += "<p>\(Self.kept(recommendation.reason))</p>\n"
    html += "<p><code>\(Markup.escape(recommendation.way.command))</code></p>\n</section>\n"
    if !recommendation.alternatives.isEmpty {
      html += "<h2>Or</h2>\n<dl class=\"or\">\n"
      for alternative in recommendation.alternatives {
        html += "<dt>\(Markup.escape(alternative.way.title))</dt><dd>\(Self.kept(alternative.when))</dd>\n"
      }
      html += "</dl>\n"
    }
    if !recommendation.cautions.isEmpty { html += "<h2>To mind</h2>\n\(list(recommendation.cautions))" }
    return html
  }

  private func list(_ sentences: [String]) -> String {
    "<ul>\n" + sentences.map { "<li>\(Self.kept($0))</li>\n" }.joined() + "</ul>\n"
  }

  /// Escaped, with figures and their units kept on one line.
  private static func kept(_ text: String) -> String {
    var escaped = Markup.escape(text)
    for unit in ["%", "B", "KiB", "MiB", "GiB", "TiB", "ms", "min", "days", "months", "years"] {
      for digit in "0123456789" {
        escaped = escaped.split(separator: "\(digit) \(unit)", omittingEmptySubsequences: false)
          .joined(separator: "\(digit)\u{A0}\(unit)")
      }
    }
    return escaped
  }

  private var waysTable: String {
    var html = """
      <div class="scroll" tabindex="0" role="region" aria-label="What each way costs">
      <table>
      <thead><tr><th scope="col">Way</th><th scope="col" class="figure">Server after first run</th>
      <th scope="col" class="figure">Quota full in</th><th scope="col" class="figure">First run</th>
      <th scope="col" class="figure">A day</th><th scope="col" class="figure">Disk here</th>
      <th scope="col">Readable elsewhere</th><th scope="col">Lost with this computer</th></tr></thead>
      <tbody>

      """
    for costs in ways {
      let isChosen = costs.way == recommendation.way
      html += "<tr\(isChosen ? " class=\"chosen\"" : "")><th scope=\"row\">\(Markup.escape(costs.way.title))"
      html += isChosen ? " <span class=\"badge\">recommended</span></th>" : "</th>"
      if let obstacle = costs.obstacle {
        html += "<td colspan=\"7\" class=\"soft\">Not possible: \(Markup.escape(obstacle))</td></tr>\n"
        continue
      }
      let figures = [
        Human.size(costs.serverOctetsAfterFirstRun), costs.quotaOutlook == .unknown ? "no quota known" : costs.fullIn,
        "\(Human.size(costs.firstSyncOctets)), \(Human.duration(costs.firstSyncSeconds))",
        "\(Human.size(Int64(octets: costs.octetsPerDay))), \(Human.duration(costs.secondsPerDay))",
        Human.size(costs.localOctetsAfterFirstRun),
      ]
      for figure in figures { html += "<td class=\"figure\">\(Markup.escape(figure))</td>" }
      html += "<td>\(costs.reach.title)</td><td>\(costs.loss.title)</td></tr>\n"
    }
    return html + "</tbody>\n</table>\n</div>\n"
  }

  private var factsList: String {
    "<dl>\n" + facts.map { "<dt>\($0.name)</dt><dd>\(Self.kept($0.value))</dd>\n" }.joined() + "</dl>\n"
  }

  private var mailboxesTable: String {
    let shown = shownMailboxes(AdviceLimits.shownMailboxes)
    guard !shown.isEmpty else { return "" }
    let kinds = contentKinds.filter { $0.octets > 0 }.map(\.name)
    var html = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Mailboxes\">\n<table>\n<thead><tr>"
    html += "<th scope=\"col\">Mailbox</th><th scope=\"col\" class=\"figure\">Messages</th>"
    html += "<th scope=\"col\" class=\"figure\">Size</th><th scope=\"col\" class=\"figure\">Share</th>"
    for kind in kinds { html += "<th scope=\"col\" class=\"figure\">\(Self.capital(kind))</th>" }
    html += "</tr></thead>\n<tbody>\n"
    for row in shown {
      html += "<tr><th scope=\"row\">\(Markup.escape(row.name))</th>"
      var figures = [Human.count(row.messages), Human.size(row.octets), Human.percent(row.share)]
      let parts = [
        "attachments": row.content.attachmentOctets, "text": row.content.textOctets,
        "bodies": row.content.unsplitOctets, "headers": row.content.headerOctets,
      ]
      figures += kinds.map { Human.size(parts[$0] ?? 0) }
      for figure in figures { html += "<td class=\"figure\">\(Markup.escape(figure))</td>" }
      html += "</tr>\n"
    }
    return html + "</tbody>\n</table>\n</div>\n"
  }

  private var offersTable: String {
    var html = "<dl class=\"offers\">\n"
    for service in [measurement.imap, measurement.pop3] {
      guard service.availability == .offered else {
        let state = service.availability == .notOffered ? "not offered" : "not looked at"
        html += "<dt>\(service.title)</dt><dd class=\"soft\">\(state)</dd>\n"
        continue
      }
      for meaning in service.meanings {
        html += "<dt>\(service.title) \(Markup.escape(meaning.name))</dt>"
        html += "<dd>\(meaning.isOffered ? "yes" : "no"): \(Self.kept(meaning.meaning))</dd>\n"
      }
    }
    return html + "</dl>\n"
  }

  private static let pageStyle = """
    * { box-sizing: border-box }
    body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 \(Markup.font) }
    main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem }
    h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere }
    h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
    header p { margin: .25rem 0 1.25rem }
    .soft { color: var(--soft) }
    .card { background: var(--card); border-left: 4px solid var(--accent); border-radius: 6px; padding: 1rem 1.25rem }
    .card p { margin: 0 0 .6rem; max-width: 46rem }
    .card p:last-child { margin: 0 }
    .advice { font-size: 1.25rem; font-weight: 650; line-height: 1.3 }
    code { font: .875rem ui-monospace, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere }
    .scroll { overflow-x: auto }
    table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
    th, td { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid var(--rule); vertical-align: baseline }
    thead th { color: var(--soft); font-weight: 500; font-size: .8rem; line-height: 1.25; vertical-align: bottom }
    tbody th { font-weight: 500 }
    td.figure, th.figure { text-align: right }
    td.figure { white-space: nowrap }
    tr.chosen { background: var(--card) }
    tr.chosen th { font-weight: 700 }
    .badge { font-size: .7rem; font-weight: 600; color: var(--accent); border: 1px solid currentColor; border-radius: 4px;
      padding: 0 .3rem; white-space: nowrap }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: 0 0 1.25rem }
    dt { color: var(--soft) }
    dl.or dt { color: var(--ink); font-weight: 500 }
    dd { margin: 0; overflow-wrap: anywhere }
    ul { margin: 0; padding-left: 1.2rem }
    figure { margin: 2rem 0 0 }
    figure svg { width: 100%; min-width: 40rem; height: auto; display: block }
    figcaption { font-size: .85rem }
    @media (min-width: 56rem) { figure svg { width: calc(100% + 40px); margin: 0 -20px } }
    @media (max-width: 36rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .5rem } }
    @media print { .card { border: 1px solid } body { font-size: 11pt } }
    """
}
