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

/// How far ahead marks are kept, and what a restore without them leaps over.
enum MarkLimits {
  /// Transactions of an account between two writes of its mark.
  static let modSeqs: ModSeq = 10_000
  /// Messages of a mailbox between two writes of its mark; so many UIDs a restore may skip.
  static let uids: UID = 1024
  /// Deliveries and copies of an account between two writes of its mark.
  static let contents: Int64 = 4096
  /// Mailboxes made in an account between two writes of its mark.
  static let mailboxes: Int64 = 16
  /// UIDVALIDITY follows the clock: seconds between two mailboxes that need no write.
  static let uidValidities: UInt32 = 3600
  /// UIDs that share the note that one of them is gone.
  static let blockBits: UID = 10

  /// Without marks: more than a store can have given out since any backup.
  static let modSeqLeap: ModSeq = 1 << 40
  static let instanceLeap: Int64 = 1 << 40
  static let contentLeap: Int64 = 1 << 28
  static let mailboxLeap: Int64 = 1 << 20
  static let uidValidityLeap: UInt32 = 1 << 14
  /// Packs that a store cannot have made since any backup.
  static let packLeap: Int64 = 1 << 20
}
