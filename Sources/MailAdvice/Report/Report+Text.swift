extension Report {
  /// For a terminal of so many columns, at least 60; no colour, no control characters.
  public func text(width: Int = 80) -> String {
    let width = max(60, width)
    var lines = head(width)
    lines += section("The mailbox", mailboxLines(width))
    lines += section("What takes the space", spaceLines(width))
    lines += section("What each way costs", wayLines(width))
    lines += section("What the server offers", offerLines(width))
    lines += section("To mind", recommendation.cautions.flatMap { bullet($0, width) })
    lines += section("How this was measured", measureLines(width))
    return lines.map { Human.printable($0) + "\n" }.joined()
  }

  private func section(_ title: String, _ lines: [String]) -> [String] {
    lines.isEmpty ? [] : ["", title.uppercased()] + lines
  }

  private func bullet(_ text: String, _ width: Int) -> [String] {
    TextTable.wrap(text, width: width, first: "  - ", rest: "    ")
  }

  private func head(_ width: Int) -> [String] {
    let title = "POP3 or IMAP for \(Human.name(measurement.account))?"
    let date = CivilDate.text(ofSeconds: measurement.measuredAtSeconds)
    let gap = max(2, width - TextTable.width(of: title) - date.count)
    var lines = [title + String(repeating: " ", count: gap) + date, "", "  " + recommendation.way.advice, ""]
    lines += TextTable.wrap(recommendation.reason, width: width, first: "  ", rest: "  ")
    lines += ["", "  " + recommendation.way.command]
    guard !recommendation.alternatives.isEmpty else { return lines }
    lines += ["", "  Or:"]
    for alternative in recommendation.alternatives {
      let name = alternative.way.shortTitle
      let first = "    " + name + String(repeating: " ", count: max(2, 16 - name.count))
      lines += TextTable.wrap(
        alternative.when, width: width, first: first, rest: String(repeating: " ", count: first.count))
    }
    return lines
  }

  private func mailboxLines(_ width: Int) -> [String] {
    facts.flatMap { fact in
      TextTable.wrap(
        fact.value, width: width, first: "  " + fact.name + String(repeating: " ", count: max(1, 10 - fact.name.count)),
        rest: String(repeating: " ", count: 12))
    }
  }

  private func spaceLines(_ width: Int) -> [String] {
    guard measurement.octets > 0 else { return [] }
    let room = max(10, width - 38)
    var kinds = TextTable([.left, .left, .right, .right])
    for (name, octets) in contentKinds where octets > 0 {
      let share = Double(octets) / Double(measurement.octets)
      let bar = String(repeating: "#", count: max(1, min(room, Int((share * Double(room)).rounded()))))
      kinds.rows.append([
        name, bar + String(repeating: " ", count: room - bar.count), Human.percent(share), Human.size(octets),
      ])
    }
    var lines = kinds.lines(width: width, indent: "  ")
    let named = shownMailboxes(5)
    guard named.count > 1 else { return lines }
    var boxes = TextTable([.left, .right, .right, .right])
    boxes.rows = named.map {
      [$0.name, Human.count($0.messages, "message"), Human.percent($0.share), Human.size($0.octets)]
    }
    lines += [""] + boxes.lines(width: width, indent: "  ")
    return lines
  }

  private func wayLines(_ width: Int) -> [String] {
    var table = TextTable([.left, .left, .right, .right, .right, .right, .right, .left])
    table.rows.append(["", "", "server", "full in", "first run", "a day", "here", "elsewhere"])
    for costs in ways {
      let mark = costs.way == recommendation.way ? ">" : ""
      guard costs.isPossible else {
        table.rows.append([mark, costs.way.shortTitle] + Array(repeating: "-", count: 6))
        continue
      }
      table.rows.append([
        mark, costs.way.shortTitle, Human.size(costs.serverOctetsAfterFirstRun), costs.fullIn,
        "\(Human.size(costs.firstSyncOctets)) \(Human.duration(costs.firstSyncSeconds))",
        Human.size(Int64(octets: costs.octetsPerDay)), Human.size(costs.localOctetsAfterFirstRun), costs.reach.title,
      ])
    }
    var lines = table.lines(width: width)
    lines += [""]
    lines += TextTable.wrap(
      "server: used there after the first run; full in: as mail comes now; first run: octets and time; a day: octets; "
        + "here: disk of this computer; elsewhere: what other devices can read.", width: width, first: "  ", rest: "  ")
    lines += TextTable.wrap(
      "Lost with this computer, if it has no backup: \(losses).", width: width, first: "  ", rest: "  ")
    for obstacle in obstacles { lines += bullet(obstacle, width) }
    return lines
  }

  private func offerLines(_ width: Int) -> [String] {
    var lines: [String] = []
    for service in [measurement.imap, measurement.pop3] {
      let name = service.title
      guard service.availability == .offered else {
        lines.append("  \(name)  \(service.availability == .notOffered ? "not offered" : "not looked at")")
        continue
      }
      for (index, meaning) in service.meanings.enumerated() {
        let first = "  " + (index == 0 ? name : "    ") + "  " + (meaning.isOffered ? "+ " : "- ")
        let label = meaning.name + String(repeating: " ", count: max(2, 13 - meaning.name.count))
        lines += TextTable.wrap(
          meaning.meaning, width: width, first: first + label,
          rest: String(repeating: " ", count: first.count + label.count))
      }
    }
    return lines
  }

  private func measureLines(_ width: Int) -> [String] {
    ([Self.capital(measurement.line.method) + "."] + measurement.notes).flatMap { bullet($0, width) }
  }
}
