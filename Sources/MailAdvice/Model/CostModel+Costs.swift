import MailClient

extension CostModel {
  /// All ways, in the order of `Way.allCases`, those that the server can't do as well.
  func costs() -> [WayCosts] { Way.allCases.map(costs) }

  func costs(_ way: Way) -> WayCosts {
    let (curve, first, day, local) = (self.curve(way), self.first(way), self.day(way), self.local(way))
    let (outlook, days) = self.outlook(curve)
    let obstacle = self.obstacle(way)
    return WayCosts(
      way: way, isPossible: obstacle == nil, obstacle: obstacle, serverOctetsAfterFirstRun: Int64(octets: curve.start),
      freedOctets: Int64(octets: mail.usedOctets - curve.start),
      serverOctetsByMonth: (0...12).map { Int64(octets: curve.used(day: Double($0) * Self.daysPerMonth)) },
      serverGrowthOctetsPerDay: curve.growthPerDay.reported(), quotaOutlook: outlook,
      daysUntilQuotaIsFull: days?.reported(digits: 1), firstSyncOctets: Int64(octets: first.octets),
      firstSyncRoundTrips: Int64(octets: first.roundTrips), firstSyncSeconds: seconds(first).reported(),
      octetsPerDay: day.octets.reported(), roundTripsPerDay: day.roundTrips.reported(),
      secondsPerDay: seconds(day).reported(), localOctetsAfterFirstRun: Int64(octets: local.first),
      localOctetsAfter12Months: Int64(octets: local.first + local.perDay * 365.25), reach: reach(way), loss: loss(way))
  }

  static let daysPerMonth = 365.25 / 12

  private func outlook(_ curve: ServerCurve) -> (QuotaOutlook, Double?) {
    guard let limit = mail.quotaOctets else { return (.unknown, nil) }
    guard let day = curve.firstDay(at: limit) else { return (.never, nil) }
    return day <= 0 ? (.alreadyFull, nil) : (.inDays, day)
  }

  private func reach(_ way: Way) -> Reach {
    switch way.keptDays {
    case nil: .everything
    case 30?: .last30Days
    case 7?: .last7Days
    default: .newMailOnly
    }
  }

  private func loss(_ way: Way) -> Loss {
    switch way.keptDays {
    case nil: .nothing
    case 0?: .allDownloadedMail
    default: .olderMail
    }
  }

  /// Why the server can't be used so; nil: it can, as far as is known.
  private func obstacle(_ way: Way) -> String? {
    switch way.mailProtocol {
    case .imap: return mail.imap.availability == .notOffered ? "the server offers no IMAP" : nil
    case .pop3:
      if mail.pop3.availability == .notOffered { return "the server offers no POP3" }
      // RFC 2449 §6.7: mail is not left longer than EXPIRE says.
      guard let kept = way.keptDays, kept > 0, let expire = mail.pop3.expireDays, expire < kept else { return nil }
      return expire == 0
        ? "the server deletes what POP3 has fetched"
        : "the server keeps fetched mail for \(Human.days(Double(expire))) only"
    }
  }
}
