import Bytes
public import NIOCore

/// What STATUS can be asked for (RFC 9051 §6.3.11, RFC 3501, RFC 7889, RFC 9208).
public enum StatusItem: UInt8, Hashable, Sendable, CaseIterable {
  case messages, recent, uidNext, uidValidity, unseen, deleted, size
  /// RFC 7889 §3.
  case appendLimit
  /// RFC 9208 §4.1.4, in units of 1024 octets.
  case deletedStorage
  /// RFC 7162 §3.1.7.
  case highestModSeq
  /// RFC 8474 §4.3.
  case mailboxID
}

/// `STATUS` (RFC 9051 §6.3.11).
public struct StatusCommand: Hashable, Sendable {
  public var mailbox: MailboxName
  /// At least one, in the order asked for, each once.
  public var items: [StatusItem]
  public init(_ mailbox: MailboxName, items: [StatusItem]) {
    self.mailbox = mailbox
    self.items = items
  }
}

/// Values for a STATUS line. Only those asked for are printed; see `ByteBuffer.writeStatus`.
public struct StatusValues: Hashable, Sendable {
  public var messages: Int
  public var recent: Int
  public var uidNext: UInt32
  public var uidValidity: UInt32
  public var unseen: Int
  public var deleted: Int
  /// Octets.
  public var size: Int64
  /// Octets; nil prints NIL: no limit.
  public var appendLimit: Int64?
  /// In units of 1024 octets.
  public var deletedStorage: Int64
  /// 0: the mailbox keeps none.
  public var highestModSeq: UInt64
  /// Without the parentheses.
  public var mailboxID: String
  public init(
    messages: Int = 0, recent: Int = 0, uidNext: UInt32 = 1, uidValidity: UInt32 = 1, unseen: Int = 0,
    deleted: Int = 0, size: Int64 = 0, appendLimit: Int64? = nil, deletedStorage: Int64 = 0,
    highestModSeq: UInt64 = 1, mailboxID: String = "F0"
  ) {
    self.messages = messages
    self.recent = recent
    self.uidNext = uidNext
    self.uidValidity = uidValidity
    self.unseen = unseen
    self.deleted = deleted
    self.size = size
    self.appendLimit = appendLimit
    self.deletedStorage = deletedStorage
    self.highestModSeq = highestModSeq
    self.mailboxID = mailboxID
  }
}

extension StatusItem {
  /// As it is written, in upper case.
  public var keyword: StaticString { Self.spellings[Int(rawValue)] }

  private static let spellings: [StaticString] = [
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "APPENDLIMIT", "DELETED-STORAGE",
    "HIGHESTMODSEQ", "MAILBOXID",
  ]

  static let table = KeywordTable<StatusItem>(allCases.map { ($0.keyword, $0) })
}

extension CommandReader {
  /// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
  mutating func statusCommand() throws(IMAPSyntaxError) -> StatusCommand {
    let name = try spaceAndMailbox()
    try space()
    return StatusCommand(name, items: try statusItems())
  }

  mutating func statusItems() throws(IMAPSyntaxError) -> [StatusItem] {
    var items: [StatusItem] = []
    try list("status items", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let range = try reader.atomRange("a status item")
      guard let item = StatusItem.table.value(for: reader.bytes(range)) else {
        throw reader.error("Unknown status item \(reader.excerpt(range))", at: range.lowerBound)
      }
      if !items.contains(item) { items.append(item) }
    }
    return items
  }
}

extension CommandPrinter {
  mutating func print(_ command: StatusCommand) {
    space()
    mailbox(command.mailbox)
    text(" (\(command.items.map { "\($0.keyword)" }.joined(separator: " ")))")
  }
}

extension ByteBuffer {
  /// `* STATUS name (...)` with the values asked for, in that order (RFC 9051 §7.3.2).
  public mutating func writeStatus(
    _ mailbox: MailboxName, _ items: [StatusItem], _ values: StatusValues, _ options: WireOptions
  ) {
    writeStaticString("* STATUS ")
    writeMailbox(mailbox, options)
    writeStaticString(" (")
    for (index, item) in items.enumerated() {
      if index > 0 { writeSpace() }
      writeStaticString(item.keyword)
      writeSpace()
      writeStatusValue(item, values)
    }
    writeStaticString(")\r\n")
  }

  private mutating func writeStatusValue(_ item: StatusItem, _ values: StatusValues) {
    switch item {
    case .messages: writeDecimal(values.messages)
    case .recent: writeDecimal(values.recent)
    case .uidNext: writeDecimal(values.uidNext)
    case .uidValidity: writeDecimal(values.uidValidity)
    case .unseen: writeDecimal(values.unseen)
    case .deleted: writeDecimal(values.deleted)
    case .size: writeDecimal(values.size)
    case .deletedStorage: writeDecimal(values.deletedStorage)
    case .highestModSeq: writeDecimal(values.highestModSeq)
    case .mailboxID:
      writeStaticString("(")
      writeString(values.mailboxID)
      writeStaticString(")")
    case .appendLimit:
      // RFC 7889 §3.1: NIL when there is no limit.
      if let limit = values.appendLimit { writeDecimal(limit) } else { writeStaticString("NIL") }
    }
  }
}
