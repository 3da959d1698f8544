import Testing

@testable import MailAdvice

@Suite("Figures without bounds") struct SafetyTests {
  private func everyFigureIsSound(_ report: Report) throws {
    for costs in report.ways {
      for value in [
        costs.serverGrowthOctetsPerDay, costs.firstSyncSeconds, costs.octetsPerDay, costs.roundTripsPerDay,
        costs.secondsPerDay, costs.daysUntilQuotaIsFull ?? 0,
      ] { #expect(value.isFinite && value >= 0) }
      for value in costs.serverOctetsByMonth + [
        costs.firstSyncOctets, costs.freedOctets, costs.localOctetsAfter12Months,
      ] {
        #expect(value >= 0)
      }
    }
    #expect(try report.json().contains("\"format\" : 1"))
    #expect(!report.text().isEmpty)
    let drawing = report.svg()
    #expect(!drawing.lowercased().contains("nan") && !drawing.contains("inf"))
    #expect(!report.html().contains("NaN"))
  }

  @Test("Sizes up to 2^62 and their sums neither trap nor turn negative")
  func huge() async throws {
    let probe = FakeProbe()
    let messages = (1...12).map { Examples.message(UInt32($0), 1 << 62, daysAgo: Int64($0)) }
    probe.boxes = [
      Examples.box("INBOX", messages, unseen: nil, isInbox: true) { ContentOctets(attachmentOctets: $0.octets) },
      Examples.box("Sent", messages, unseen: nil) { ContentOctets(headerOctets: .max, textOctets: $0.octets) },
    ]
    probe.quotaFacts = [QuotaFacts(root: "", resource: "STORAGE", usage: .max, limit: 1 << 62)]
    let report = try await Examples.report(probe)
    #expect(report.measurement.octets == .max)
    #expect(report.measurement.content.octets.octets == .max)
    try everyFigureIsSound(report)
  }

  @Test("NaN, infinity and negative figures are taken for nothing")
  func nonsense() throws {
    for value in [Double.nan, .infinity, -.infinity, -1] {
      let measurement = Sketch.with {
        $0.inboxPerDay = (value, value)
        $0.othersPerDay = (value, value)
        $0.speed = value
        $0.roundTrip = value
      }
      try everyFigureIsSound(Report(measurement))
    }
  }

  @Test("Negative sizes and counters count as none")
  func negative() async throws {
    let probe = FakeProbe()
    probe.boxes = [
      Examples.box(
        "INBOX", [Examples.message(1, -5, daysAgo: 1), Examples.message(2, .min, daysAgo: 2)], unseen: 0, isInbox: true
      ) { _ in ContentOctets(headerOctets: -3, textOctets: .min) }
    ]
    let report = try await Examples.report(probe)
    #expect(report.measurement.octets == 0)
    try everyFigureIsSound(report)
  }

  @Test("Nothing grows, nothing moves: zero everywhere")
  func zero() throws {
    try everyFigureIsSound(
      Report(
        Sketch.with {
          $0 = Sketch(
            messages: 0, octets: 0, inboxMessages: 0, inboxOctets: 0, kept7: (0, 0), kept30: (0, 0),
            inboxPerDay: (0, 0),
            othersPerDay: (0, 0), limit: 0, roundTrip: 0, speed: 0, content: ContentOctets())
        }))
  }

  @Test("Dates from 1601 to the year 9999 break no week and no year")
  func dates() async throws {
    let probe = FakeProbe()
    let seconds: [Int64?] = [
      nil, .min + 1, -11_644_473_600, 0, Examples.now, Examples.now + 3600, 253_402_300_799, .max,
    ]
    let messages = seconds.enumerated().map { ProbedMessage(id: UInt32($0 + 1), octets: 1000, seconds: $1) }
    probe.boxes = [Examples.box("INBOX", messages, unseen: 0, isInbox: true) { ContentOctets(textOctets: $0.octets) }]
    let report = try await Examples.report(probe)
    #expect(report.measurement.years.map(\.year) == [2026])
    #expect(report.measurement.messages == 8)
    #expect(report.measurement.notes.contains { $0.contains("6 messages have no usable date") })
    try everyFigureIsSound(report)
  }

  @Test("Conversions stop at the ends")
  func conversions() {
    #expect(Int64(octets: .nan) == 0)
    #expect(Int64(octets: -.infinity) == 0)
    #expect(Int64(octets: .infinity) == .max)
    #expect(Int64(octets: 1e19) == .max)
    #expect(Int64(octets: 2.5) == 3)
    #expect(Int64.max.adding(1) == .max)
    #expect(Int64.min.adding(-1) == .min)
    #expect(Int64.min.subtracting(1) == .min)
    #expect(Double.nan.reported() == 0)
    #expect(Double.infinity.reported().isFinite)
    #expect(1.006.reported() == 1.01)
  }
}
