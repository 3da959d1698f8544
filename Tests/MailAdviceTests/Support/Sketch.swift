import MailClient

@testable import MailAdvice

/// A measurement drawn by hand, for the model and the rules.
struct Sketch {
  var messages = 10_000
  var octets: Int64 = 1_000_000_000
  var inboxMessages = 8000
  var inboxOctets: Int64 = 800_000_000
  var kept7: (messages: Int, octets: Int64) = (100, 10_000_000)
  var kept30: (messages: Int, octets: Int64) = (400, 40_000_000)
  var inboxPerDay: (messages: Double, octets: Double) = (10, 1_000_000)
  var othersPerDay: (messages: Double, octets: Double) = (2, 200_000)
  /// STORAGE: usage nil is `octets`; limit nil: no quota.
  var usage: Int64?
  var limit: Int64? = 1_200_000_000
  var countLimit: Int64?
  var roundTrip: Double? = 0.1
  var speed: Double? = 1_000_000
  var content = ContentOctets(headerOctets: 30_000_000, textOctets: 270_000_000, attachmentOctets: 700_000_000)
  var oldYear = 2026
  var imap = ServiceFacts(.imap, .offered, capabilities: ["IDLE", "IMAP4REV1", "LIST-STATUS"])
  var pop3 = ServiceFacts(.pop3, .offered, capabilities: ["PIPELINING", "TOP", "UIDL"])

  static func with(_ change: (inout Sketch) -> Void) -> Measurement {
    var sketch = Sketch()
    change(&sketch)
    return sketch.measurement
  }

  var measurement: Measurement {
    let quota = limit.map { QuotaFacts(root: "", resource: "STORAGE", usage: usage ?? octets, limit: $0) }
    let count = countLimit.map { QuotaFacts(root: "", resource: "MESSAGE", usage: Int64(messages), limit: $0) }
    var boxes = [
      MailboxFacts(
        name: "INBOX", messages: inboxMessages, unseenMessages: 5, octets: inboxOctets,
        content: ContentOctets(textOctets: inboxOctets))
    ]
    let others = octets.subtracting(inboxOctets)
    for (index, name) in ["Archive", "Sent", "Trash"].enumerated() {
      boxes.append(
        MailboxFacts(
          name: name, messages: index == 0 ? messages - inboxMessages : 0, unseenMessages: 0,
          octets: index == 0 ? others : 0, content: ContentOctets(textOctets: index == 0 ? others : 0)))
    }
    return Measurement(
      account: "budi@mail.example.org", source: .imap, measuredAtSeconds: Examples.now, messages: messages,
      octets: octets,
      unseenMessages: 5,
      inbox: InboxFacts(
        messages: inboxMessages, octets: inboxOctets, messagesOfLast7Days: kept7.messages,
        octetsOfLast7Days: kept7.octets, messagesOfLast30Days: kept30.messages, octetsOfLast30Days: kept30.octets),
      mailboxes: boxes, years: [YearFacts(year: oldYear, messages: messages, octets: octets, content: content)],
      sizes: SizeDistribution(
        medianOctets: 8192, percentile90Octets: 100_000, percentile99Octets: 2_000_000, largestOctets: 9_000_000,
        messagesOver1MiB: 200, octetsOver1MiB: octets / 10),
      content: ContentFacts(octets: content, sampledMessages: 100, headerOctetsPerMessage: 3000),
      arrival: Arrival(
        inbox: ArrivalRate(messagesPerDay: inboxPerDay.messages, octetsPerDay: inboxPerDay.octets, weeks: 13),
        others: ArrivalRate(messagesPerDay: othersPerDay.messages, octetsPerDay: othersPerDay.octets, weeks: 13)),
      quota: quota, quotas: [quota, count].compactMap { $0 },
      line: LineFacts(roundTripSeconds: roundTrip, roundTripSamples: 7, octetsPerSecond: speed, method: "by hand"),
      imap: imap, pop3: pop3, notes: [])
  }
}
