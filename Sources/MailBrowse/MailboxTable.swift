public import IMAPClient
public import IMAPCore
import MailClient
import MailFormat
import MailNet
import NIOCore
public import POP3Client

/// Which messages of a mailbox are listed.
public struct ListSelection: Sendable {
  /// The newest this many; nil: all.
  public var newest: Int?
  /// Nil: every message.
  public var key: SearchKey?
  public init(newest: Int?, key: SearchKey? = nil) {
    self.newest = newest
    self.key = key
  }
}

/// A mailbox as a table, from headers only (no message is opened, none becomes `\Seen`).
public struct MailboxTable: Codable, Sendable {
  public var mailbox: String
  /// Messages in the mailbox, listed or not.
  public var exists: Int
  public var messages: [ListedMessage]
  /// Octets received on this connection, and what the listed messages have in all.
  public var octetsReceived: Int64
  public var octetsListed: Int64
  /// Of a replica: when it was last brought up to date, seconds since 1970; and messages that are known but whose header
  /// has not come yet.
  public var asOf: Int64?
  public var withoutHeader: Int?

  /// UIDs asked for in one FETCH.
  static let batch = 500

  /// EXAMINE, so nothing on the server changes.
  public static func read(
    _ client: IMAPClient, mailbox: String, _ selection: ListSelection
  ) async throws -> MailboxTable {
    let selected = try await client.open(mailbox, readOnly: true)
    var rows: [ListedMessage] = []
    if selected.exists > 0 {
      var uids = try await client.search(SearchCommand(uid: true, charset: nil, key: selection.key ?? .all))
      uids.sort()
      if let newest = selection.newest { uids = Array(uids.suffix(newest)) }
      rows.reserveCapacity(uids.count)
      let batches = stride(from: 0, to: uids.count, by: batch).map { start in
        MessageSet(sorted: uids[start..<min(start + batch, uids.count)])
      }
      let items: [FetchItem] = [.uid, .flags, .internalDate, .size, .envelope, .bodyStructure]
      try await client.fetch(batches: batches, items, window: 2) { event in
        if case .message(let message) = event, message.envelope != nil { rows.append(ListedMessage(message)) }
      }
      rows.sort { $0.uid < $1.uid }
    }
    return MailboxTable(
      mailbox: selected.name, exists: selected.exists, messages: rows, octetsReceived: client.counters.received,
      octetsListed: rows.reduce(0) { $0 + $1.octets })
  }

  /// By TOP n 0: headers and no body. Attachments cannot be seen that way.
  public static func read(_ client: POP3Client, _ selection: ListSelection) async throws -> MailboxTable {
    guard client.capabilities.top else {
      throw ClientError(.unsupported("TOP, by which headers are read without whole messages"), server: "POP3")
    }
    let listing = try await client.listing()
    let wanted = selection.newest.map { Array(listing.suffix($0)) } ?? listing
    let octets = Dictionary(wanted.map { ($0.number, $0.octets) }) { first, _ in first }
    var rows: [ListedMessage] = []
    var open: (number: Int, bytes: ByteBuffer)?
    func add(_ number: Int, _ header: ByteBuffer) {
      rows.append(ListedMessage(number: number, header: header, octets: octets[number] ?? 0))
    }
    try await client.top(wanted, lines: 0, window: 32) { event in
      switch event {
      case .whole(let number, let header): add(number, header)
      case .begin(let number): open = (number, ByteBuffer())
      case .piece(let bytes):
        if let size = open?.bytes.readableBytes, size < 1 << 20 { open?.bytes.writeImmutableBuffer(bytes) }
      case .end:
        if let message = open { add(message.number, message.bytes) }
        open = nil
      case .refused: break
      }
    }
    return MailboxTable(
      mailbox: "INBOX", exists: listing.count, messages: rows, octetsReceived: client.counters.received,
      octetsListed: rows.reduce(0) { $0 + $1.octets })
  }
}

extension ListedMessage {
  /// From a header as POP3's TOP brings it.
  init(number: Int, header: ByteBuffer, octets: Int64) {
    let bytes = header.readableBytesSpan
    let range = 0..<bytes.byteCount
    let from = HeaderFields.firstValue("from", of: bytes, header: range)
    let sender = from.flatMap { Address.parse(bytes, in: $0, limit: 1).first }
    let name = sender?.name.map { HeaderText.printable(TextDecoding.decodeHeader($0.span.bytes)) } ?? ""
    let address = HeaderText.printable(
      [sender?.mailbox, sender?.host].compactMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
        .joined(separator: "@"))
    let subject = HeaderFields.firstValue("subject", of: bytes, header: range)
    let date = HeaderFields.firstValue("date", of: bytes, header: range)
    self.init(
      uid: UInt32(clamping: number), date: date.flatMap { DateParser.messageDate(bytes, in: $0)?.seconds },
      from: name.isEmpty ? address : name, fromAddress: address,
      subject: subject.map { HeaderText.printable(HeaderFields.decodedValue(bytes, $0)) } ?? "", octets: octets,
      flags: [], attachments: [])
  }
}
