import MailNet
import Testing

@testable import MailAdvice

@Suite struct MeasurerTests {
  private let text: (ProbedMessage) -> ContentOctets? = { ContentOctets(textOctets: $0.octets) }

  @Test("Counts, octets, ages and years add up")
  func sums() async throws {
    let probe = FakeProbe()
    let inbox = [
      Examples.message(1, 100, daysAgo: 400), Examples.message(2, 1000, daysAgo: 20),
      Examples.message(3, 10_000, daysAgo: 3),
    ]
    probe.boxes = [
      Examples.box("INBOX", inbox, unseen: 2, isInbox: true, content: text),
      Examples.box("Sent", [Examples.message(1, 5, daysAgo: 1)], unseen: nil, content: text),
    ]
    let measured = try await probe.measure()
    #expect(measured.messages == 4)
    #expect(measured.octets == 11_105)
    #expect(measured.unseenMessages == 2)
    #expect(
      measured.inbox
        == InboxFacts(
          messages: 3, octets: 11_100, messagesOfLast7Days: 1, octetsOfLast7Days: 10_000, messagesOfLast30Days: 2,
          octetsOfLast30Days: 11_000))
    #expect(measured.mailboxes.map(\.name) == ["INBOX", "Sent"])
    #expect(measured.years.map(\.year) == [2025, 2026])
    #expect(measured.years.map(\.octets) == [100, 11_005])
    #expect(measured.sizes.medianOctets == 100)
    #expect(measured.sizes.percentile90Octets == 10_000)
    #expect(measured.pop3.availability == .unknown)
    #expect(measured.imap.availability == .offered)
  }

  @Test("Views of other mailboxes are not counted twice")
  func views() async throws {
    let probe = FakeProbe()
    let mail = [Examples.message(1, 100, daysAgo: 1)]
    var view = Examples.box("All Mail", mail, unseen: 0, content: text)
    view.listing.isView = true
    probe.boxes = [Examples.box("INBOX", mail, unseen: 0, isInbox: true, content: text), view]
    let measured = try await probe.measure()
    #expect(measured.octets == 100)
    #expect(measured.notes == ["All Mail shows messages of other mailboxes and is not counted."])
  }

  @Test("A mailbox that can't be opened counts by its STATUS, and the rest goes on")
  func refused() async throws {
    let probe = FakeProbe()
    let mail = [Examples.message(1, 100, daysAgo: 1)]
    var shut = Examples.box("Shut", [], unseen: 1, content: text)
    shut.listing.messages = 7
    shut.listing.octets = 900
    shut.isRefused = true
    var vague = shut
    vague.listing.name = "Vague"
    vague.listing.octets = nil
    probe.boxes = [shut, vague, Examples.box("INBOX", mail, unseen: 0, isInbox: true, content: text)]
    let measured = try await probe.measure()
    #expect(measured.messages == 15)
    // Without STATUS SIZE: seven of the average.
    #expect(measured.octets == 100 + 900 + 700)
    #expect(measured.mailboxes.map(\.name) == ["Shut", "Vague", "INBOX"])
    #expect(measured.content.octets == ContentOctets(textOctets: 100, unsplitOctets: 1600))
  }

  @Test("Of a mailbox too large to list, the newest are listed and STATUS tells the rest")
  func large() async throws {
    let probe = FakeProbe()
    let mail = (0..<500).map { Examples.message(UInt32($0 + 1), 100, daysAgo: Int64(500 - $0)) }
    probe.boxes = [
      Examples.box("INBOX", mail, unseen: 0, isInbox: true, content: text),
      Examples.box("A", mail, unseen: 0, content: text), Examples.box("B", mail, unseen: 0, content: text),
    ]
    probe.boxes[2].listing.octets = nil
    var bounds = MeasureBounds()
    bounds.messagesPerMailbox = 200
    bounds.messages = 500
    let measured = try await probe.measure(bounds: bounds)
    #expect(measured.messages == 1500)
    #expect(measured.octets == 150_000)
    #expect(measured.inbox.messages == 500)
    #expect(measured.years.map(\.messages).reduce(0, +) == 500)
    #expect(measured.notes.contains("Of INBOX the newest 200 of 500 messages were listed."))
    #expect(measured.notes.contains("Of B the newest 100 of 500 messages were listed."))
  }

  @Test("Only so many mailboxes are opened, the INBOX first, then the fullest")
  func manyMailboxes() async throws {
    let probe = FakeProbe()
    probe.boxes = (1...30).map {
      Examples.box("M\($0)", [Examples.message(1, Int64($0) * 10, daysAgo: 1)], unseen: 0, content: text)
    }
    probe.boxes.append(
      Examples.box("INBOX", [Examples.message(1, 1, daysAgo: 1)], unseen: 0, isInbox: true, content: text))
    var bounds = MeasureBounds()
    bounds.mailboxes = 3
    let measured = try await probe.measure(bounds: bounds)
    #expect(measured.messages == 31)
    #expect(measured.octets == 4651)
    #expect(Set(probe.asked.map(\.mailbox)) == ["INBOX", "M30", "M29"])
    #expect(measured.notes.contains("28 mailboxes were not read message by message."))
  }

  @Test("A server that sends more than was asked for fills no memory")
  func flood() async throws {
    final class Flood: MailboxProbe {
      let inner = FakeProbe()
      var source: MeasuredSource { inner.source }
      var account: String { inner.account }
      var throughputMethod: String { "" }
      var contentSampleLimit: Int { 0 }
      func service() async throws -> ServiceFacts { inner.facts }
      func mailboxes() async throws -> [ProbedMailbox] { [ProbedMailbox(name: "INBOX", isInbox: true, messages: 10)] }
      func quotas() async throws -> [QuotaFacts] { [] }
      func messages(of: ProbedMailbox, limit: Int, _ take: (ProbedMessage) -> Void) async throws {
        for _ in 0..<1000 { take(ProbedMessage(id: 1, octets: 1, seconds: nil)) }
      }
      func contents(of: ProbedMailbox, _: [ProbedMessage], _ take: (ProbedContent) -> Void) async throws {}
      func ping() async throws -> Bool { false }
      func transfer(octets: Int, of: [ProbedLocation]) async throws -> Transferred { .nothing }
      func close() async {}
    }
    var bounds = MeasureBounds()
    bounds.messagesPerMailbox = 20
    let measured = try await Measurer(Flood(), now: Examples.now, clock: { .zero }, bounds: bounds).measure(other: nil)
    #expect(measured.messages == 20)
  }

  @Test("The probe is closed whether the measurement ends well or not")
  func closes() async throws {
    let probe = FakeProbe()
    _ = try await Choose.report(on: probe, now: Examples.now)
    #expect(probe.isClosed)
    final class Broken: MailboxProbe {
      var isClosed = false
      let source = MeasuredSource.imap
      let account = ""
      let throughputMethod = ""
      let contentSampleLimit = 0
      func service() async throws -> ServiceFacts { throw ClientError(.disconnected, server: "") }
      func mailboxes() async throws -> [ProbedMailbox] { [] }
      func quotas() async throws -> [QuotaFacts] { [] }
      func messages(of: ProbedMailbox, limit: Int, _ take: (ProbedMessage) -> Void) async throws {}
      func contents(of: ProbedMailbox, _: [ProbedMessage], _ take: (ProbedContent) -> Void) async throws {}
      func ping() async throws -> Bool { true }
      func transfer(octets: Int, of: [ProbedLocation]) async throws -> Transferred { .nothing }
      func close() async { isClosed = true }
    }
    let broken = Broken()
    await #expect(throws: ClientError.self) { try await Choose.report(on: broken, now: Examples.now) }
    #expect(broken.isClosed)
  }
}

@Suite struct LineMeterTests {
  private func probe(_ pings: [Duration], speed: Double = 1_000_000, transferable: Int = .max) -> FakeProbe {
    let probe = FakeProbe()
    probe.pings = pings
    probe.octetsPerSecond = speed
    probe.transferable = transferable
    probe.boxes = [
      Examples.box("INBOX", [Examples.message(1, 9_000_000, daysAgo: 1)], unseen: 0, isInbox: true) { _ in nil }
    ]
    return probe
  }

  @Test("The round trip is the median: one slow answer does not count")
  func median() async throws {
    let pings: [Duration] = [.milliseconds(900), .milliseconds(30), .milliseconds(32), .milliseconds(31)]
    let line = try await probe(pings).measure().line
    #expect(line.roundTripSeconds == 0.031)
    #expect(line.roundTripSamples == AdviceLimits.roundTrips)
  }

  @Test("The throughput leaves out the waiting, and pieces double up to the bound")
  func throughput() async throws {
    let probe = probe([.milliseconds(50)])
    let line = try await probe.measure().line
    #expect(probe.pieces == [32_768, 65_536, 131_072, 262_144, 524_288, 524_288, 524_288, 32_768])
    #expect(line.throughputSampleOctets == Int64(AdviceLimits.throughputOctets))
    #expect(abs((line.octetsPerSecond ?? 0) - 1_000_000) < 1000)
    #expect(line.method.contains("BODY.PEEK[]"))
  }

  @Test("A slow line is asked for no more than its three seconds")
  func slow() async throws {
    let probe = probe([.milliseconds(100)], speed: 30_000)
    let line = try await probe.measure().line
    #expect(probe.pieces == [32_768, 65_536])
    #expect(abs((line.octetsPerSecond ?? 0) - 30_000) < 100)
  }

  @Test("Too little mail to measure the throughput with is said so")
  func little() async throws {
    let line = try await probe([.milliseconds(100)], transferable: 40_000).measure().line
    #expect(line.octetsPerSecond == nil)
    #expect(line.throughputSampleOctets == 40_000)
    #expect(line.method == "round trip by NOOP; too little large mail to measure the throughput")
  }

  @Test("Waiting that seems longer than the whole leaves a tenth")
  func waiting() {
    #expect(LineMeter.octetsPerSecond(1000, elapsed: 1, waited: 5) == 10_000)
    #expect(LineMeter.octetsPerSecond(1000, elapsed: 1, waited: 0.5) == 2000)
    #expect(LineMeter.octetsPerSecond(1000, elapsed: 0, waited: 0) == 0)
  }

  @Test("The largest messages are taken, the largest first")
  func largest() async throws {
    let probe = FakeProbe()
    let mail = (1...300).map { Examples.message(UInt32($0), Int64(($0 * 7919) % 1009), daysAgo: 1) }
    probe.boxes = [Examples.box("INBOX", mail, unseen: 0, isInbox: true) { _ in nil }]
    _ = try await probe.measure()
    let expected = mail.map(\.octets).sorted(by: >).prefix(AdviceLimits.throughputMessages)
    #expect(probe.largest.map(\.message.octets) == Array(expected))
  }
}
