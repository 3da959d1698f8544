/// How near the quota is.
struct Pressure: Sendable, Hashable {
  enum Level: Int, Sendable, Comparable {
    case none, coming, tight, over
    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  /// Where the levels begin. Full to nine tenths or within three months is tight; three quarters or two years are coming.
  static let tightFill = 0.9
  static let tightDays = 90.0
  static let comingFill = 0.75
  static let comingDays = 730.0
  /// What a remedy must reach: at most so full, and not full again within a year.
  static let relievedFill = 0.7
  static let relievedDays = 365.0

  var level: Level
  /// Of octets or messages, whichever is nearer its limit; nil: no quota known.
  var fill: Double?
  /// Days until it is full as mail grows now; nil: never, or not known.
  var days: Double?
  /// The number of messages is what presses, not their size.
  var byMessages: QuotaFacts?

  init(_ measured: Measurement, _ mail: MailFigures, _ curve: ServerCurve) {
    fill = mail.quotaOctets.map { mail.usedOctets / $0 }
    days = mail.quotaOctets.flatMap { curve.firstDay(at: $0) }
    let counted = measured.quotas.filter { $0.resource == "MESSAGE" && $0.limit > 0 }.max { $0.fill < $1.fill }
    if let counted {
      let left = Double(counted.limit) - Double(counted.usage)
      let daysLeft = left <= 0 ? 0 : mail.messagesPerDay > 0 ? left / mail.messagesPerDay : nil
      let isNearer = counted.fill > (fill ?? 0) || (daysLeft ?? .infinity) < (days ?? .infinity)
      if isNearer, counted.fill >= Self.comingFill || (daysLeft ?? .infinity) <= Self.comingDays {
        byMessages = counted
        fill = counted.fill
        days = daysLeft
      }
    }
    level = Self.level(fill: fill, days: days)
  }

  static func level(fill: Double?, days: Double?) -> Level {
    guard let fill else { return .none }
    if fill >= 1 { return .over }
    let days = days ?? .infinity
    if fill >= tightFill || days <= tightDays { return .tight }
    return fill >= comingFill || days <= comingDays ? .coming : .none
  }
}
