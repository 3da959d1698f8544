import IMAPClient
import IMAPCore
import MailFormat
public import MailSync
import NIOCore

extension MailboxTable {
  /// From what `pull imap --mode headers` brought: no octet travels, and the rows are those of the last pull.
  public static func read(
    _ replica: HeaderReplica, mailbox: String, newest: Int?, _ filter: ListFilter
  ) async throws -> MailboxTable {
    let known = try await replica.mailbox(mailbox)
    var rows: [ListedMessage] = []
    var last = UInt32.max
    // From the newest on: most often only some of them are wanted.
    while rows.count < newest ?? .max {
      let page = try await replica.list(known.name, uids: 1...last, limit: batch, newestFirst: true)
      for message in page where rows.count < newest ?? .max {
        let row = ListedMessage(FetchedMessage(message))
        if filter.matches(row, internalDate: message.date) { rows.append(row) }
      }
      guard page.count == batch, let lowest = page.last?.uid, lowest > 1 else { break }
      last = lowest - 1
    }
    rows.reverse()
    var table = MailboxTable(
      mailbox: known.name, exists: known.messages, messages: rows, octetsReceived: 0,
      octetsListed: rows.reduce(0) { $0 + $1.octets })
    table.asOf = known.replicatedAt
    if known.headers < known.messages { table.withoutHeader = known.messages - known.headers }
    return table
  }
}

extension FetchedMessage {
  /// As the server would send it, but for its envelope, which is read from the kept header.
  init(_ message: ReplicaMessage) {
    self.init(sequence: 0, uid: message.uid)
    flags = message.flags.list
    internalDate = message.date
    size = message.size
    envelope = EnvelopeValue(header: message.header)
    structure = message.structure
  }
}

extension EnvelopeValue {
  /// RFC 9051 §7.5.2, as far as a table and a reader show it: of Date and Subject the last counts, addresses of several
  /// fields are put together, and Sender is From where it is absent.
  init(header: ByteBuffer) {
    self.init()
    let bytes = header.readableBytesSpan
    HeaderFields.forEach(bytes, in: 0..<bytes.byteCount) { name, value, _ in
      switch String(decoding: header.readableBytesView.dropFirst(name.lowerBound).prefix(name.count), as: UTF8.self)
        .lowercased()
      {
      case "date": date = ByteBuffer(bytes: HeaderFields.unfolded(bytes, value))
      case "subject": subject = ByteBuffer(bytes: Self.withoutRuns(HeaderFields.unfolded(bytes, value)))
      case "message-id": messageID = ByteBuffer(bytes: HeaderFields.unfolded(bytes, value))
      case "in-reply-to": inReplyTo = ByteBuffer(bytes: HeaderFields.unfolded(bytes, value))
      case "from": from += Self.addresses(bytes, value)
      case "sender": sender += Self.addresses(bytes, value)
      case "reply-to": replyTo += Self.addresses(bytes, value)
      case "to": to += Self.addresses(bytes, value)
      case "cc": cc += Self.addresses(bytes, value)
      case "bcc": bcc += Self.addresses(bytes, value)
      default: break
      }
      return true
    }
    if sender.isEmpty { sender = from }
    if replyTo.isEmpty { replyTo = from }
  }

  private static func addresses(_ bytes: RawSpan, _ value: Range<Int>) -> [Address] {
    func buffer(_ bytes: [UInt8]?) -> ByteBuffer? { bytes.map { ByteBuffer(bytes: $0) } }
    return MailFormat.Address.parse(bytes, in: value).map {
      Address(name: buffer($0.name), route: buffer($0.route), mailbox: buffer($0.mailbox), host: buffer($0.host))
    }
  }

  /// Runs of blanks as one space, as servers hand subjects out.
  private static func withoutRuns(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    for byte in text {
      let isBlank = byte == 0x20 || byte == 0x09
      if !isBlank { result.append(byte) } else if result.last != 0x20 { result.append(0x20) }
    }
    return result
  }
}
