import MailClient

/// The two sentences: how this mailbox stands, and what the way makes of it.
extension Adviser {
  func reason(_ way: Way, _ situation: Situation) -> String {
    switch situation {
    case .empty: empty(way)
    case .small: small(way)
    case .relief, .partialRelief: standing + " " + relief(way, situation)
    case .otherMailboxes: standing + " " + otherMailboxes
    case .pressureWithoutPOP3:
      "\(standing) The server offers no POP3, so \(copyAndDelete)."
    case .noRoomHere: standing + " " + noRoom(way)
    case .roomy: standing + " " + roomy(way)
    case .littleDisk: standing + " " + littleDisk(way)
    case .onlyPOP3: standing + " " + onlyPOP3(way)
    }
  }

  // MARK: How it stands

  private var standing: String {
    if let counted = pressure.byMessages {
      let count = "\(Human.count(counted.usage)) of the \(Human.count(counted.limit)) messages it may"
      return "This mailbox holds \(count)\(makeup); \(growth)."
    }
    guard let quota = measured.quota else {
      let size = "This mailbox holds \(Human.size(measured.octets)) in \(Human.count(measured.messages, "message"))"
      return "\(size)\(makeup), and no quota is known; \(growth)."
    }
    let figures = "(\(Human.size(quota.usage)) of \(Human.size(quota.limit)))"
    if pressure.level == .over { return "This mailbox is over its quota \(figures)\(makeup); new mail is refused now." }
    return "This mailbox is \(Human.percent(quota.fill)) full \(figures)\(makeup); \(growth)."
  }

  /// What takes the space, where one thing does.
  private var makeup: String {
    guard measured.octets > 0 else { return "" }
    let all = Double(measured.octets)
    let thisYear = CivilDate.year(ofSeconds: measured.measuredAtSeconds)
    for cut in [thisYear - 1, thisYear] {
      let old = measured.years.filter { $0.year < cut }.map(\.content.attachmentOctets).total
      if Double(old) / all >= 0.5 {
        return " and \(Human.percent(Double(old) / all)) of it is attachments from before \(cut)"
      }
    }
    let attachments = Double(measured.content.octets.attachmentOctets) / all
    if attachments >= 0.4 { return " and \(Human.percent(attachments)) of it is attachments" }
    let large = Double(measured.sizes.octetsOver1MiB) / all
    if measured.content.octets.unsplitOctets > 0, large >= 0.4 {
      return " and \(Human.percent(large)) of it is in messages over 1 MiB"
    }
    guard measured.messages >= 10_000, measured.sizes.medianOctets > 0, large < 0.2 else { return "" }
    return
      " with \(Human.count(measured.messages)) messages, half of them under \(Human.size(measured.sizes.medianOctets))"
  }

  private var growth: String {
    let perDay = model.mail.octetsPerDay
    guard perDay > 0 || model.mail.messagesPerDay > 0 else { return "it does not grow" }
    let rate = "it grows by \(Human.size(Int64(octets: perDay))) a day"
    guard pressure.fill != nil else { return rate }
    return pressure.days.map { "\(rate) and is full in \(Human.days($0))" }
      ?? "\(rate) and does not fill up in a lifetime"
  }

  // MARK: What the way makes of it

  private func relief(_ way: Way, _ situation: Situation) -> String {
    let freed = Human.size(costs[way]?.freedOctets ?? 0)
    var text = "\(Self.capital(way.phrase)) gives back \(freed)"
    if let fill = fillAfter(way) { text += ", leaves it \(Human.percent(fill)) full" }
    if pressure.byMessages == nil, let days = daysAfter(way) {
      let before = pressure.level == .over ? "" : pressure.days.map { " instead of \(Human.days($0))" } ?? ""
      text += days > 0 ? " and lasts \(Human.days(days))\(before)" : " and does not bring it below the limit"
    } else if model.mail.quotaOctets != nil, pressure.byMessages == nil {
      text += " and keeps it from filling up"
    }
    if situation == .partialRelief, othersShare >= 0.2 {
      return "\(text); \(Human.percent(othersShare)) of the mail lies in other mailboxes, which POP3 does not reach."
    }
    return "\(text); \(stays(way))."
  }

  private func stays(_ way: Way) -> String {
    switch way.keptDays {
    case nil: "all of it stays readable from elsewhere"
    case 0?: "from elsewhere only new mail is readable"
    case let days?: "the last \(days) days stay readable from elsewhere"
    }
  }

  /// Of all octets, those that POP3 can't see.
  var othersShare: Double {
    measured.octets > 0 ? Double(measured.octets.subtracting(measured.inbox.octets)) / Double(measured.octets) : 0
  }

  private var copyAndDelete: String {
    let used = model.mail.usedOctets
    let copy = "mirror everything to this computer (\(Human.size(measured.octets)))"
    guard let limit = model.mail.quotaOctets, used > limit * Pressure.relievedFill else {
      return "\(copy), set that copy aside and delete old mail on the server"
    }
    let surplus = Human.size(Int64(octets: used - limit * Pressure.relievedFill))
    return
      "\(copy), set that copy aside and delete \(surplus) on the server to come down to \(Human.percent(Pressure.relievedFill))"
  }

  private var otherMailboxes: String {
    let freed = Human.size(costs[.pop3Delete]?.freedOctets ?? 0)
    let largest = measured.mailboxes.first { $0.name.lowercased() != "inbox" }
    let most = largest.map { " (most in \(Human.name($0.name)), \(Human.size($0.octets)))" } ?? ""
    return "POP3 would free only \(freed), for it sees the INBOX alone and \(Human.percent(othersShare)) lies in other "
      + "mailboxes\(most), so \(copyAndDelete)."
  }

  private func noRoom(_ way: Way) -> String {
    let needed = Human.size(costs[.pop3Delete].map(\.localOctetsAfter12Months) ?? measured.octets)
    let room = Human.size(wishes.localDiskOctets ?? 0)
    return "Bringing it home needs \(needed) here within a year and you allow \(room), so until there is a larger disk "
      + "only deleting on the server or a larger quota helps, and \(way.phrase) takes least here."
  }

  private func roomy(_ way: Way) -> String {
    let cost = costs[way]
    let copy = Human.size(cost?.localOctetsAfterFirstRun ?? 0)
    let time = Human.duration(cost?.firstSyncSeconds ?? 0)
    let room: String
    if measured.quota == nil {
      room = "nothing presses to free space"
    } else if pressure.level == .none {
      room = "there is no need to free space"
    } else {
      room = "there is time until the quota presses"
    }
    return
      "\(Self.capital(way.phrase)) leaves all of it readable from elsewhere and puts a second copy of \(copy) here in \(time); "
      + "\(room)."
  }

  private func littleDisk(_ way: Way) -> String {
    let whole = Human.size(costs[.imapSync]?.localOctetsAfter12Months ?? 0)
    let room = Human.size(wishes.localDiskOctets ?? 0)
    let part = Human.size(costs[way]?.localOctetsAfter12Months ?? 0)
    return "A whole copy needs \(whole) here within a year and you allow \(room), so \(way.phrase) is right: it takes "
      + "\(part), and texts and attachments come when they are read."
  }

  private func onlyPOP3(_ way: Way) -> String {
    let freed = Human.size(costs[way]?.freedOctets ?? 0)
    return "The server offers no IMAP, and \(way.phrase) gives back \(freed); \(stays(way))."
  }

  private func empty(_ way: Way) -> String {
    let room = measured.quota.map { " (\(Human.size($0.usage)) of \(Human.size($0.limit)))" } ?? ""
    let first = "This mailbox is empty\(room), so there is nothing to measure yet and no way costs anything."
    guard way.mailProtocol == .imap else {
      return "\(first) The server offers no IMAP, and with \(way.phrase) \(stays(way))."
    }
    return
      "\(first) \(Self.capital(way.phrase)) keeps every way open: you can turn to POP3 any day, while what POP3 has deleted "
      + "does not come back to the server."
  }

  private func small(_ way: Way) -> String {
    let size = "\(Human.size(measured.octets)) in \(Human.count(measured.messages, "message"))"
    let first = "This mailbox holds \(size), so it does not matter much which way you take."
    let cost = costs[way]
    let time = Human.duration(cost?.firstSyncSeconds ?? 0)
    let copy = Human.size(cost?.localOctetsAfterFirstRun ?? 0)
    return "\(first) \(Self.capital(way.phrase)) takes \(copy) here and \(time) for the first run; \(stays(way))."
  }

  static func capital(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
}
