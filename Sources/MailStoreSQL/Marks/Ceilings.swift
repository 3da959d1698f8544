import MailStore

/// Numbers of an account that no client can have heard of beyond.
struct Ceilings: Equatable {
  var modSeq: ModSeq
  var nextMailbox: Int64
  var uidValidity: UInt32
  var nextContent: Int64
  var nextInstance: Int64

  /// Room above what was given out, so that the next commits need not write a mark.
  init(above counters: AccountCounters) {
    modSeq = counters.modSeq + MarkLimits.modSeqs
    nextMailbox = counters.nextMailbox + MarkLimits.mailboxes
    let (sum, isOver) = counters.lastUIDValidity.addingReportingOverflow(MarkLimits.uidValidities)
    uidValidity = isOver ? .max : sum
    nextContent = counters.nextContent + MarkLimits.contents
    nextInstance = counters.nextInstance + MarkLimits.contents
  }

  init(_ row: SQLStatement) {
    modSeq = row.bits(0)
    nextMailbox = row.int(1)
    uidValidity = UInt32(truncatingIfNeeded: row.int(2))
    nextContent = row.int(3)
    nextInstance = row.int(4)
  }

  func covers(_ counters: AccountCounters) -> Bool {
    counters.modSeq <= modSeq && counters.nextMailbox <= nextMailbox && counters.lastUIDValidity <= uidValidity
      && counters.nextContent <= nextContent && counters.nextInstance <= nextInstance
  }

  mutating func rise(to other: Ceilings) {
    modSeq = max(modSeq, other.modSeq)
    nextMailbox = max(nextMailbox, other.nextMailbox)
    uidValidity = max(uidValidity, other.uidValidity)
    nextContent = max(nextContent, other.nextContent)
    nextInstance = max(nextInstance, other.nextInstance)
  }
}
