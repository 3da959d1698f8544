/// A date-time (RFC 9051 §9) as APPEND gives it and INTERNALDATE prints it.
public struct IMAPDateTime: Hashable, Sendable {
  /// Seconds since 1970-01-01 00:00 UTC.
  public var seconds: Int64
  /// Minutes east of UTC.
  public var zoneMinutes: Int16
  @inlinable
  public init(seconds: Int64, zoneMinutes: Int16 = 0) {
    self.seconds = seconds
    self.zoneMinutes = zoneMinutes
  }

  /// What a clock and a calendar in the zone show: the date, the seconds since midnight, and the minutes of the zone; clipped
  /// to 0000-01-01 to 9999-12-31, a day off each end for the zone.
  @inlinable
  var local: (civil: (year: Int, month: Int, day: Int), time: Int, zone: Int) {
    let zone = Int(Swift.min(Swift.max(zoneMinutes, -1439), 1439))
    let local = Int(Swift.min(Swift.max(seconds, -62_167_132_800), 253_402_214_400)) + zone * 60
    let day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
    return (CivilDate.date(ofDay: day), local - day * 86_400, zone)
  }
}

/// A date as SEARCH gives it: days since 1970-01-01, no time, no zone (RFC 9051 §6.4.4).
public struct IMAPDay: Hashable, Sendable, Comparable {
  public var number: Int32
  @inlinable public init(_ number: Int32) { self.number = number }
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
