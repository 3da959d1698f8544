import Testing

@testable import MailAdvice

@Suite struct SampleTests {
  private func sums(_ sizes: [Int64]) -> ClassSums { sizes.reduce(into: ClassSums()) { $0.add($1) } }

  @Test("A mailbox below the bound is looked at whole")
  func whole() {
    let sizes: [Int64] = (0..<2000).map { $0 * 50 }
    #expect(StratifiedSample.pick(sizes, sums: sums(sizes), limit: 2000) == Array(0..<2000))
  }

  @Test("Of 200,000 messages at most 2,000 are looked at, large ones before small ones, each class with its least")
  func bounded() {
    // 190,000 small, 9,900 middling, 100 large; the large ones hold most octets.
    let sizes: [Int64] = (0..<200_000).map { index in
      if index % 2000 == 7 { return 30 << 20 }
      return index % 20 == 3 ? 50_000 : 3000
    }
    let sums = sums(sizes)
    let picked = StratifiedSample.pick(sizes, sums: sums, limit: 2000)
    #expect(picked.count <= 2000 && picked.count > 1900)
    #expect(Set(picked).count == picked.count)
    #expect(picked.count { sizes[$0] > 1 << 20 } == 100)
    #expect(picked.count { sizes[$0] == 3000 } >= AdviceLimits.structureSamplePerClass)
    #expect(picked.count { sizes[$0] == 50_000 } >= AdviceLimits.structureSamplePerClass)
    // Spread over the whole mailbox, not its beginning.
    let small = picked.filter { sizes[$0] == 3000 }
    #expect((small.first ?? .max) < 10_000 && (small.last ?? 0) > 190_000)
  }

  @Test("Any mixture stays within any bound")
  func mixtures() {
    var generator = SystemLike(state: 42)
    for limit in [0, 1, 5, 9, 100, 2000] {
      for _ in 0..<20 {
        let sizes = (0..<Int.random(in: 0...5000, using: &generator)).map { _ in
          Int64(1) << Int64.random(in: 0...40, using: &generator)
        }
        let sums = sums(sizes)
        let allotted = StratifiedSample.allotment(sums, limit: limit)
        #expect(allotted.reduce(0, +) <= limit)
        #expect(zip(allotted, sums.messages).allSatisfy { $0 <= $1 && $0 >= 0 })
        #expect(StratifiedSample.pick(sizes, sums: sums, limit: limit).count == allotted.reduce(0, +))
      }
    }
  }

  @Test("The measurement asks for no more structures than the bound")
  func measured() async throws {
    let probe = FakeProbe()
    probe.boxes = (0..<6).map { box -> FakeProbe.Box in
      let mail = (0..<1000).map { index -> ProbedMessage in
        Examples.message(UInt32(index + 1), Int64(1000 + index * 300), daysAgo: 1)
      }
      return Examples.box("M\(box)", mail, unseen: 0, isInbox: box == 0) { ContentOctets(textOctets: $0.octets) }
    }
    let measured = try await probe.measure()
    let asked = probe.asked.reduce(0) { $0 + $1.count }
    #expect(asked <= AdviceLimits.structureSample && asked > 1900)
    #expect(probe.asked.count == 6)
    #expect(measured.content.sampledMessages == asked)
    #expect(measured.content.octets.textOctets == measured.octets)
    #expect(measured.notes.contains { $0.hasPrefix("What messages consist of was looked up for 1,9") })
  }

  @Test("Shares of a class stand for all its messages, and the parts add up to the whole")
  func shares() {
    var shares = ContentShares()
    shares.add(ContentOctets(headerOctets: 500, textOctets: 1500), size: 2000)
    shares.add(ContentOctets(headerOctets: 1000, textOctets: 9000, attachmentOctets: 90_000), size: 100_000)
    let sizes: [Int64] = [2001, 2001, 2001, 100_003, 20 << 20]
    let content = shares.content(of: sums(sizes))
    // A quarter of 6003 (rounded) and a hundredth of 100,003; nobody looked at the class of 20 MiB.
    #expect(content.headerOctets == 1501 + 1000)
    #expect(content.unsplitOctets == 20 << 20)
    #expect(content.octets == sizes.total)
    // (3 × 500 + 1 × 1000) / 4
    #expect(shares.headerOctetsPerMessage(sums(sizes)) == 625)
  }

  @Test("Growth is the median week, whatever one week brought")
  func medianWeek() {
    var weeks = WeekSums(now: Examples.now)
    for week in 0..<40 {
      let octets: Int64 = week == 3 ? 7_000_000_000 : week < 13 ? 700 : 350
      weeks.add(octets: octets, seconds: Examples.now - Int64(week) * 7 * 86_400 - 60)
    }
    let rate = weeks.rate()
    #expect(rate.octetsPerDay == 100)
    #expect(rate.weeks == 13)
    #expect(rate.earlierOctetsPerDay == 50)
    #expect(rate.meanOctetsPerDay > 70_000_000)
  }

  @Test("Where most weeks bring nothing the mean stands in for the median")
  func rareMail() {
    var weeks = WeekSums(now: Examples.now)
    weeks.add(octets: 9100, seconds: Examples.now - 60)
    weeks.add(octets: 0, seconds: Examples.now - 200 * 86_400)
    #expect(weeks.rate().octetsPerDay == 100)
    #expect(weeks.rate().weeks == 13)
  }

  @Test("A young mailbox is judged by the weeks it has")
  func young() {
    var weeks = WeekSums(now: Examples.now)
    weeks.add(octets: 1400, seconds: Examples.now - 8 * 86_400)
    weeks.add(octets: 1400, seconds: Examples.now - 86_400)
    #expect(weeks.rate().weeks == 2)
    #expect(weeks.rate().octetsPerDay == 200)
    #expect(weeks.rate().earlierOctetsPerDay == nil)
    #expect(WeekSums(now: Examples.now).rate() == ArrivalRate())
  }

  @Test("Days and years are those of the calendar")
  func calendar() {
    #expect(CivilDate.text(ofSeconds: 0) == "1970-01-01")
    #expect(CivilDate.text(ofSeconds: Examples.now) == "2026-11-25")
    #expect(CivilDate.text(ofSeconds: 951_782_400) == "2000-02-29")
    #expect(CivilDate.text(ofSeconds: 951_868_800) == "2000-03-01")
    #expect(CivilDate.year(ofSeconds: 1_767_225_599) == 2025)
    #expect(CivilDate.year(ofSeconds: 1_767_225_600) == 2026)
    #expect(CivilDate.text(ofSeconds: -1) == "1969-12-31")
  }
}

/// Numbers that are the same in every run.
struct SystemLike: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 29)
  }
}
