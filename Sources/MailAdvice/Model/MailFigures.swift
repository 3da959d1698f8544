/// What the model reckons with, taken out of a measurement. Octets, octets a second, days.
struct MailFigures: Sendable {
  var messages: Double
  var octets: Double
  var mailboxes: Double
  var inboxMessages: Double
  var inboxOctets: Double
  /// INBOX messages and octets of the last so many days.
  var inboxKept: [Int: (messages: Double, octets: Double)]
  var inboxMessagesPerDay: Double
  var inboxOctetsPerDay: Double
  var otherMessagesPerDay: Double
  var otherOctetsPerDay: Double
  /// What counts against the quota now: what the server says, else all octets.
  var usedOctets: Double
  /// Nil: none known.
  var quotaOctets: Double?
  var headerOctetsPerMessage: Double
  /// Of all octets.
  var textShare: Double
  var attachmentShare: Double
  var roundTripSeconds: Double
  var octetsPerSecond: Double
  var pop3: ServiceFacts
  var imap: ServiceFacts

  var messagesPerDay: Double { inboxMessagesPerDay + otherMessagesPerDay }
  var octetsPerDay: Double { inboxOctetsPerDay + otherOctetsPerDay }

  init(_ measured: Measurement, _ assumed: ModelAssumptions) {
    func figure(_ value: some BinaryInteger) -> Double { max(0, Double(value)) }
    func figure(_ value: Double) -> Double { value.isFinite && value > 0 ? value : 0 }
    messages = figure(measured.messages)
    octets = figure(measured.octets)
    mailboxes = figure(measured.mailboxes.count)
    let inbox = measured.inbox
    inboxMessages = figure(inbox.messages)
    inboxOctets = figure(inbox.octets)
    inboxKept = [
      0: (0, 0), 7: (figure(inbox.messagesOfLast7Days), figure(inbox.octetsOfLast7Days)),
      30: (figure(inbox.messagesOfLast30Days), figure(inbox.octetsOfLast30Days)),
    ]
    inboxMessagesPerDay = figure(measured.arrival.inbox.messagesPerDay)
    inboxOctetsPerDay = figure(measured.arrival.inbox.octetsPerDay)
    otherMessagesPerDay = figure(measured.arrival.others.messagesPerDay)
    otherOctetsPerDay = figure(measured.arrival.others.octetsPerDay)
    usedOctets = figure(measured.quota?.usage ?? measured.octets)
    quotaOctets = measured.quota.flatMap { $0.limit > 0 ? figure($0.limit) : nil }
    let perMessage = figure(measured.content.headerOctetsPerMessage ?? assumed.headerOctetsPerMessage)
    headerOctetsPerMessage = messages > 0 ? min(perMessage, octets / messages) : perMessage
    let content = measured.content.octets
    attachmentShare = octets > 0 ? min(1, figure(content.attachmentOctets) / octets) : 0
    textShare = octets > 0 ? min(1, (figure(content.textOctets) + figure(content.unsplitOctets)) / octets) : 0
    roundTripSeconds = figure(measured.line.roundTripSeconds ?? assumed.roundTripSeconds)
    let speed = figure(measured.line.octetsPerSecond ?? 0)
    octetsPerSecond = speed > 0 ? speed : max(1, figure(assumed.octetsPerSecond))
    pop3 = measured.pop3
    imap = measured.imap
  }
}
