import MailStore

/// Mailboxes against their messages: rows and chunks of flags walked together.
extension Checker {
  private struct Counted {
    var messages: Int64 = 0
    var unseen: Int64 = 0
    var deleted: Int64 = 0
    var bytes: Int64 = 0
    var lastUID: UID = 0
    var modSeq: ModSeq = 0
  }

  mutating func checkEntries() throws(StoreError) {
    var mailboxes: [(ref: MailboxRef, state: MailboxState)] = []
    let rows = try db(
      """
      SELECT account, id, name, uidvalidity, uidnext, highestmodseq, messages, unseen, deleted, bytes FROM mailbox
      WHERE name IS NOT NULL ORDER BY account, id
      """)
    try rows.forEach { row in
      let ref = MailboxRef(account: AccountID(row.int(0)), mailbox: MailboxID(row.int(1)))
      mailboxes.append(
        (
          ref,
          MailboxState(
            id: row.int(1), name: row.text(2), uidValidity: UInt32(truncatingIfNeeded: row.int(3)), uidNext: row.uid(4),
            highestModSeq: row.bits(5), messages: row.int(6), unseen: row.int(7), deleted: row.int(8), bytes: row.int(9)
          )
        ))
    }
    for (ref, state) in mailboxes {
      if isStopping() { throw .shuttingDown }
      do throws(StoreError) { try checkEntries(ref, state) } catch {
        guard case .corrupt(let what) = error else { throw error }
        note(what)
      }
    }
  }

  private mutating func checkEntries(_ ref: MailboxRef, _ state: MailboxState) throws(StoreError) {
    let named = try keywords(ref)
    var counted = Counted()
    var problems: [String] = []
    let seal = try FlagTable.seal(ref, db)
    var flags = ChunkWalk(ref, db)
    let rows = try db(
      "SELECT uid, flags, keywords, modseq, size FROM message WHERE account = ? AND mailbox = ? ORDER BY uid")
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    try rows.forEach { row throws(StoreError) in
      var entry = MessageEntry(row)
      if entry.uid <= seal {
        problems += try flags.skip(to: entry.uid).map { Self.rowless($0, ref) }
        if let found = flags.take(entry.uid) {
          entry = found
        } else {
          problems.append(
            "account \(ref.account), mailbox \(ref.mailbox), UID \(entry.uid): its flags are kept nowhere")
        }
      }
      counted.messages += 1
      counted.bytes += row.int(4)
      if !entry.flags.contains(.seen) { counted.unseen += 1 }
      if entry.flags.contains(.deleted) { counted.deleted += 1 }
      counted.lastUID = max(counted.lastUID, entry.uid)
      counted.modSeq = max(counted.modSeq, entry.modSeq)
      if entry.keywords & ~named != 0 {
        problems.append(
          "account \(ref.account), mailbox \(ref.mailbox), UID \(entry.uid): it has a keyword without a name")
      }
    }
    problems += try flags.skip(to: .max).map { Self.rowless($0, ref) }
    for problem in problems { note(problem) }
    compare(counted, with: state, ref)
  }

  private static func rowless(_ uid: UID, _ ref: MailboxRef) -> String {
    "account \(ref.account), mailbox \(ref.mailbox), UID \(uid): it has flags and no row"
  }

  private mutating func compare(_ counted: Counted, with state: MailboxState, _ ref: MailboxRef) {
    if counted.messages != state.messages || counted.unseen != state.unseen || counted.deleted != state.deleted
      || counted.bytes != state.bytes
    {
      note(
        """
        account \(ref.account), mailbox \(ref.mailbox) (\(state.name)): it counts \(state.messages) messages, \
        \(state.unseen) unseen, \(state.deleted) deleted, \(state.bytes) octets; its rows are \(counted.messages), \(counted.unseen), \(counted.deleted), \(counted.bytes)
        """)
    }
    if counted.messages > 0, counted.lastUID >= state.uidNext || counted.modSeq > state.highestModSeq {
      note(
        """
        account \(ref.account), mailbox \(ref.mailbox): UIDNEXT \(state.uidNext) and HIGHESTMODSEQ \
        \(state.highestModSeq) are not beyond UID \(counted.lastUID) and MODSEQ \(counted.modSeq)
        """)
    }
  }

  /// Bits that have a name.
  private func keywords(_ ref: MailboxRef) throws(StoreError) -> UInt64 {
    var named: UInt64 = 0
    let rows = try db("SELECT bit FROM keyword WHERE account = ? AND mailbox = ?")
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    try rows.forEach { row in if (0..<64).contains(row.int(0)) { named |= 1 << UInt64(row.int(0)) } }
    return named
  }

  /// Entries of chunks in UID order, none passed over unseen.
  private struct ChunkWalk {
    let ref: MailboxRef
    let db: SQLConnection
    private var entries: ArraySlice<MessageEntry> = []
    private var next: UID? = 1

    init(_ ref: MailboxRef, _ db: SQLConnection) {
      self.ref = ref
      self.db = db
    }

    /// UIDs of entries below `uid` that were not taken.
    mutating func skip(to uid: UID) throws(StoreError) -> [UID] {
      var passed: [UID] = []
      while true {
        while let first = entries.first, first.uid < uid {
          if passed.count < StoreLimits.namedProblems { passed.append(first.uid) }
          entries.removeFirst()
        }
        guard entries.isEmpty, let from = next, from <= uid else { return passed }
        guard let chunk = try FlagTable.chunk(from, in: ref, db) else {
          next = nil
          return passed
        }
        entries = chunk.entries[...]
        next = chunk.last < UID.max ? chunk.last + 1 : nil
      }
    }

    mutating func take(_ uid: UID) -> MessageEntry? {
      guard let first = entries.first, first.uid == uid else { return nil }
      entries.removeFirst()
      return first
    }
  }
}
