import BlobStore
import MailStore
import Synchronization

extension SQLStore {
  public func beginMaildrop(of account: AccountID) async throws(StoreError) -> any Maildrop {
    guard let inbox = try await mailbox(named: Names.inbox, of: account) else { throw .noSuchMailbox(Names.inbox) }
    let ref = MailboxRef(account: account, mailbox: inbox.id)
    // Pinned before the rows are read: what they show is not purged until `close`.
    let modSeq = cache.modSeq(account) ?? 0
    pins.add(account, after: modSeq)
    let drop = SQLMaildrop(store: self, ref: ref, pinned: modSeq)
    let isLarge = inbox.messages > StoreLimits.maildropAtOnce
    if !readers.submit({ $0.list(drop, isLarge: isLarge) }) { drop.listing.end(with: .shuttingDown) }
    do throws(StoreError) { try await drop.listing.opened() } catch {
      drop.close()
      throw error
    }
    return drop
  }
}

/// The INBOX as one POP3 session sees it. Messages are read by their content, wherever they have gone since.
final class SQLMaildrop: Maildrop {
  struct Entry: Sendable {
    var message: MaildropMessage
    var content: Int64
    var date: InternalDate
    var saved: Int64
  }

  let ref: MailboxRef
  let listing = MaildropListing()
  private let store: SQLStore
  private let pinned: ModSeq
  private let isClosed = Atomic(false)

  init(store: SQLStore, ref: MailboxRef, pinned: ModSeq) {
    self.store = store
    self.ref = ref
    self.pinned = pinned
  }

  deinit { close() }

  func close() {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    listing.end(with: .shuttingDown)
    store.pins.remove(ref.account, after: pinned)
  }

  var totals: (messages: Int, octets: Int) { listing.totals }
  var isListed: Bool { listing.isListed }
  var messages: [MaildropMessage] { entries.map(\.message) }
  func listed() async throws(StoreError) { try await listing.listed() }
  private var entries: [Entry] { listing.entries }

  func visit(
    _ indexes: ArraySlice<Int>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    guard !indexes.isEmpty else { return 0 }
    return try await store.readers.run { [entries, ref] reader throws(StoreError) in
      try reader.visit(entries, indexes, of: ref.account.rawValue, needs, visitor)
    }
  }

  func openMessage(at index: Int) async throws(StoreError) -> any MessageReader {
    let entry = entries[index]
    let key = ContentKey.key(ref.account.rawValue, entry.content)
    let pool = store.readers
    let reader = try await pool.run { reader throws(StoreError) in
      try reader.db.reading { () throws(StoreError) in try reader.openContent(key: key, pool: pool) }
    }
    guard let reader else { throw .expunged(entry.message.uid) }
    return reader
  }

  func markRetrieved(_ indexes: [Int], at seconds: Int64) async throws(StoreError) {
    let uids = ascending(indexes.map { entries[$0].message.uid })
    guard !uids.isEmpty else { return }
    try await store.writer.write { [ref] transaction throws(StoreError) in
      transaction.hasWritten = true
      let row = try transaction.db(
        """
        UPDATE message SET retrieved = ?5
        WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND retrieved IS NULL
        """)
      for run in UIDRuns.consecutive(uids) {
        transaction.bind(row, ref, run.lowerBound, run.upperBound)
        row.bind(5, seconds)
        try row.run()
      }
    }
  }

  func delete(_ indexes: [Int]) async throws(StoreError) {
    let uids = ascending(indexes.map { entries[$0].message.uid })
    // RFC 1939 §6 allows that some are removed when the rest fails; deliveries of others go between the parts.
    for start in stride(from: 0, to: uids.count, by: StoreLimits.rowsPerSlice) {
      let slice = uids[start..<min(start + StoreLimits.rowsPerSlice, uids.count)]
      try await store.writer.write { [ref] transaction throws(StoreError) in
        let (account, mailbox) = try transaction.mailbox(ref)
        try transaction.remove(UIDRuns.consecutive(slice), from: mailbox, of: account, onlyDeleted: false)
      }
    }
  }
}

extension Reader {
  /// One read transaction (see `Maildrop.visit`).
  func visit(
    _ entries: [SQLMaildrop.Entry], _ indexes: ArraySlice<Int>, of account: Int64, _ needs: ContentNeeds,
    _ visitor: (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) throws(StoreError) -> Int {
    defer {
      scratch.endRun()
      scratch.trim()
      chunks.trim()
    }
    return try db.reading { () throws(StoreError) in
      let query = try query(.contents, needs)
      let row = SQLMessageRow(self, query)
      scratch.beginRun()
      var done = 0
      for index in indexes {
        let entry = entries[index]
        let key = ContentKey.key(account, entry.content)
        query.statement.bind(1, key)
        query.statement.bind(2, key)
        defer { query.statement.reset() }
        guard try query.statement.step() else {
          done += 1
          continue
        }
        try row.fill(
          query, uid: entry.message.uid, size: entry.message.size, date: entry.date, saved: entry.saved)
        switch try visitor(index, row) {
        case .next: done += 1
        case .stop: return done + 1
        case .stopBefore: return done
        }
      }
      return done
    }
  }
}
