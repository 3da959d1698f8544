/// How fast mail comes, from the dates of the mail that is there: what was deleted meanwhile is not seen, so for the
/// quota it is the growth itself, and for the traffic a lower bound.
public struct Arrival: Sendable, Hashable, Codable {
  public var inbox: ArrivalRate
  /// All other mailboxes: sent mail, and what rules have filed.
  public var others: ArrivalRate
  /// Both.
  public var messagesPerDay: Double
  public var octetsPerDay: Double

  public init(inbox: ArrivalRate, others: ArrivalRate) {
    self.inbox = inbox
    self.others = others
    messagesPerDay = (inbox.messagesPerDay + others.messagesPerDay).reported()
    octetsPerDay = (inbox.octetsPerDay + others.octetsPerDay).reported()
  }
}

/// Mail per day. A median over weeks, so that one imported folder or one video does not count as a habit; the mean where
/// most weeks brought nothing.
public struct ArrivalRate: Sendable, Hashable, Codable {
  public var messagesPerDay: Double
  public var octetsPerDay: Double
  /// The plain mean of the same weeks.
  public var meanOctetsPerDay: Double
  /// Weeks it is taken from, back from the day of the measurement; at most 13.
  public var weeks: Int
  /// The median of up to 52 weeks before those; nil: there is no older mail.
  public var earlierOctetsPerDay: Double?

  public init(
    messagesPerDay: Double = 0, octetsPerDay: Double = 0, meanOctetsPerDay: Double? = nil, weeks: Int = 0,
    earlierOctetsPerDay: Double? = nil
  ) {
    // JSON knows neither NaN nor infinity.
    self.messagesPerDay = messagesPerDay.reported()
    self.octetsPerDay = octetsPerDay.reported()
    self.meanOctetsPerDay = (meanOctetsPerDay ?? octetsPerDay).reported()
    self.weeks = weeks
    self.earlierOctetsPerDay = earlierOctetsPerDay?.reported()
  }
}

/// Sums by week, counted back from `now`: the week 0 ends now.
struct WeekSums {
  private static let week: Int64 = 7 * 86_400
  private let now: Int64
  private var octets: [Double]
  private var messages: [Double]
  /// Of the oldest message, however old.
  private var weeksBack = 0

  init(now: Int64) {
    self.now = now
    let weeks = AdviceLimits.recentWeeks + AdviceLimits.earlierWeeks
    octets = Array(repeating: 0, count: weeks)
    messages = octets
  }

  mutating func add(octets size: Int64, seconds: Int64) {
    guard seconds >= CivilDate.earliest, seconds <= now.adding(86_400) else { return }
    let index = Int(max(0, now - seconds) / Self.week)
    weeksBack = max(weeksBack, index + 1)
    guard index < octets.count else { return }
    octets[index] += Double(size)
    messages[index] += 1
  }

  func rate() -> ArrivalRate {
    guard weeksBack > 0 else { return ArrivalRate() }
    let weeks = min(AdviceLimits.recentWeeks, weeksBack)
    let earlier = min(weeksBack - weeks, AdviceLimits.earlierWeeks)
    return ArrivalRate(
      messagesPerDay: Self.perDay(messages[..<weeks]).reported(),
      octetsPerDay: Self.perDay(octets[..<weeks]).reported(),
      meanOctetsPerDay: (octets[..<weeks].reduce(0, +) / Double(weeks) / 7).reported(), weeks: weeks,
      earlierOctetsPerDay: earlier > 0 ? Self.perDay(octets[weeks..<weeks + earlier]).reported() : nil)
  }

  private static func perDay(_ weeks: ArraySlice<Double>) -> Double {
    guard !weeks.isEmpty else { return 0 }
    let median = weeks.median
    return (median > 0 ? median : weeks.reduce(0, +) / Double(weeks.count)) / 7
  }
}

extension Collection<Double> {
  /// The middle one, or the mean of the two in the middle; 0 when empty.
  var median: Double {
    let sorted = self.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
