import MailClient

/// What else could be done, and what to mind.
extension Adviser {
  func alternatives(to way: Way) -> [Recommendation.Alternative] {
    let others = candidates(to: way).filter { other in
      guard other.way != way, isPossible(other.way) else { return false }
      // POP3 is no alternative where it frees next to nothing.
      return other.way.mailProtocol == .imap || measured.messages == 0 || freedShare(other.way) >= Self.worthwhileShare
    }
    return Array(others.prefix(3))
  }

  private func candidates(to way: Way) -> [Recommendation.Alternative] {
    func cost(_ way: Way, _ path: KeyPath<WayCosts, Int64>) -> String { Human.size(costs[way]?[keyPath: path] ?? 0) }
    let inAYear = Human.size(costs[.imapSync]?.serverOctetsByMonth.last ?? 0)
    let whole = cost(.imapSync, \.localOctetsAfterFirstRun)
    let headers = cost(.imapHeaders, \.localOctetsAfterFirstRun)
    let sync = Recommendation.Alternative(
      way: .imapSync,
      when: "if all of it must stay readable from elsewhere: that takes \(inAYear) on the server a year from now.")
    let keep = Recommendation.Alternative(
      way: .pop3Keep30,
      when: "if the last 30 days are enough elsewhere: gives back \(cost(.pop3Keep30, \.freedOctets)).")
    let delete = Recommendation.Alternative(
      way: .pop3Delete,
      when: "if nobody reads from elsewhere: gives back \(cost(.pop3Delete, \.freedOctets)), all that POP3 can reach.")
    let less = Recommendation.Alternative(
      way: .imapHeaders, when: "if the disk here is short: it takes \(headers) instead of \(whole).")
    let mirror = Recommendation.Alternative(
      way: .imapMirror, when: "if the copy is a backup: nothing done here ever changes the server.")
    if measured.messages == 0 {
      return [
        .init(way: .pop3Keep30, when: "if the hosting quota is small and mail will be large."),
        .init(way: .imapMirror, when: "if the copy here is to be a backup only."),
      ]
    }
    switch way {
    case .pop3Delete: return [keep, sync]
    case .pop3Keep7, .pop3Keep30: return [delete, sync]
    case .imapMirror: return [sync, less, delete]
    case .imapOnline, .imapHeaders: return [sync, keep, mirror]
    case .imapSync: return [mirror, less, keep]
    }
  }

  func cautions(_ way: Way) -> [String] {
    var cautions: [String] = []
    if way.mailProtocol == .pop3 { cautions += pop3Cautions(way) }
    if way == .imapMirror {
      cautions.append(
        "A mirror follows the server: what is deleted there is deleted here. Set the copy aside before you delete.")
    }
    if way.mailProtocol == .imap, measured.imap.availability == .unknown {
      cautions.append("Whether the server offers IMAP was not looked at.")
    }
    let arrival = measured.arrival
    let mean = arrival.inbox.meanOctetsPerDay + arrival.others.meanOctetsPerDay
    if mean > 2 * arrival.octetsPerDay, mean > 1_048_576 {
      cautions.append(
        "Some weeks bring far more than usual: \(Human.size(Int64(octets: mean))) a day on average, against a usual "
          + "\(Human.size(Int64(octets: arrival.octetsPerDay))).")
    }
    if measured.line.octetsPerSecond == nil, measured.messages > 0 {
      cautions.append(
        "The line was not measured: times are for \(Human.size(Int64(octets: model.mail.octetsPerSecond)))/s and a round "
          + "trip of \(Human.milliseconds(model.mail.roundTripSeconds)).")
    }
    return cautions
  }

  private func pop3Cautions(_ way: Way) -> [String] {
    var cautions: [String] = []
    if measured.messages > 0 {
      let only = Human.size(costs[way].map { min($0.freedOctets, $0.localOctetsAfterFirstRun) } ?? 0)
      cautions.append("After the first run \(only) of mail is on this computer only: back it up.")
    }
    let others = measured.octets.subtracting(measured.inbox.octets)
    if others > 0 {
      cautions.append("POP3 sees the INBOX alone: \(Human.size(others)) in other mailboxes stay on the server.")
    }
    if measured.pop3.availability == .unknown { cautions.append("Whether the server offers POP3 was not looked at.") }
    if measured.pop3.availability == .offered, !measured.pop3.has("UIDL"), (way.keptDays ?? 0) > 0 {
      cautions.append("The server has no UIDL: what is kept is recognised by its content, which takes longer.")
    }
    return cautions
  }
}
