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
}

/// A date as SEARCH gives it: days since 1970-01-01, no time, no zone (RFC 9051 §6.4.4).
public struct IMAPDay: Hashable, Sendable, Comparable {
  public var number: Int32
  @inlinable public init(_ number: Int32) { self.number = number }
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
