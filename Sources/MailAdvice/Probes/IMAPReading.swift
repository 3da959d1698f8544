public import IMAPClient
public import IMAPCore
import NIOCore

/// The commands of an IMAP session that change nothing. The adviser holds a value of this type and nothing else, so that
/// SELECT, STORE, EXPUNGE, APPEND and a FETCH that marks mail as read can't be said at all.
public protocol IMAPReading: AnyObject {
  var capabilities: Set<String> { get }
  /// LIST and STATUS.
  func list() async throws -> [RemoteMailbox]
  /// EXAMINE: the mailbox is read-only to this session (RFC 9051 §6.3.3).
  func examine(_ mailbox: String) async throws -> SelectedMailbox
  /// GETQUOTAROOT (RFC 9208).
  func quota(_ mailbox: String) async throws -> [RemoteQuota]
  /// UID FETCH.
  func fetch(_ uids: MessageSet, _ items: [IMAPReadItem], _ take: (IMAPReadEvent) -> Void) async throws
  func noop() async throws
  func logOut() async
}

/// What the adviser may fetch: never a body without PEEK (RFC 9051 §6.4.5).
public enum IMAPReadItem: Sendable, Hashable {
  case size
  case internalDate
  case structure
  /// BODY.PEEK[]<offset.count>
  case peek(offset: Int64, count: Int64)

  var fetchItem: FetchItem {
    switch self {
    case .size: .size
    case .internalDate: .internalDate
    case .structure: .bodyStructure
    case .peek(let offset, let count):
      .bodySection(BodySection(), partial: Partial(offset: offset, count: count), peek: true)
    }
  }
}

public enum IMAPReadEvent: Sendable {
  case message(FetchedMessage)
  /// So many octets of a message came, and were thrown away.
  case octets(Int)
}

/// An `IMAPClient` of which only the reading commands can be reached.
final class ReadOnlyIMAP: IMAPReading {
  private let client: IMAPClient

  init(_ client: IMAPClient) { self.client = client }

  var capabilities: Set<String> { client.capabilities }
  func list() async throws -> [RemoteMailbox] { try await client.mailboxes(status: true) }
  func examine(_ mailbox: String) async throws -> SelectedMailbox {
    try await client.select(mailbox, readOnly: true, resync: nil)
  }
  func quota(_ mailbox: String) async throws -> [RemoteQuota] { try await client.quota(mailbox) }

  func fetch(_ uids: MessageSet, _ items: [IMAPReadItem], _ take: (IMAPReadEvent) -> Void) async throws {
    try await client.fetch(uids, [.uid] + items.map(\.fetchItem)) { event in
      switch event {
      case .message(let message):
        let octets = message.sections.reduce(0) { $0 + ($1.bytes?.readableBytes ?? 0) }
        if octets > 0 { take(.octets(octets)) }
        take(.message(message))
      case .sectionPiece(let bytes): take(.octets(bytes.readableBytes))
      case .sectionBegin, .sectionEnd, .vanished: break
      }
    }
  }

  func noop() async throws { _ = try await client.noop() }
  func logOut() async { await client.logOut() }
}
