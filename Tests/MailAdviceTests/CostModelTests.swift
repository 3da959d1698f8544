import MailClient
import Testing

@testable import MailAdvice

/// The figures of `Sketch` are round, so that each expectation can be followed by hand.
@Suite struct CostModelTests {
  private let model = CostModel(Sketch().measurement)

  private func isNear(_ value: Double?, _ expected: Double) -> Bool {
    value.map { abs($0 - expected) <= max(0.01, abs(expected) * 1e-6) } ?? false
  }

  @Test("POP3 brings the INBOX once, RETR and DELE by the window")
  func pop3First() {
    // 8000 messages × 40 octets of listing; 6 + 3 round trips, 8000/32 RETR, 8000/32 DELE.
    #expect(model.first(.pop3Delete) == .init(octets: 800_320_000, roundTrips: 509))
    // 7900/32 and 7600/32 DELE, rounded up.
    #expect(model.first(.pop3Keep7) == .init(octets: 800_320_000, roundTrips: 506))
    #expect(model.first(.pop3Keep30) == .init(octets: 800_320_000, roundTrips: 497))
    // 509 × 0.1 s + 800.32 s
    #expect(isNear(model.costs(.pop3Delete).firstSyncSeconds, 851.22))
  }

  @Test("Without PIPELINING each message costs its round trips")
  func pop3WithoutPipelining() {
    let model = CostModel(Sketch.with { $0.pop3 = ServiceFacts(.pop3, .offered, capabilities: ["UIDL"]) })
    #expect(model.first(.pop3Delete).roundTrips == 9 + 8000 + 8000)
    #expect(model.day(.pop3Delete).roundTrips == 24 * 9 + 20)
  }

  @Test("A day of POP3 lists in each session what was kept")
  func pop3Day() {
    #expect(model.day(.pop3Delete) == .init(octets: 1_000_400, roundTrips: 216.625))
    // 10 × (1 + 24 × 30) lines of 40 octets
    #expect(model.day(.pop3Keep30).octets == 1_288_400)
    #expect(isNear(model.costs(.pop3Delete).secondsPerDay, 22.66))
  }

  @Test("LOGIN-DELAY bounds the sessions of a day")
  func loginDelay() {
    let slow = ServiceFacts(.pop3, .offered, capabilities: ["PIPELINING"], loginDelaySeconds: 8640)
    let model = CostModel(Sketch.with { $0.pop3 = slow })
    #expect(model.day(.pop3Delete).roundTrips == 10 * 9 + 0.625)
  }

  @Test("IMAP online brings a page of headers at each look, and what is read")
  func online() {
    #expect(model.first(.imapOnline) == .init(octets: 30_000, roundTrips: 8))
    // 8 looks × 30,000; 1,000,000 × (27 % text + 70 % × ¼); 8 × 8 + 10 round trips
    let day = model.day(.imapOnline)
    #expect(isNear(day.octets, 685_000))
    #expect(day.roundTrips == 74)
    #expect(model.local(.imapOnline) == (0, 0))
  }

  @Test("IMAP headers brings header and structure of everything")
  func headers() {
    // 10,000 × (3000 + 400) + 4 STATUS of 100; 6 + 1 + 2 × 4 round trips
    #expect(model.first(.imapHeaders) == .init(octets: 34_000_400, roundTrips: 15))
    // 24 × 400 STATUS + 12 × 3400 + 445,000 read; 6 + 50 + 24 + 24 + 10 round trips
    let day = model.day(.imapHeaders)
    #expect(isNear(day.octets, 495_400))
    #expect(day.roundTrips == 114)
    #expect(model.costs(.imapHeaders).localOctetsAfterFirstRun == 34_000_000)
    #expect(model.costs(.imapHeaders).localOctetsAfter12Months == 48_902_200)
  }

  @Test("An IMAP mirror reads all flags at each look unless the server has CONDSTORE")
  func mirror() {
    #expect(model.first(.imapMirror) == .init(octets: 1_000_900_400, roundTrips: 40))
    let day = model.day(.imapMirror)
    #expect(isNear(day.octets, 12_010_680))
    #expect(day.roundTrips == 200)
    let better = CostModel(
      Sketch.with {
        $0.imap = ServiceFacts(.imap, .offered, capabilities: ["CONDSTORE", "IDLE", "LIST-STATUS"])
      })
    #expect(isNear(better.day(.imapMirror).octets, 1_210_680))
    #expect(better.day(.imapMirror).roundTrips == 104)
  }

  @Test("IMAP sync also sends what changed here")
  func sync() {
    #expect(isNear(model.day(.imapSync).octets, 12_011_220))
    #expect(model.day(.imapSync).roundTrips == 200.375)
  }

  @Test("Without IDLE and LIST-STATUS each look logs in and asks mailbox by mailbox, pipelined")
  func bareIMAP() {
    let bare = CostModel(Sketch.with { $0.imap = ServiceFacts(.imap, .offered) })
    // 24 × (6 + 1 + 4) + 24
    #expect(bare.day(.imapMirror).roundTrips == 288)
  }

  @Test("The server's disk: IMAP grows on, POP3 gives the INBOX back")
  func server() {
    let costs = model.costs()
    func days(_ way: Way) -> Double? { costs.first { $0.way == way }?.daysUntilQuotaIsFull }
    // 200,000,000 free at 1,200,000 a day
    #expect(days(.imapSync) == 166.7)
    // 1,000,000,000 free at 200,000 a day
    #expect(days(.pop3Delete) == 5000)
    // 30 days to 236,000,000, then 964,000,000 at 200,000
    #expect(days(.pop3Keep30) == 4850)
    #expect(days(.pop3Keep7) == 4965)
    #expect(model.costs(.pop3Delete).serverOctetsAfterFirstRun == 200_000_000)
    #expect(model.costs(.pop3Delete).freedOctets == 800_000_000)
    #expect(model.costs(.pop3Keep30).freedOctets == 760_000_000)
    #expect(model.costs(.imapMirror).freedOctets == 0)
    #expect(model.costs(.pop3Delete).serverOctetsByMonth.count == 13)
    #expect(model.costs(.pop3Delete).serverOctetsByMonth.last == 273_050_000)
  }

  @Test("What the quota counts beyond the messages' octets stays where it is")
  func usageDiffers() {
    let model = CostModel(Sketch.with { $0.usage = 1_100_000_000 })
    #expect(model.costs(.pop3Delete).serverOctetsAfterFirstRun == 300_000_000)
    // A server that counts compressed octets shows less than the INBOX alone.
    let packed = CostModel(Sketch.with { $0.usage = 500_000_000 })
    #expect(packed.costs(.pop3Delete).serverOctetsAfterFirstRun == 0)
    #expect(packed.costs(.pop3Delete).freedOctets == 500_000_000)
  }

  @Test("A mailbox over its quota is full now; one that does not grow never is; without a quota nobody knows")
  func outlooks() {
    let over = CostModel(Sketch.with { $0.limit = 900_000_000 })
    #expect(over.costs(.imapSync).quotaOutlook == .alreadyFull)
    #expect(over.costs(.pop3Delete).quotaOutlook == .inDays)
    let still = CostModel(
      Sketch.with {
        $0.inboxPerDay = (0, 0)
        $0.othersPerDay = (0, 0)
      })
    #expect(still.costs(.imapSync).quotaOutlook == .never)
    #expect(CostModel(Sketch.with { $0.limit = nil }).costs(.imapSync).quotaOutlook == .unknown)
    // Panels write 0 for unlimited.
    #expect(CostModel(Sketch.with { $0.limit = 0 }).costs(.imapSync).quotaOutlook == .unknown)
  }

  @Test("What is kept may itself fill the quota while it gathers")
  func ramp() {
    let curve = ServerCurve(start: 100, rampDays: 30, rampEnd: 400, growthPerDay: 1)
    #expect(curve.firstDay(at: 100) == 0)
    #expect(curve.firstDay(at: 250) == 15)
    #expect(curve.firstDay(at: 500) == 130)
    #expect(curve.used(day: 15) == 250)
    #expect(curve.used(day: 130) == 500)
    #expect(ServerCurve(start: 1, rampDays: 0, rampEnd: 1, growthPerDay: 0.001).firstDay(at: 1e9) == nil)
  }

  @Test("EXPIRE shorter than the days kept makes keeping impossible")
  func expire() {
    func possible(_ days: Int?) -> [Way] {
      let pop3 = ServiceFacts(.pop3, .offered, capabilities: ["UIDL"], expireDays: days)
      return CostModel(Sketch.with { $0.pop3 = pop3 }).costs().filter { $0.isPossible && $0.way.keptDays != nil }.map(
        \.way)
    }
    #expect(possible(nil) == [.pop3Delete, .pop3Keep7, .pop3Keep30])
    #expect(possible(0) == [.pop3Delete])
    #expect(possible(14) == [.pop3Delete, .pop3Keep7])
    #expect(possible(60) == [.pop3Delete, .pop3Keep7, .pop3Keep30])
  }

  @Test("Reach and loss of each way")
  func reach() {
    let costs = model.costs()
    #expect(costs.map(\.way) == Way.allCases)
    #expect(
      costs.map(\.reach) == [
        .newMailOnly, .last7Days, .last30Days, .everything, .everything, .everything, .everything,
      ])
    #expect(
      costs.map(\.loss) == [.allDownloadedMail, .olderMail, .olderMail, .nothing, .nothing, .nothing, .nothing])
  }

  @Test("A line that was not measured, or measured as nothing, is taken from the assumptions")
  func line() {
    for (speed, trip) in [(nil, nil), (0, 0.1), (-5, 0.1), (.nan, 0.1)] as [(Double?, Double?)] {
      let model = CostModel(
        Sketch.with {
          $0.speed = speed
          $0.roundTrip = trip
        })
      #expect(model.mail.octetsPerSecond == 1_250_000)
      #expect(model.mail.roundTripSeconds == trip ?? 0.05)
    }
  }
}
