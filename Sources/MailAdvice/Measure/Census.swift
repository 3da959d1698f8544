/// All messages of all mailboxes that were listed, 24 octets each.
struct Census {
  struct Entry: Sendable {
    var octets: Int64
    /// `Int64.min`: no date.
    var seconds: Int64
    var id: UInt32
    var mailbox: UInt32
  }

  let now: Int64
  private(set) var mailboxes: [ProbedMailbox] = []
  private(set) var entries: [Entry] = []
  /// Mailboxes, by their index, of which not all messages were listed.
  private(set) var cut: Set<Int> = []
  private var start = 0

  init(now: Int64) { self.now = now }

  /// Messages taken after this count to the mailbox.
  mutating func begin(_ mailbox: ProbedMailbox) {
    mailboxes.append(mailbox)
    start = entries.count
  }

  mutating func markCut() { cut.insert(mailboxes.count - 1) }

  /// Takes the last mailbox back, with its messages.
  mutating func undo() {
    mailboxes.removeLast()
    entries.removeLast(entries.count - start)
  }

  mutating func add(_ message: ProbedMessage) {
    entries.append(
      Entry(
        octets: max(0, message.octets), seconds: message.seconds ?? .min, id: message.id,
        mailbox: UInt32(mailboxes.count - 1)))
  }

  func location(_ index: Int) -> ProbedLocation {
    let entry = entries[index]
    return ProbedLocation(
      mailbox: mailboxes[Int(entry.mailbox)],
      message: ProbedMessage(
        id: entry.id, octets: entry.octets, seconds: entry.seconds == .min ? nil : entry.seconds))
  }

  /// The largest messages, the largest first.
  func largest(_ count: Int) -> [ProbedLocation] {
    var kept: [Int] = []
    var floor: Int64 = -1
    for index in entries.indices where entries[index].octets > floor {
      kept.append(index)
      guard kept.count >= count * 2 else { continue }
      kept = Array(kept.sorted { entries[$0].octets > entries[$1].octets }.prefix(count))
      floor = kept.last.map { entries[$0].octets } ?? -1
    }
    return kept.sorted { entries[$0].octets > entries[$1].octets }.prefix(count).map(location)
  }
}

/// What one walk over the census adds up.
struct CensusSums {
  var all = ClassSums()
  var byMailbox: [ClassSums]
  var byYear: [Int: ClassSums] = [:]
  var inbox = InboxFacts(
    messages: 0, octets: 0, messagesOfLast7Days: 0, octetsOfLast7Days: 0, messagesOfLast30Days: 0, octetsOfLast30Days: 0
  )
  var inboxWeeks: WeekSums
  var otherWeeks: WeekSums
  var undated = 0

  init(_ census: Census) {
    byMailbox = Array(repeating: ClassSums(), count: census.mailboxes.count)
    inboxWeeks = WeekSums(now: census.now)
    otherWeeks = WeekSums(now: census.now)
    let isInbox = census.mailboxes.map(\.isInbox)
    for entry in census.entries {
      all.add(entry.octets)
      byMailbox[Int(entry.mailbox)].add(entry.octets)
      let isDated = entry.seconds >= CivilDate.earliest && entry.seconds <= census.now.adding(86_400)
      if isDated {
        byYear[CivilDate.year(ofSeconds: entry.seconds), default: ClassSums()].add(entry.octets)
      } else {
        undated += 1
      }
      if isInbox[Int(entry.mailbox)] {
        addToInbox(entry, age: isDated ? max(0, census.now - entry.seconds) : .max)
        inboxWeeks.add(octets: entry.octets, seconds: entry.seconds)
      } else {
        otherWeeks.add(octets: entry.octets, seconds: entry.seconds)
      }
    }
  }

  private mutating func addToInbox(_ entry: Census.Entry, age: Int64) {
    inbox.messages += 1
    inbox.octets = inbox.octets.adding(entry.octets)
    if age < 7 * 86_400 {
      inbox.messagesOfLast7Days += 1
      inbox.octetsOfLast7Days = inbox.octetsOfLast7Days.adding(entry.octets)
    }
    if age < 30 * 86_400 {
      inbox.messagesOfLast30Days += 1
      inbox.octetsOfLast30Days = inbox.octetsOfLast30Days.adding(entry.octets)
    }
  }
}
