import MailClient

/// What text and page both say.
extension Report {
  struct Fact {
    var name: String
    var value: String
  }

  struct Share {
    var name: String
    var messages: Int
    var octets: Int64
    var content: ContentOctets
    /// Of all octets.
    var share: Double
  }

  static func capital(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

  var facts: [Fact] {
    let measured = measurement
    var mail = "\(Human.count(measured.messages, "message")), \(Human.size(measured.octets))"
    if measured.mailboxes.count > 1 {
      mail += " in \(Human.count(measured.mailboxes.count, "mailbox", plural: "mailboxes"))"
    }
    if let unseen = measured.unseenMessages { mail += "; \(Human.count(unseen)) unread" }
    var facts = [Fact(name: "Mail", value: mail)]
    facts += quotaFacts
    if measured.messages > 0 {
      let sizes = measured.sizes
      facts.append(
        Fact(
          name: "Sizes",
          value: "half up to \(Human.size(sizes.medianOctets)), 90 % up to \(Human.size(sizes.percentile90Octets)), "
            + "99 % up to \(Human.size(sizes.percentile99Octets)), largest \(Human.size(sizes.largestOctets))"))
      facts.append(Fact(name: "Growth", value: growth))
    }
    facts.append(Fact(name: "Line", value: line))
    return facts
  }

  private var quotaFacts: [Fact] {
    let known = measurement.quotas.filter { $0.limit > 0 }
    guard !known.isEmpty else { return [Fact(name: "Quota", value: "none known")] }
    return known.prefix(3).map { quota in
      let isOctets = quota.resource == "STORAGE"
      let usage = isOctets ? Human.size(quota.usage) : Human.count(quota.usage)
      let limit = isOctets ? Human.size(quota.limit) : "\(Human.count(quota.limit)) messages"
      return Fact(name: "Quota", value: "\(usage) of \(limit), \(Human.percent(quota.fill))")
    }
  }

  private var growth: String {
    let arrival = measurement.arrival
    let weeks = max(arrival.inbox.weeks, arrival.others.weeks)
    guard weeks > 0 else { return "not known: no message has a usable date" }
    guard arrival.octetsPerDay > 0 else { return "none in the last \(Human.count(weeks, "week"))" }
    var text =
      "\(Human.tenths(arrival.messagesPerDay)) messages and \(Human.size(Int64(octets: arrival.octetsPerDay))) a day "
    text += "(last \(Human.count(weeks, "week")))"
    let earlier = [arrival.inbox.earlierOctetsPerDay, arrival.others.earlierOctetsPerDay].compactMap { $0 }
    if !earlier.isEmpty { text += "; in the year before \(Human.size(Int64(octets: earlier.reduce(0, +)))) a day" }
    return text
  }

  private var line: String {
    let line = measurement.line
    guard let roundTrip = line.roundTripSeconds else {
      return "not measured; reckoned with \(Human.milliseconds(assumptions.roundTripSeconds)) and "
        + "\(Human.size(Int64(octets: assumptions.octetsPerSecond)))/s"
    }
    let speed =
      line.octetsPerSecond.map { "\(Human.size(Int64(octets: $0)))/s" }
      ?? "throughput not measured (reckoned with \(Human.size(Int64(octets: assumptions.octetsPerSecond)))/s)"
    return "\(Human.milliseconds(roundTrip)) round trip, \(speed)"
  }

  /// Kinds of content and their octets, empty ones too.
  var contentKinds: [(name: String, octets: Int64)] {
    let content = measurement.content.octets
    return [
      ("attachments", content.attachmentOctets), ("text", content.textOctets), ("bodies", content.unsplitOctets),
      ("headers", content.headerOctets),
    ]
  }

  /// The largest mailboxes, and the rest together.
  func shownMailboxes(_ most: Int) -> [Share] {
    shares(
      measurement.mailboxes.filter { $0.octets > 0 }.map { (Human.name($0.name), $0.messages, $0.octets, $0.content) },
      most: most
    ) { "\(Human.count($0)) others" }
  }

  /// The latest years, the newest first, and what is older together.
  func shownYears(_ most: Int) -> [Share] {
    shares(
      measurement.years.reversed().map { (String($0.year), $0.messages, $0.octets, $0.content) }, most: most
    ) { _ in "older" }
  }

  private func shares(
    _ all: [(name: String, messages: Int, octets: Int64, content: ContentOctets)], most: Int,
    rest name: (Int) -> String
  ) -> [Share] {
    let whole = Double(max(1, measurement.octets))
    var shares = all.map {
      Share(
        name: $0.name, messages: $0.messages, octets: $0.octets, content: $0.content, share: Double($0.octets) / whole)
    }
    guard shares.count > most else { return shares }
    let rest = shares[(most - 1)...]
    let octets = rest.map(\.octets).total
    let joined = Share(
      name: name(rest.count), messages: rest.reduce(0) { $0 + $1.messages }, octets: octets,
      content: rest.reduce(ContentOctets()) { $0.adding($1.content) }, share: Double(octets) / whole)
    shares.removeSubrange((most - 1)...)
    return shares + [joined]
  }

  /// `with POP3 delete all of it; with POP3 keep older mail; with IMAP nothing`
  var losses: String {
    var parts: [String] = []
    let possible = ways.filter(\.isPossible)
    if possible.contains(where: { $0.loss == .allDownloadedMail }) {
      parts.append("POP3 delete: all mail but the newest")
    }
    if possible.contains(where: { $0.loss == .olderMail }) { parts.append("POP3 keep: all older than the days kept") }
    if possible.contains(where: { $0.loss == .nothing }) { parts.append("IMAP: nothing") }
    return parts.joined(separator: "; ")
  }

  /// Why some ways are not possible, each reason once.
  var obstacles: [String] {
    var grouped: [(reason: String, ways: [String])] = []
    for costs in ways {
      guard let reason = costs.obstacle else { continue }
      if let index = grouped.firstIndex(where: { $0.reason == reason }) {
        grouped[index].ways.append(costs.way.shortTitle)
      } else {
        grouped.append((reason, [costs.way.shortTitle]))
      }
    }
    return grouped.map { "Not possible: \($0.ways.joined(separator: ", ")): \($0.reason)." }
  }
}

extension Way {
  /// For narrow columns.
  var shortTitle: String {
    switch self {
    case .pop3Delete: "POP3 delete"
    case .pop3Keep7: "POP3 keep 7 d"
    case .pop3Keep30: "POP3 keep 30 d"
    case .imapOnline: "IMAP online"
    case .imapHeaders: "IMAP headers"
    case .imapMirror: "IMAP mirror"
    case .imapSync: "IMAP sync"
    }
  }
}

extension WayCosts {
  var fullIn: String {
    switch quotaOutlook {
    case .unknown: "?"
    case .never: "never"
    case .alreadyFull: "now"
    case .inDays: Human.days(daysUntilQuotaIsFull ?? 0)
    }
  }
}

extension ServiceFacts {
  var title: String { mailProtocol == .imap ? "IMAP" : "POP3" }
}
