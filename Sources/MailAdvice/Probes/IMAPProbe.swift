public import IMAPClient
import IMAPCore
import MailClient
import MailNet

/// Measures a mailbox through IMAP: LIST, STATUS, GETQUOTAROOT, EXAMINE, UID FETCH of sizes, dates, structures and peeked
/// pieces, NOOP.
public final class IMAPProbe: MailboxProbe {
  private let session: any IMAPReading
  public let account: String
  public let source = MeasuredSource.imap
  public let throughputMethod = "BODY.PEEK[] of pieces of the largest messages"
  public let contentSampleLimit = AdviceLimits.structureSample
  /// The mailbox that is open, read-only.
  private var examined: SelectedMailbox?
  /// The message that pieces are brought of, and how far it has come.
  private var current = (index: 0, offset: Int64(0))

  /// - client: logged in. It must not have a mailbox selected.
  /// - account: `user@host`, for the report.
  public convenience init(_ client: IMAPClient, account: String) {
    self.init(ReadOnlyIMAP(client), account: account)
  }

  init(_ session: any IMAPReading, account: String) {
    self.session = session
    self.account = account
  }

  public func service() async throws -> ServiceFacts {
    ServiceFacts(.imap, .offered, capabilities: session.capabilities)
  }

  public func mailboxes() async throws -> [ProbedMailbox] {
    try await session.list().filter(\.isSelectable).map { mailbox in
      ProbedMailbox(
        name: mailbox.name, isInbox: mailbox.name.lowercased() == "inbox", messages: mailbox.status?.messages,
        unseen: mailbox.status?.unseen, octets: mailbox.status?.size,
        isView: !mailbox.attributes.isDisjoint(with: ["\\all", "\\flagged", "\\important"]))
    }
  }

  public func quotas() async throws -> [QuotaFacts] {
    guard session.capabilities.contains("QUOTA") else { return [] }
    do {
      return try await session.quota("INBOX").map {
        QuotaFacts(root: $0.root, resource: $0.resource.uppercased(), usage: max(0, $0.usage), limit: max(0, $0.limit))
      }
    } catch let error as ClientError {
      guard case .refused = error.kind else { throw error }
      return []
    }
  }

  public func messages(of mailbox: ProbedMailbox, limit: Int, _ take: (ProbedMessage) -> Void) async throws {
    let box = try await open(mailbox.name)
    guard box.exists > 0, limit > 0 else { return }
    // UIDs are given out one after another: from this one on there are `limit` messages at most.
    let beyond = box.exists > limit ? box.uidNext.map { Int64($0) - Int64(limit) } ?? 1 : 1
    let first = UInt32(clamping: max(1, beyond))
    try await session.fetch(MessageSet([.init(first, MessageSet.star)]), [.size, .internalDate]) { event in
      guard case .message(let message) = event, message.uid > 0, let size = message.size else { return }
      take(ProbedMessage(id: message.uid, octets: size, seconds: message.internalDate?.seconds))
    }
  }

  public func contents(
    of mailbox: ProbedMailbox, _ messages: [ProbedMessage], _ take: (ProbedContent) -> Void
  ) async throws {
    _ = try await open(mailbox.name)
    let sizes = Dictionary(messages.map { ($0.id, $0.octets) }, uniquingKeysWith: { first, _ in first })
    let uids = sizes.keys.sorted()
    var start = 0
    while start < uids.count {
      let end = min(uids.count, start + AdviceLimits.structuresPerCommand)
      try await session.fetch(MessageSet(sorted: uids[start..<end]), [.structure]) { event in
        guard case .message(let message) = event, let structure = message.structure, let size = sizes[message.uid]
        else {
          return
        }
        take(ProbedContent(id: message.uid, octets: structure.content(ofMessage: size)))
      }
      start = end
    }
  }

  public func ping() async throws -> Bool {
    try await session.noop()
    return true
  }

  public func transfer(octets: Int, of largest: [ProbedLocation]) async throws -> Transferred {
    while current.index < largest.count {
      let location = largest[current.index]
      let count = min(Int64(octets), location.message.octets - current.offset)
      var (brought, roundTrips) = (0, 1)
      if count > 0 {
        if examined?.name != location.mailbox.name { roundTrips += 1 }
        _ = try await open(location.mailbox.name)
        try await session.fetch(
          MessageSet([.init(location.message.id)]), [.peek(offset: current.offset, count: count)]
        ) { event in
          if case .octets(let some) = event { brought += some }
        }
      }
      if brought > 0 {
        current.offset += Int64(brought)
        return Transferred(octets: brought, roundTrips: roundTrips)
      }
      current = (current.index + 1, 0)
    }
    return .nothing
  }

  public func close() async { await session.logOut() }

  private func open(_ name: String) async throws -> SelectedMailbox {
    if let examined, examined.name == name { return examined }
    examined = nil
    var box = try await session.examine(name)
    box.name = name
    examined = box
    return box
  }
}

extension BodyStructureValue {
  /// Text that is shown, attachments, and what remains of the message: headers and boundaries.
  func content(ofMessage size: Int64) -> ContentOctets {
    var content = ContentOctets()
    addParts(to: &content, depth: 0)
    content.textOctets = min(content.textOctets, size)
    content.attachmentOctets = min(content.attachmentOctets, size - content.textOctets)
    content.headerOctets = size - content.textOctets - content.attachmentOctets
    return content
  }

  private func addParts(to content: inout ContentOctets, depth: Int) {
    // The reader of responses bounds the depth; a forwarded message counts as one attachment.
    if isMultipart, !children.isEmpty, depth < 100 {
      for child in children { child.addParts(to: &content, depth: depth + 1) }
    } else if type == "text", disposition != "attachment" {
      content.textOctets = content.textOctets.adding(max(0, octets))
    } else {
      content.attachmentOctets = content.attachmentOctets.adding(max(0, octets))
    }
  }
}
