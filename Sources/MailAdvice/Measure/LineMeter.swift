/// Measures the line: the round trip by commands that do nothing, the throughput by pieces of large messages.
struct LineMeter {
  let probe: any MailboxProbe
  /// A clock that never goes back.
  let clock: () -> Duration

  func measure(_ largest: [ProbedLocation]) async throws -> LineFacts {
    var facts = LineFacts(method: "")
    var times: [Double] = []
    for _ in 0..<AdviceLimits.roundTrips {
      let start = clock()
      guard try await probe.ping() else { break }
      times.append((clock() - start).inSeconds)
    }
    guard !times.isEmpty else {
      facts.method = "there is no line to measure: the mail is on this machine"
      return facts
    }
    let roundTrip = max(0, times.median)
    facts.roundTripSeconds = roundTrip.reported(digits: 6)
    facts.roundTripSamples = times.count
    try await throughput(largest, roundTrip: roundTrip, into: &facts)
    return facts
  }

  private func throughput(_ largest: [ProbedLocation], roundTrip: Double, into facts: inout LineFacts) async throws {
    var (octets, trips, piece) = (0, 0, AdviceLimits.throughputFirstPiece)
    let start = clock()
    var elapsed = 0.0
    while octets < AdviceLimits.throughputOctets, elapsed < AdviceLimits.throughputTime.inSeconds {
      let wanted = min(piece, AdviceLimits.throughputOctets - octets)
      let brought = try await probe.transfer(octets: wanted, of: largest)
      elapsed = (clock() - start).inSeconds
      guard brought.octets > 0 else { break }
      octets += brought.octets
      trips += brought.roundTrips
      piece = min(piece * 2, AdviceLimits.throughputLargestPiece)
    }
    facts.throughputSampleOctets = Int64(octets)
    facts.throughputSampleSeconds = elapsed.reported(digits: 3)
    guard octets >= AdviceLimits.throughputFloor, elapsed > 0 else {
      facts.method = "round trip by NOOP; too little large mail to measure the throughput"
      return
    }
    facts.octetsPerSecond = Self.octetsPerSecond(octets, elapsed: elapsed, waited: Double(trips) * roundTrip).reported()
    facts.method = "round trip by NOOP; throughput by \(probe.throughputMethod), waiting time taken off"
  }

  /// Octets over the time that was not spent waiting for the first octet of an answer: elapsed − commands × round trip.
  /// Of the time measured at least a tenth is kept, since round trips vary.
  static func octetsPerSecond(_ octets: Int, elapsed: Double, waited: Double) -> Double {
    let time = max(elapsed - waited, elapsed / 10)
    return time > 0 ? Double(octets) / time : 0
  }
}

extension Duration {
  var inSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }
}
