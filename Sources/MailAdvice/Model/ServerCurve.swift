/// Octets on the server over the days: a straight ramp at first (mail that is kept for some days gathers, or thins out),
/// then steady growth.
///
///     used(t) = start + (rampEnd − start) × t / rampDays             for t < rampDays
///     used(t) = rampEnd + growthPerDay × (t − rampDays)              from then on
struct ServerCurve: Sendable, Hashable {
  var start: Double
  var rampDays: Double
  var rampEnd: Double
  var growthPerDay: Double

  func used(day: Double) -> Double {
    guard day < rampDays else { return max(0, rampEnd + growthPerDay * (day - rampDays)) }
    return max(0, start + (rampEnd - start) * day / rampDays)
  }

  /// The first day on which `limit` is reached; nil: never within `AdviceLimits.horizonDays`.
  func firstDay(at limit: Double) -> Double? {
    if start >= limit { return 0 }
    if rampDays > 0, rampEnd >= limit { return rampDays * (limit - start) / (rampEnd - start) }
    guard growthPerDay > 0 else { return nil }
    let day = rampDays + (limit - (rampDays > 0 ? rampEnd : start)) / growthPerDay
    return day.isFinite && day <= AdviceLimits.horizonDays ? day : nil
  }
}

/// When the quota is used up.
public enum QuotaOutlook: String, Sendable, Hashable, Codable {
  /// No quota is known.
  case unknown
  /// Not in a hundred years, or nothing grows.
  case never
  case alreadyFull = "already-full"
  case inDays = "in-days"
}
