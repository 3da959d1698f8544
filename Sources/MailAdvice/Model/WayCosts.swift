/// What one way would cost. Octets, seconds and days; estimates from `CostModel`.
public struct WayCosts: Sendable, Hashable, Codable {
  public var way: Way
  /// False: this server can't be used so; `obstacle` says why.
  public var isPossible: Bool
  public var obstacle: String?

  public var serverOctetsAfterFirstRun: Int64
  /// Given back by the first run.
  public var freedOctets: Int64
  /// At the end of each month, the first being now: 13 figures.
  public var serverOctetsByMonth: [Int64]
  public var serverGrowthOctetsPerDay: Double
  public var quotaOutlook: QuotaOutlook
  /// With `quotaOutlook` in-days.
  public var daysUntilQuotaIsFull: Double?

  public var firstSyncOctets: Int64
  public var firstSyncRoundTrips: Int64
  public var firstSyncSeconds: Double
  public var octetsPerDay: Double
  public var roundTripsPerDay: Double
  public var secondsPerDay: Double

  public var localOctetsAfterFirstRun: Int64
  public var localOctetsAfter12Months: Int64

  public var reach: Reach
  public var loss: Loss
}
