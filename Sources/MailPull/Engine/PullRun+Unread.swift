import LocalMail

/// What the account's IMAP side called unread before anything was fetched.
enum UnreadBefore: Sendable, Hashable {
  /// The policy does not need it.
  case notAsked
  /// It did not answer: anything may have been unread.
  case unknown
  /// Message-IDs.
  case these(Set<String>)

  /// - messageID: nil: nobody can tell of such a message.
  func holds(_ messageID: String?) -> Bool {
    switch self {
    case .notAsked: false
    case .unknown: true
    case .these(let unseen): messageID.map(unseen.contains) ?? true
    }
  }
}

/// `keepUnder` never deletes what nobody has looked at. Some servers (Dovecot without `pop3_no_flag_updates`) mark as read
/// what RETR hands out, so they are asked before it does, and the journal keeps the answer.
extension PullRun {
  private var asksForUnread: (any DropKnowledge)? {
    guard case .keepUnder = options.policy, !isDeletionOnly else { return nil }
    return pull.knowledge
  }

  func unreadBefore() async -> UnreadBefore {
    // Nothing will be fetched: then nothing changes the answer that is asked for at the end.
    guard let knowledge = asksForUnread, drop.messages.contains(where: \.isUnknown) else { return .notAsked }
    do { return .these(try await knowledge.unseenMessageIDs()) } catch {
      warn("the account's IMAP side does not tell what is unread; what is fetched now counts as unread: \(error)")
      return .unknown
    }
  }

  /// Messages that were known and fetched again all the same, to be compared: RETR may have marked them too. New ones were
  /// written down with their intent.
  func noteUnread() async throws {
    guard unread != .notAsked else { return }
    let again = drop.messages.filter(\.isRetrieved).compactMap(\.entry).filter { !landedEntries.contains($0) }
    let entries = try await pull.journal.entries(Set(again))
    try await pull.journal.write(
      entries.filter { unread.holds($0.messageID) && $0.unread == nil }.map { .unread($0.id, .beforeFetch) },
      at: pull.time.now())
  }

  /// Entries that must not go to make room: nobody has looked at them, or that cannot be told.
  ///
  /// What was unread when it was fetched stays so until the IMAP side, in a later session, calls it unread of its own: then
  /// it does not mark for RETR, and its word counts from there on.
  func protected(_ knowledge: any DropKnowledge) async throws -> Set<Int64> {
    let unseen = try await knowledge.unseenMessageIDs()
    let entries = try await pull.journal.entries(Set(drop.messages.compactMap(\.entry)))
    let retrieved = Set(drop.messages.filter(\.isRetrieved).compactMap(\.entry))
    var told: [JournalChange] = []
    var kept: Set<Int64> = []
    markedByServer = 0
    for entry in entries {
      guard let messageID = entry.messageID else {
        kept.insert(entry.id)
        continue
      }
      let isUnseen = unseen.contains(messageID)
      if isUnseen || entry.unread == .beforeFetch { kept.insert(entry.id) }
      // A server may mark at QUIT only: the answer within the session that fetched it says nothing.
      guard entry.unread != .told, !retrieved.contains(entry.id) else { continue }
      if isUnseen { told.append(.unread(entry.id, .told)) } else if entry.unread != nil { markedByServer += 1 }
    }
    try await pull.journal.write(told, at: pull.time.now())
    return kept
  }
}
