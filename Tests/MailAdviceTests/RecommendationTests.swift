import MailClient
import Testing

@testable import MailAdvice

/// A mailbox, what its owner says, what the adviser must choose, and words its reason must hold.
struct Case: Sendable, CustomTestStringConvertible {
  let name: String
  let change: @Sendable (inout Sketch) -> Void
  var wishes = Wishes()
  let way: Way
  let words: [String]
  var testDescription: String { name }

  init(_ name: String, _ way: Way, _ words: [String], _ change: @escaping @Sendable (inout Sketch) -> Void) {
    self.init(name, Wishes(), way, words, change)
  }

  init(
    _ name: String, _ wishes: Wishes, _ way: Way, _ words: [String],
    _ change: @escaping @Sendable (inout Sketch) -> Void
  ) {
    self.name = name
    self.change = change
    self.wishes = wishes
    self.way = way
    self.words = words
  }

  static let gib: Int64 = 1 << 30

  /// 4.7 of 5 GiB, nearly all in the INBOX, 20 MiB a day.
  static func full(_ sketch: inout Sketch) {
    (sketch.octets, sketch.inboxOctets, sketch.limit) = (5_046_586_573, 4_900_000_000, 5 * gib)
    sketch.kept7 = (70, 147_000_000)
    sketch.kept30 = (300, 629_145_600)
    sketch.inboxPerDay = (10, 20_971_520)
    sketch.othersPerDay = (1, 1_000_000)
    sketch.content = ContentOctets(headerOctets: 46_586_573, textOctets: 900_000_000, attachmentOctets: 4_100_000_000)
    sketch.oldYear = 2022
  }

  /// 1 of 10 GiB, 0.2 MiB a day.
  static func roomy(_ sketch: inout Sketch) {
    (sketch.octets, sketch.inboxOctets, sketch.limit) = (gib, gib / 2, 10 * gib)
    sketch.inboxPerDay = (10, 150_000)
    sketch.othersPerDay = (2, 50_000)
    sketch.kept30 = (300, 4_500_000)
  }

  static let offersNoPOP3 = ServiceFacts(.pop3, .notOffered)
  static let offersNoIMAP = ServiceFacts(.imap, .notOffered)

  static let all: [Case] = [
    Case(
      "full, nothing said", .pop3Keep30,
      [
        "94 % full (4.7 GiB of 5.0 GiB)", "81 % of it is attachments from before 2025", "21 MiB a day",
        "is full in 15 days",
        "gives back 4.0 GiB", "14 % full", "lasts 13 years instead of 15 days", "the last 30 days stay readable",
      ]
    ) { full(&$0) },
    Case("full, read from elsewhere", Wishes(readsElsewhere: true), .pop3Keep30, ["94 % full", "4.0 GiB"]) {
      full(&$0)
    },
    Case("full, one computer", Wishes(devices: 1), .pop3Delete, ["94 % full", "gives back 4.6 GiB", "only new mail"]) {
      full(&$0)
    },
    Case(
      "full, said to be read nowhere else, but on two devices", Wishes(devices: 2, readsElsewhere: false), .pop3Keep30,
      ["4.0 GiB"]
    ) {
      full(&$0)
    },
    Case("30 days of mail are too much, 7 are not", .pop3Keep7, ["94 % full", "the last 7 days stay readable"]) {
      full(&$0)
      $0.kept30 = (300, 4_500_000_000)
      $0.inboxPerDay = (10, 150_000_000)
      $0.kept7 = (70, 900_000_000)
    },
    Case("not even 7 days can stay", .pop3Delete, ["94 % full", "gives back 4.6 GiB"]) {
      full(&$0)
      $0.kept30 = (300, 4_800_000_000)
      $0.kept7 = (70, 4_800_000_000)
    },
    Case(
      "over the quota", .pop3Keep30,
      ["over its quota (4.7 GiB of 4.0 GiB)", "new mail is refused now", "gives back 4.0 GiB"]
    ) {
      full(&$0)
      $0.limit = 4 * gib
    },
    Case(
      "over the quota, which counts more than the mail", .pop3Delete,
      ["over its quota (9.0 GiB of 8.0 GiB)", "4.6 GiB"]
    ) {
      full(&$0)
      ($0.usage, $0.limit) = (9 * gib, 8 * gib)
      $0.kept30 = (300, 4_800_000_000)
      $0.kept7 = (70, 4_800_000_000)
    },
    Case(
      "full, and does not grow", .pop3Keep30,
      ["94 % full", "it does not grow", "gives back 4.6 GiB", "keeps it from filling up"]
    ) {
      full(&$0)
      $0.inboxPerDay = (0, 0)
      $0.othersPerDay = (0, 0)
      $0.kept30 = (0, 0)
    },
    Case(
      "full, but not of the INBOX", .imapMirror,
      ["94 % full", "would free only", "98 % lies in other mailboxes", "Archive", "4.6 GiB", "delete 1.2 GiB", "70 %"]
    ) {
      full(&$0)
      $0.inboxOctets = 100_000_000
      $0.kept30 = (300, 60_000_000)
    },
    Case(
      "the INBOX is a part of it", .pop3Delete,
      ["94 % full", "76 % of the mail lies in other mailboxes", "gives back 1.1 GiB"]
    ) {
      full(&$0)
      $0.inboxOctets = 1_200_000_000
      $0.othersPerDay = (5, 10_000_000)
    },
    Case("full, no POP3", .imapMirror, ["94 % full", "offers no POP3", "4.7 GiB", "delete 1.2 GiB"]) {
      full(&$0)
      $0.pop3 = offersNoPOP3
    },
    Case("full, no IMAP", .pop3Keep30, ["94 % full", "gives back 4.0 GiB"]) {
      full(&$0)
      $0.imap = offersNoIMAP
    },
    Case("full, the server keeps nothing that was fetched", .pop3Delete, ["94 % full", "4.6 GiB"]) {
      full(&$0)
      $0.pop3 = ServiceFacts(.pop3, .offered, capabilities: ["UIDL"], expireDays: 0)
    },
    Case(
      "full, and no room here either", Wishes(localDiskOctets: 1 << 30), .imapHeaders,
      ["94 % full", "needs 12 GiB here within a year", "you allow 1.0 GiB"]
    ) { full(&$0) },
    Case("full by number of messages", .pop3Keep30, ["10,000 of the 10,500 messages it may", "gives back"]) {
      roomy(&$0)
      $0.countLimit = 10_500
    },
    Case(
      "room enough", .imapSync,
      [
        "10 % full (1.0 GiB of 10 GiB)", "195 KiB a day", "does not fill up in a lifetime", "second copy of 1.0 GiB",
        "18 min",
      ]
    ) { roomy(&$0) },
    Case("room enough, two devices", Wishes(devices: 2), .imapSync, ["10 % full", "1.0 GiB"]) { roomy(&$0) },
    Case("room enough, one computer", Wishes(devices: 1), .imapSync, ["10 % full", "second copy"]) { roomy(&$0) },
    Case(
      "room enough there, not here", Wishes(localDiskOctets: 500_000_000), .imapHeaders,
      ["10 % full", "needs 1.1 GiB here", "you allow 477 MiB", "47 MiB"]
    ) { roomy(&$0) },
    Case("no room here at all", Wishes(localDiskOctets: 1000), .imapOnline, ["you allow 1000 B", "takes 0 B"]) {
      roomy(&$0)
    },
    Case("three quarters full, nobody reads elsewhere", Wishes(readsElsewhere: false), .pop3Keep30, ["77 % full"]) {
      roomy(&$0)
      $0.limit = 1_400_000_000
    },
    Case("three quarters full, nothing said", .imapSync, ["77 % full", "there is time until the quota presses"]) {
      roomy(&$0)
      $0.limit = 1_400_000_000
    },
    Case(
      "full within two years, nobody reads elsewhere", Wishes(devices: 1), .pop3Keep30, ["10 % full", "in 20 months"]
    ) {
      roomy(&$0)
      $0.inboxPerDay = (100, 16_000_000)
      $0.kept30 = (3000, 300_000_000)
    },
    Case("no quota known", .imapSync, ["holds 1.0 GiB in 10,000 messages", "no quota is known", "nothing presses"]) {
      roomy(&$0)
      $0.limit = nil
    },
    Case("no quota known, no IMAP", .pop3Keep30, ["no quota is known", "offers no IMAP", "gives back 508 MiB"]) {
      roomy(&$0)
      ($0.limit, $0.imap) = (nil, offersNoIMAP)
    },
    Case("tiny", .imapSync, ["2.0 MiB in 41 messages", "does not matter much"]) {
      ($0.messages, $0.octets, $0.inboxMessages, $0.inboxOctets) = (41, 2 << 20, 41, 2 << 20)
      ($0.inboxPerDay, $0.othersPerDay, $0.limit) = ((0.1, 1000), (0, 0), gib)
    },
    Case("tiny, no IMAP", .pop3Keep30, ["2.0 MiB in 41 messages", "the last 30 days"]) {
      ($0.messages, $0.octets, $0.inboxMessages, $0.inboxOctets) = (41, 2 << 20, 41, 2 << 20)
      ($0.inboxPerDay, $0.othersPerDay, $0.limit, $0.imap) = ((0.1, 1000), (0, 0), gib, offersNoIMAP)
    },
    Case("tiny mail in a tiny quota", .pop3Keep30, ["95 % full (2.0 MiB of 2.1 MiB)"]) {
      ($0.messages, $0.octets, $0.inboxMessages, $0.inboxOctets) = (41, 2 << 20, 41, 2 << 20)
      ($0.kept30, $0.inboxPerDay, $0.othersPerDay, $0.limit) = ((2, 5000), (0.1, 1000), (0, 0), 2_202_010)
    },
    Case("empty", .imapSync, ["empty (0 B of 1.0 GiB)", "keeps every way open"]) { empty(&$0) },
    Case("empty, no IMAP", .pop3Keep30, ["empty", "offers no IMAP"]) {
      empty(&$0)
      $0.imap = offersNoIMAP
    },
    Case("empty, no quota known", .imapSync, ["This mailbox is empty, so"]) {
      empty(&$0)
      $0.limit = nil
    },
  ]

  private static func empty(_ sketch: inout Sketch) {
    sketch = Sketch(
      messages: 0, octets: 0, inboxMessages: 0, inboxOctets: 0, kept7: (0, 0), kept30: (0, 0), inboxPerDay: (0, 0),
      othersPerDay: (0, 0), limit: gib, content: ContentOctets())
  }
}

@Suite struct RecommendationTests {
  @Test("The choice fits the mailbox, and two sentences say why with its numbers", arguments: Case.all)
  func choice(_ situation: Case) {
    let report = Report(Sketch.with(situation.change), wishes: situation.wishes)
    let recommendation = report.recommendation
    #expect(recommendation.way == situation.way, "\(recommendation.reason)")
    for words in situation.words { #expect(recommendation.reason.contains(words), "\(recommendation.reason)") }
    #expect(recommendation.reason.hasSuffix("."))
    #expect(recommendation.reason.components(". ").count == 2, "\(recommendation.reason)")
    #expect(report.costs(of: recommendation.way)?.isPossible == true)
    #expect(!recommendation.alternatives.contains { $0.way == recommendation.way })
    for alternative in recommendation.alternatives {
      #expect(report.costs(of: alternative.way)?.isPossible == true)
      #expect(alternative.when.hasPrefix("if ") && alternative.when.hasSuffix("."))
    }
    let isTrifle =
      situation.name.hasPrefix("tiny") && !situation.name.contains("quota") || situation.name.hasPrefix("empty")
    #expect(recommendation.matters == !isTrifle)
  }

  private func cautions(_ change: (inout Sketch) -> Void) -> [String] {
    Report(
      Sketch.with {
        Case.full(&$0)
        change(&$0)
      }
    ).recommendation.cautions
  }

  @Test("POP3 comes with what to mind: the only copy, other mailboxes, no UIDL, nobody looked")
  func pop3Cautions() {
    let plain = cautions { _ in }
    #expect(plain.contains("After the first run 4.0 GiB of mail is on this computer only: back it up."))
    #expect(plain.contains("POP3 sees the INBOX alone: 140 MiB in other mailboxes stay on the server."))
    #expect(!plain.contains { $0.contains("UIDL") })
    #expect(cautions { $0.pop3 = ServiceFacts(.pop3, .offered) }.contains { $0.contains("UIDL") })
    #expect(
      cautions { $0.pop3 = ServiceFacts(.pop3, .unknown) }.contains("Whether the server offers POP3 was not looked at.")
    )
  }

  @Test("A mirror comes with the warning that it follows the server")
  func mirrorCaution() {
    #expect(cautions { $0.pop3 = Case.offersNoPOP3 }.contains { $0.contains("Set the copy aside before you delete") })
  }

  @Test("A line that was not measured is said so, with what was reckoned")
  func lineCaution() {
    let cautions = cautions {
      $0.speed = nil
      $0.roundTrip = nil
    }
    #expect(cautions.contains("The line was not measured: times are for 1.2 MiB/s and a round trip of 50 ms."))
  }

  @Test("Weeks far above the usual are told")
  func bursts() {
    var measurement = Sketch.with { Case.full(&$0) }
    measurement.arrival.inbox.meanOctetsPerDay = 209_715_200
    let cautions = Report(measurement).recommendation.cautions
    #expect(cautions.contains { $0.contains("201 MiB a day on average, against a usual 21 MiB") })
  }

  @Test("Pressure by fill and by days, at the edges")
  func pressure() {
    #expect(Pressure.level(fill: nil, days: nil) == .none)
    #expect(Pressure.level(fill: 0.74, days: nil) == .none)
    #expect(Pressure.level(fill: 0.75, days: nil) == .coming)
    #expect(Pressure.level(fill: 0.1, days: 731) == .none)
    #expect(Pressure.level(fill: 0.1, days: 730) == .coming)
    #expect(Pressure.level(fill: 0.1, days: 90) == .tight)
    #expect(Pressure.level(fill: 0.9, days: nil) == .tight)
    #expect(Pressure.level(fill: 1, days: 0) == .over)
  }
}

extension String {
  fileprivate func components(_ separator: String) -> [Substring] { split(separator: separator) }
}
