public import IMAPCore
public import MailNet

extension IMAPClient {
  /// UID COPY. The map is empty when the server has no UIDPLUS.
  public func copy(_ uids: MessageSet, to mailbox: String) async throws(ClientError) -> [UInt32: UInt32] {
    try await transfer("COPY", uids, mailbox)
  }

  /// UID MOVE, or COPY, STORE \Deleted and UID EXPUNGE; `.unsupported` when the server has neither MOVE nor UIDPLUS.
  public func move(_ uids: MessageSet, to mailbox: String) async throws(ClientError) -> [UInt32: UInt32] {
    if has("MOVE") { return try await transfer("MOVE", uids, mailbox) }
    guard has("UIDPLUS") else { throw failure(.unsupported("MOVE or UIDPLUS")) }
    let map = try await copy(uids, to: mailbox)
    try await expunge(uids)
    return map
  }

  private func transfer(
    _ keyword: StaticString, _ uids: MessageSet, _ mailbox: String
  ) async throws(ClientError) -> [UInt32: UInt32] {
    let sets = uids.split()
    var map: [UInt32: UInt32] = [:]
    func note(_ code: ResponseCode?) {
      guard case .copyUID(_, let source, let assigned)? = code, source.count == assigned.count else { return }
      for (from, to) in zip(source, assigned) { map[from] = to }
    }
    let own = OwnExpunges(sets)
    try await pipeline(sets.count, window: IMAPClientLimits.storeWindow) { index, batch in
      add("UID \(keyword)", to: &batch) { printer in
        printer.word("UID ")
        printer.word(keyword)
        printer.space()
        printer.set(sets[index])
        printer.space()
        write(mailbox, to: &printer)
      }
    } _: { (response) throws(ClientError) in
      // RFC 6851 §4.3: MOVE tells the UIDs before it expunges.
      if case .status(let line) = response { note(line.code) }
      return try own.take(response, self)
    } _: { _, command, line in
      note(line.code)
      return refusal(line, command.name)
    }
    return map
  }

  /// STORE +FLAGS.SILENT (\Deleted) and UID EXPUNGE (RFC 4315). Without UIDPLUS: EXPUNGE only if no other message is
  /// \Deleted, else `.unsupported`; a message that another client marks at that very moment goes too.
  public func expunge(_ uids: MessageSet) async throws(ClientError) {
    let sets = uids.split()
    guard !sets.isEmpty else { return }
    if !has("UIDPLUS") {
      let filter = UIDFilter(sets)
      let deleted = try await search(SearchCommand(uid: true, key: .flag(.deleted)))
      guard deleted.allSatisfy({ filter.contains($0) }) else {
        throw failure(.unsupported("UIDPLUS, and other messages of the mailbox are marked as deleted"))
      }
    }
    _ = try await store([FlagStore(uids: uids, mode: .add, flags: FlagList(.deleted))])
    let commands = has("UIDPLUS") ? sets.map { ExpungeCommand(uids: $0) } : [ExpungeCommand()]
    let own = OwnExpunges(sets)
    try await pipeline(commands.count, window: IMAPClientLimits.storeWindow) { index, batch in
      add(.expunge(commands[index]), to: &batch)
    } _: { (response) throws(ClientError) in
      try own.take(response, self)
    } _: { _, command, line in
      refusal(line, command.name)
    }
  }
}

/// Tells messages that a command removed from those that went by themselves.
private final class OwnExpunges {
  private let filter: UIDFilter
  private var left: Int

  init(_ sets: [MessageSet]) {
    filter = UIDFilter(sets)
    left = filter.count
  }

  func take(_ response: IMAPResponse, _ client: IMAPClient) throws(ClientError) -> Bool {
    switch response {
    case .expunge:
      // Which one it was can't be told; more than were asked for are others.
      guard left > 0 else { return false }
      left -= 1
      return true
    case .vanished(earlier: false, let ranges):
      let outside = filter.split(ranges).outside
      if !outside.isEmpty { try client.notice(.vanished(earlier: false, outside)) }
      return true
    default: return false
    }
  }
}
