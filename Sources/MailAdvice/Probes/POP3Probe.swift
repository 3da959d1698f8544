import Bytes
import MailClient
import MailFormat
import NIOCore
public import POP3Client

/// Measures the INBOX through POP3. Sizes come from LIST; dates from the headers (TOP) of a sample spread evenly over the
/// message numbers, and between two of them in proportion, for servers number mail in the order it came.
///
/// POP3 tells nothing of the structure of messages, so text and attachments stay together. On servers that count a look
/// at a message as its retrieval (EXPIRE, RFC 2449 §6.7: LIST, UIDL or TOP may start the clock) TOP is not used at all.
public final class POP3Probe: MailboxProbe {
  private let session: any POP3Reading
  public let account: String
  public let source = MeasuredSource.pop3
  public let throughputMethod = "TOP with a part of the largest messages"
  public let contentSampleLimit = AdviceLimits.topSample
  private var listed: [POP3Listing]?
  /// Octets of header of messages that were looked at, by number.
  private var headers: [Int: Int64] = [:]
  private var brought = 0
  private var dated = (known: 0, all: 0)

  /// - client: logged in.
  public convenience init(_ client: POP3Client, account: String) {
    self.init(ReadOnlyPOP3(client), account: account)
  }

  init(_ session: any POP3Reading, account: String) {
    self.session = session
    self.account = account
  }

  private var mayUseTop: Bool { session.capabilities.top && session.capabilities.expireDays == nil }

  public func service() async throws -> ServiceFacts { ServiceFacts(session.capabilities) }

  public func mailboxes() async throws -> [ProbedMailbox] {
    let (messages, octets) = try await session.stat()
    return [ProbedMailbox(name: "INBOX", isInbox: true, messages: messages, octets: octets)]
  }

  public func quotas() async throws -> [QuotaFacts] { [] }

  public func messages(of mailbox: ProbedMailbox, limit: Int, _ take: (ProbedMessage) -> Void) async throws {
    let all = try await listing().sorted { $0.number < $1.number }
    let listing = Array(all.suffix(limit))
    var dates: [(index: Int, seconds: Int64)] = []
    for (index, found) in try await look(at: Self.spread(listing.count, AdviceLimits.topSample), in: listing) {
      if let seconds = found.seconds { dates.append((index, seconds)) }
    }
    dates.sort { $0.index < $1.index }
    dated = (dates.count, listing.count)
    let estimate = DatesByPosition(dates)
    for (index, message) in listing.enumerated() {
      guard let id = UInt32(exactly: message.number) else { continue }
      take(ProbedMessage(id: id, octets: message.octets, seconds: estimate.seconds(at: index)))
    }
  }

  public func contents(
    of mailbox: ProbedMailbox, _ messages: [ProbedMessage], _ take: (ProbedContent) -> Void
  ) async throws {
    let wanted = messages.filter { headers[Int($0.id)] == nil }
    let listing = wanted.map { POP3Listing(number: Int($0.id), octets: $0.octets, uidl: nil) }
    _ = try await look(at: Array(listing.indices), in: listing)
    for message in messages {
      guard let header = headers[Int(message.id)] else { continue }
      let part = min(header, message.octets)
      take(
        ProbedContent(
          id: message.id, octets: ContentOctets(headerOctets: part, unsplitOctets: message.octets - part)))
    }
  }

  public func ping() async throws -> Bool {
    try await session.noop()
    return true
  }

  /// Of each message at most half, so that no server takes the message for read to its end.
  public func transfer(octets: Int, of largest: [ProbedLocation]) async throws -> Transferred {
    guard mayUseTop, brought < largest.count else { return .nothing }
    let message = largest[brought].message
    let lines = Int(min(Int64(octets), message.octets / 2)) / AdviceLimits.octetsPerLine
    guard lines > 0 else { return .nothing }
    brought += 1
    var came = 0
    let listing = POP3Listing(number: Int(message.id), octets: message.octets, uidl: nil)
    try await session.top([listing], lines: lines) { event in
      switch event {
      case .whole(_, let bytes), .piece(let bytes): came += bytes.readableBytes
      case .begin, .end, .refused: break
      }
    }
    return Transferred(octets: came, roundTrips: 1)
  }

  public var remarks: [String] {
    var remarks = ["POP3 shows the INBOX alone, and neither quota nor what messages consist of."]
    if session.capabilities.top, session.capabilities.expireDays != nil {
      remarks.append("No header was read, for this server may count that as a retrieval (EXPIRE): there are no dates.")
    } else if dated.known > 0, dated.known < dated.all {
      remarks.append(
        "Dates were read in \(Human.count(dated.known)) of \(Human.count(dated.all)) headers; those between are reckoned."
      )
    }
    return remarks
  }

  public func close() async { await session.quit() }

  // MARK: Headers

  private func listing() async throws -> [POP3Listing] {
    if let listed { return listed }
    let fresh = try await session.listing()
    listed = fresh
    return fresh
  }

  private struct Look {
    var seconds: Int64?
  }

  /// TOP 0 of these messages: their dates, and their headers' length into `headers`.
  private func look(at indexes: [Int], in listing: [POP3Listing]) async throws -> [Int: Look] {
    guard mayUseTop, !indexes.isEmpty else { return [:] }
    let places = Dictionary(indexes.map { (listing[$0].number, $0) }, uniquingKeysWith: { first, _ in first })
    var looks: [Int: Look] = [:]
    var header = ByteBuffer()
    var (number, octets) = (0, Int64(0))
    func finish() {
      guard let index = places[number] else { return }
      headers[number] = octets
      looks[index] = Look(seconds: Self.date(of: header))
    }
    try await session.top(indexes.map { listing[$0] }, lines: 0) { event in
      switch event {
      case .whole(let whole, let bytes):
        (number, header, octets) = (whole, bytes, Int64(bytes.readableBytes))
        finish()
      case .begin(let begun): (number, header, octets) = (begun, ByteBuffer(), 0)
      case .piece(let bytes):
        octets += Int64(bytes.readableBytes)
        let room = max(0, AdviceLimits.headerOctets - header.readableBytes)
        header.writeBytes(bytes.readableBytesView.prefix(room))
      case .end: finish()
      case .refused: break
      }
    }
    return looks
  }

  /// When the last server took the message in: the date behind the last `;` of the first Received (RFC 5321 §4.4), else
  /// Date.
  static func date(of header: ByteBuffer) -> Int64? {
    let bytes = header.readableBytesSpan
    let all = 0..<header.readableBytes
    if let value = HeaderFields.firstValue("received", of: bytes, header: all) {
      let field = header.readableBytesView.dropFirst(value.lowerBound).prefix(value.count)
      if let semicolon = field.lastIndex(of: UInt8(ascii: ";")) {
        let start = semicolon - header.readerIndex + 1
        if start < value.upperBound, let date = DateParser.messageDate(bytes, in: start..<value.upperBound) {
          return date.seconds
        }
      }
    }
    return HeaderFields.firstValue("date", of: bytes, header: all)
      .flatMap { DateParser.messageDate(bytes, in: $0) }?.seconds
  }

  /// `most` indexes below `count`, evenly apart, with the first and the last.
  static func spread(_ count: Int, _ most: Int) -> [Int] {
    guard count > most, most > 1 else { return Array(0..<min(count, most)) }
    return (0..<most).map { $0 * (count - 1) / (most - 1) }
  }
}

/// Dates of some messages, and those of the others in proportion.
struct DatesByPosition {
  private let known: [(index: Int, seconds: Int64)]

  /// - known: by ascending index.
  init(_ known: [(index: Int, seconds: Int64)]) { self.known = known }

  func seconds(at index: Int) -> Int64? {
    guard let first = known.first, let last = known.last else { return nil }
    if index <= first.index { return first.seconds }
    if index >= last.index { return last.seconds }
    var (low, high) = (0, known.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if known[middle].index <= index { low = middle } else { high = middle }
    }
    let (before, after) = (known[low], known[high])
    let part = Double(index - before.index) / Double(after.index - before.index)
    return before.seconds + Int64(part * Double(after.seconds - before.seconds))
  }
}

extension ServiceFacts {
  /// What CAPA said.
  public init(_ capabilities: POP3Capabilities) {
    var names = capabilities.sasl.map { "SASL " + $0 }
    if capabilities.top { names.append("TOP") }
    if capabilities.uidl { names.append("UIDL") }
    if capabilities.pipelining { names.append("PIPELINING") }
    if capabilities.user { names.append("USER") }
    if capabilities.stls { names.append("STLS") }
    if capabilities.respCodes { names.append("RESP-CODES") }
    if capabilities.utf8 { names.append("UTF8") }
    self.init(
      .pop3, .offered, capabilities: names, expireDays: capabilities.expireDays,
      loginDelaySeconds: capabilities.loginDelay)
  }
}
