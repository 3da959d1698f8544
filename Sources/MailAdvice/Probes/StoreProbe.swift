import MailClient
import MailFormat
public import MailStore
import Synchronization

/// Measures an account of a Merpati store on this machine. There is no line to measure; what a client would need is
/// reckoned with the line of `ModelAssumptions`.
public final class StoreProbe: MailboxProbe {
  private let store: any StoreReading
  public let account: String
  public let source = MeasuredSource.store
  public let throughputMethod = "nothing"
  public let contentSampleLimit = AdviceLimits.structureSample
  private let pop3Expire: POP3Expire
  private var opened: (name: String, ref: MailboxRef, uids: [UID])?

  public convenience init(_ store: any MailStore, _ account: Account) {
    self.init(ReadOnlyStore(store, account.id), account: account.name, pop3Expire: account.pop3Expire)
  }

  init(_ store: any StoreReading, account: String, pop3Expire: POP3Expire = .never) {
    self.store = store
    self.account = account
    self.pop3Expire = pop3Expire
  }

  /// What a Merpati server announces after login, as far as it matters here.
  public func service() async throws -> ServiceFacts {
    ServiceFacts(
      .imap, .offered, capabilities: ["IMAP4REV1", "IMAP4REV2", "IDLE", "LIST-STATUS", "MOVE", "QUOTA", "UIDPLUS"])
  }

  /// The other protocol of the same server.
  public var pop3Service: ServiceFacts {
    let days: Int? =
      switch pop3Expire {
      case .never: nil
      case .onRetrieve: 0
      case .days(let days): days
      }
    return ServiceFacts(.pop3, .offered, capabilities: ["PIPELINING", "TOP", "UIDL"], expireDays: days)
  }

  public func mailboxes() async throws -> [ProbedMailbox] {
    try await store.mailboxes().filter(\.isSelectable).map {
      ProbedMailbox(
        name: $0.name, isInbox: $0.name == "INBOX", messages: $0.messages, unseen: $0.unseen, octets: $0.bytes)
    }
  }

  public func quotas() async throws -> [QuotaFacts] {
    let (usage, limits) = try await store.quota()
    var quotas: [QuotaFacts] = []
    if let bytes = limits.bytes {
      quotas.append(QuotaFacts(root: account, resource: "STORAGE", usage: usage.bytes, limit: bytes))
    }
    if let messages = limits.messages {
      quotas.append(QuotaFacts(root: account, resource: "MESSAGE", usage: usage.messages, limit: messages))
    }
    return quotas
  }

  public func messages(of mailbox: ProbedMailbox, limit: Int, _ take: (ProbedMessage) -> Void) async throws {
    let (ref, all) = try await open(mailbox.name)
    try await walk(ref, all.suffix(limit), needs: .dates) { row in
      ProbedMessage(id: row.uid, octets: Int64(row.size), seconds: row.internalDate.seconds)
    } take: {
      take($0)
    }
  }

  public func contents(
    of mailbox: ProbedMailbox, _ messages: [ProbedMessage], _ take: (ProbedContent) -> Void
  ) async throws {
    let (ref, _) = try await open(mailbox.name)
    // `message` brings the offsets of the parts; the bytes themselves stay where they are.
    try await walk(ref, messages.map(\.id).sorted()[...], needs: [.dates, .message]) { row in
      guard let index = try? row.index() else { return nil }
      return ProbedContent(id: row.uid, octets: index.root.content(ofMessage: Int64(row.size)))
    } take: {
      take($0)
    }
  }

  public func ping() async throws -> Bool { false }
  public func transfer(octets: Int, of largest: [ProbedLocation]) async throws -> Transferred { .nothing }
  public func close() async {}

  private func open(_ name: String) async throws -> (MailboxRef, [UID]) {
    if let opened, opened.name == name { return (opened.ref, opened.uids) }
    let (ref, uids) = try await store.uids(of: name)
    opened = (name, ref, uids)
    return (ref, uids)
  }

  /// Visits in slices, so that no transaction stays open long.
  private func walk<Value: Sendable>(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ read: @escaping @Sendable (any MessageRow) -> Value?, take: (Value) -> Void
  ) async throws {
    var rest = uids
    while !rest.isEmpty {
      let slice = rest.prefix(AdviceLimits.visitSlice)
      let found = Found<Value>()
      let done = try await store.visit(ref, slice, needs: needs) { row in
        if let value = read(row) { found.values.withLock { $0.append(value) } }
        return .next
      }
      for value in found.values.withLock({ $0 }) { take(value) }
      // A store that gets nowhere must not hold us up for ever.
      rest = rest.dropFirst(max(1, min(done, slice.count)))
    }
  }

  private final class Found<Value: Sendable>: Sendable {
    let values = Mutex<[Value]>([])
  }
}

extension Part {
  /// As `BodyStructureValue.content(ofMessage:)`, from offsets alone: a text part other than plain and HTML that names a
  /// disposition is taken for an attachment.
  func content(ofMessage size: Int64) -> ContentOctets {
    var content = ContentOctets()
    addParts(to: &content)
    content.textOctets = min(content.textOctets, size)
    content.attachmentOctets = min(content.attachmentOctets, size - content.textOctets)
    content.headerOctets = size - content.textOctets - content.attachmentOctets
    return content
  }

  private func addParts(to content: inout ContentOctets) {
    if isMultipart {
      for child in children { child.addParts(to: &content) }
    } else if isText, ["plain", "html"].contains(subtype) || range(of: .disposition) == nil {
      content.textOctets = content.textOctets.adding(Int64(bodyRange.count))
    } else {
      content.attachmentOctets = content.attachmentOctets.adding(Int64(bodyRange.count))
    }
  }
}
