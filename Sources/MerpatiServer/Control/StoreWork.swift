import LocalMail
import MailStore
import MailTransfer
import NIOCore
import Synchronization

/// What import and export do with a store, for the server's control socket and for a command that has the folder to
/// itself. Nothing here runs on the caller's executor, which may be an event loop.
struct StoreWork: Sendable {
  let store: any MailStore

  func account(_ name: String) async throws(StoreError) -> AccountID {
    guard let account = try await store.account(named: name) else { throw .noSuchAccount(name) }
    return account.id
  }

  @concurrent
  func listing(of account: String) async throws(StoreError) -> StoreListing {
    let listing = try await store.mailboxes(of: try await self.account(account))
    return StoreListing(
      mailboxes: listing.mailboxes.map { StoreMailbox($0) },
      subscribedWithoutMailbox: listing.subscribedWithoutMailbox)
  }

  @concurrent
  func prepare(_ mailbox: ImportedMailbox, of account: String) async throws(StoreError) -> StoreMailbox {
    StoreMailbox(try await store.prepareImport(mailbox, of: try await self.account(account)))
  }

  func ref(_ mailbox: String, of account: String) async throws(StoreError) -> MailboxRef {
    let account = try await self.account(account)
    guard let info = try await store.mailbox(named: mailbox, of: account) else { throw .noSuchMailbox(mailbox) }
    return MailboxRef(account: account, mailbox: info.id)
  }

  // MARK: What is there

  @concurrent
  func describe(_ mailbox: String, of account: String, after: UID) async throws(StoreError) -> StorePage {
    let open = try await store.openMailbox(mailbox, of: try await self.account(account)) {}
    defer { open.close() }
    guard let snapshot = open.current, after < UID.max else { return StorePage(messages: [], next: nil) }
    let (entries, next) = Self.page(of: snapshot, after: after)
    let details = Mutex<[UID: StoreMessage]>([:])
    let uids = entries.map(\.uid)
    var done = 0
    while done < uids.count {
      done += try await store.visit(open.ref, uids[done...], needs: [.dates, .uidl]) { row in
        let message = StoreMessage(
          uid: row.uid, size: row.size, flags: [], keywords: [], date: row.internalDate, uidl: row.uidl)
        details.withLock { $0[row.uid] = message }
        return .next
      }
    }
    let found = details.withLock { $0 }
    let messages = entries.compactMap { entry -> StoreMessage? in
      guard var message = found[entry.uid] else { return nil }
      message.flags = entry.flags
      message.keywords = snapshot.keywordNames(entry.keywords)
      return message
    }
    return StorePage(messages: messages, next: next)
  }

  /// Keywords can be long: a page ends as well when its text has grown.
  private static func page(of snapshot: MailboxSnapshot, after: UID) -> (entries: [MessageEntry], next: UID?) {
    let start = snapshot.lowerBound(after + 1)
    let lengths = snapshot.keywords.map(\.utf8.count)
    var entries: [MessageEntry] = []
    var octets = 0
    snapshot.forEach(in: start..<min(start + ControlLimits.describedMessages, snapshot.count)) { _, entry in
      guard octets < ControlLimits.replyLine / 4 else { return }
      entries.append(entry)
      if entry.keywords != 0 {
        octets += lengths.indices.reduce(0) { $0 + (entry.keywords & (1 << UInt64($1)) != 0 ? lengths[$1] : 0) }
      }
    }
    return (entries, start + entries.count < snapshot.count ? entries.last?.uid : nil)
  }

  // MARK: Fingerprints

  /// Of the first messages among `uids`, and how many of `uids` are done with. Messages that cannot be read have none.
  @concurrent
  func fingerprints(
    _ mailbox: String, of account: String, _ uids: [UID]
  ) async throws(StoreError) -> (found: [UID: Fingerprint], done: Int) {
    let ref = try await ref(mailbox, of: account)
    let cursor = StoreCursor(store: store, ref: ref, uids: uids, batch: ControlLimits.hashBatch)
    var found: [UID: Fingerprint] = [:]
    var octets = 0
    var current: (uid: UID, stream: FingerprintStream)?
    while true {
      let events = try await cursor.next()
      if events.isEmpty { return (found, uids.count) }
      for event in events {
        switch event {
        case .begin(let uid, _): current = (uid, FingerprintStream())
        case .piece(let bytes):
          octets += bytes.readableBytes
          current?.stream.update(bytes)
        case .end:
          if let (uid, stream) = current { found[uid] = stream.finish() }
          current = nil
        case .damaged: current = nil
        }
      }
      if current == nil, octets >= ControlLimits.fingerprintBytes { return (found, cursor.position) }
    }
  }
}

extension MailboxSnapshot {
  func keywordNames(_ bits: UInt64) -> [String] {
    bits == 0 ? [] : keywords.indices.filter { bits & (1 << UInt64($0)) != 0 }.map { keywords[$0] }
  }
}
