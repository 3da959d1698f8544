/// How large the messages are.
public struct SizeDistribution: Sendable, Hashable, Codable {
  public var medianOctets: Int64
  public var percentile90Octets: Int64
  public var percentile99Octets: Int64
  public var largestOctets: Int64
  /// Messages of 1 MiB and more, and what they add up to.
  public var messagesOver1MiB: Int
  public var octetsOver1MiB: Int64

  public init(
    medianOctets: Int64 = 0, percentile90Octets: Int64 = 0, percentile99Octets: Int64 = 0, largestOctets: Int64 = 0,
    messagesOver1MiB: Int = 0, octetsOver1MiB: Int64 = 0
  ) {
    self.medianOctets = medianOctets
    self.percentile90Octets = percentile90Octets
    self.percentile99Octets = percentile99Octets
    self.largestOctets = largestOctets
    self.messagesOver1MiB = messagesOver1MiB
    self.octetsOver1MiB = octetsOver1MiB
  }

  /// Percentiles by nearest rank: the smallest size that so many of a hundred messages do not exceed.
  public init(_ sizes: [Int64]) {
    self.init()
    let sorted = sizes.sorted()
    guard let largest = sorted.last else { return }
    func rank(_ percent: Int) -> Int64 { sorted[max(0, (sorted.count * percent + 99) / 100 - 1)] }
    medianOctets = rank(50)
    percentile90Octets = rank(90)
    percentile99Octets = rank(99)
    largestOctets = largest
    for size in sorted.reversed() {
      guard size >= 1 << 20 else { break }
      messagesOver1MiB += 1
      octetsOver1MiB = octetsOver1MiB.adding(size)
    }
  }
}
