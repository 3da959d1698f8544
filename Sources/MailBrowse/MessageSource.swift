import IMAPClient
import IMAPCore
import MailSync
import NIOCore

/// Where a message is read from.
protocol MessageSource {
  /// Envelope, flags, size and structure; no body. Throws when there is no such message.
  func message(_ uid: UInt32) async throws -> FetchedMessage
  /// A section as it travels, in pieces.
  func fetch(
    _ uid: UInt32, _ section: BodySection, _ markSeen: Bool, _ write: (ByteBuffer) async throws -> Void
  ) async throws
}

/// The selected mailbox of a connection.
struct ServerSource: MessageSource {
  let client: IMAPClient
  let mailbox: String

  func message(_ uid: UInt32) async throws -> FetchedMessage {
    var found: FetchedMessage?
    try await client.fetch(
      MessageSet([.init(uid)]), [.uid, .flags, .internalDate, .size, .envelope, .bodyStructure]
    ) { event in
      if case .message(let message) = event, message.uid == uid { found = message }
    }
    guard let found else { throw BrowseError.noSuchMessage(mailbox: mailbox, uid: uid) }
    return found
  }

  func fetch(
    _ uid: UInt32, _ section: BodySection, _ markSeen: Bool, _ write: (ByteBuffer) async throws -> Void
  ) async throws {
    var seen = false
    // A section in pieces may come before its UID; one that names another message is not what was asked for.
    var isOther = false
    try await client.fetch(
      MessageSet([.init(uid)]), [.uid, .bodySection(section, partial: nil, peek: !markSeen)]
    ) { event in
      switch event {
      case .sectionPiece(let bytes):
        if isOther { break }
        seen = true
        try await write(bytes)
      case .message(let message):
        guard message.uid == uid else { break }
        for fetched in message.sections {
          guard let bytes = fetched.bytes else { continue }
          seen = true
          try await write(bytes)
        }
      case .sectionBegin(let named, _, _, _):
        isOther = named != 0 && named != uid
        if !isOther { seen = true }
      case .sectionEnd, .vanished: break
      }
    }
    guard seen else { throw BrowseError.noSuchMessage(mailbox: mailbox, uid: uid) }
  }
}

/// What `pull imap --mode headers` brought. Reading there marks nothing.
struct ReplicaSource: MessageSource {
  let replica: HeaderReplica
  let mailbox: String

  func message(_ uid: UInt32) async throws -> FetchedMessage {
    FetchedMessage(try await replica.message(mailbox, uid))
  }

  func fetch(
    _ uid: UInt32, _ section: BodySection, _ markSeen: Bool, _ write: (ByteBuffer) async throws -> Void
  ) async throws {
    switch (section.text, section.part.isEmpty) {
    case (.header, true): try await replica.fetchHeader(mailbox, uid, write)
    case (_, true): try await replica.fetchBody(mailbox, uid, write)
    case (_, false): try await replica.fetchPart(mailbox, uid, part: section.part, write)
    }
  }
}
