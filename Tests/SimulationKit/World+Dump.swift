import MailStore
import NIOCore
import Synchronization

extension World {
  /// All that the contract shows of a store, account by account, in a form to be compared line by line.
  func dump() async throws -> String {
    var lines: [String] = []
    for account in try await store.accounts() { lines += try await dump(account) }
    return lines.map { $0 + "\r\n" }.joined()
  }

  private func dump(_ account: Account) async throws -> [String] {
    let quota = try await store.quota(of: account.id)
    var lines = [
      "account \(account.name) enabled \(account.isEnabled) octets \(quota.usage.bytes) messages \(quota.usage.messages) "
        + "limits \(SimulationScript.text(quota.limits.bytes)) \(SimulationScript.text(quota.limits.messages)) "
        + "\(SimulationScript.text(quota.limits.mailboxes)) holds \(try await store.holdings(of: account.id))"
    ]
    let listing = try await store.mailboxes(of: account.id)
    lines.append("subscribed without mailbox: \(listing.subscribedWithoutMailbox)")
    let notes = try await store.annotations(of: account.id)
    lines += Self.shown(notes[nil])
    var contents: [Contents] = []
    for info in listing.mailboxes { contents.append(try await Contents.read(info, of: account.id, store)) }
    // Of MODSEQs the order counts.
    let all = Set(contents.flatMap { $0.entries.map(\.modSeq) + [$0.info.highestModSeq] }).sorted()
    var ranks: [ModSeq: Int] = [:]
    for (rank, modSeq) in all.enumerated() { ranks[modSeq] = rank + 1 }
    for mailbox in contents {
      lines += show(mailbox, ranks, account.name)
      lines += Self.shown(notes[mailbox.info.id])
      let ref = MailboxRef(account: account.id, mailbox: mailbox.info.id)
      if let key = try await store.accessKey(.read, of: ref) {
        lines.append("    access key \(normaliser.name(.key, "\(key)", "key"))")
      }
      if normaliser.isShared { lines += try await readers(of: mailbox.info, account) }
    }
    let drop = try await store.openMaildrop(of: account.id)
    for message in drop.messages {
      lines.append(
        "  maildrop \(message.uid) octets \(message.size) \(normaliser.name(.uidl, message.uidl, account.name))")
    }
    drop.close()
    return lines
  }

  private static func shown(_ annotations: [Annotation]?, to reader: String = "") -> [String] {
    (annotations ?? []).sorted { $0.entry < $1.entry }
      .map { "    annotation \(reader)\($0.entry) \(String(buffer: $0.value))" }
  }

  /// Whom a mailbox is shared with, and what is new to whom.
  private func readers(of info: MailboxInfo, _ owner: Account) async throws -> [String] {
    let ref = MailboxRef(account: owner.id, mailbox: info.id)
    var lines: [String] = []
    let accounts = try await store.accounts()
    for entry in try await store.accessList(of: ref) {
      let name = accounts.first { entry.grantee == .account($0.id) }?.name ?? "anyone"
      lines.append("    given \(entry.isNegative ? "-" : "")\(name) \(entry.rights.rawValue)")
    }
    for reader in accounts where reader.id != owner.id && info.isSelectable {
      let notes = try await store.annotations(of: owner.id, as: reader.id)[info.id]
      lines += Self.shown(notes?.filter { $0.entry.hasPrefix("/private/") }, to: "of \(reader.name) ")
      let unseen = try await store.mailbox(ref, as: reader.id)?.unseen ?? -1
      guard unseen != info.messages else { continue }
      let open = try await store.openMailbox(ref, as: reader.id) {}
      defer { open.close() }
      var seen: [UID] = []
      open.current?.forEach(in: 0..<(open.current?.count ?? 0)) { if $1.flags.contains(.seen) { seen.append($1.uid) } }
      lines.append("    to \(reader.name) \(unseen) unseen, seen \(seen)")
    }
    return lines
  }

  private func show(_ mailbox: Contents, _ ranks: [ModSeq: Int], _ account: String) -> [String] {
    let info = mailbox.info
    var lines = [
      "  \(normaliser.name(.mailbox, "\(info.id)", account)) \(info.name) selectable \(info.isSelectable) subscribed "
        + "\(info.isSubscribed) use \(info.specialUse?.rawValue ?? "-") UIDVALIDITY "
        + "\(normaliser.name(.validity, "\(info.uidValidity)", account)) UIDNEXT \(info.uidNext) MODSEQ "
        + "\(ranks[info.highestModSeq] ?? 0) messages \(info.messages) unseen \(info.unseen) deleted \(info.deleted) "
        + "recent from \(info.recentFloor) octets \(info.bytes)"
    ]
    if !mailbox.keywords.isEmpty { lines.append("    keywords \(mailbox.keywords.joined(separator: " "))") }
    for entry in mailbox.entries {
      lines.append(
        "    UID \(entry.uid) flags \(entry.flags.rawValue) keywords \(String(entry.keywords, radix: 2)) MODSEQ "
          + "\(ranks[entry.modSeq] ?? 0)")
    }
    for row in mailbox.rows {
      lines.append(
        "    row \(row.uid) \(row.text) \(normaliser.name(.uidl, row.uidl, account)) "
          + "\(normaliser.name(.email, row.email, account)) \(normaliser.name(.thread, row.thread, account))")
    }
    return lines
  }
}

/// A mailbox as views and visits show it; expunged messages whose bytes are kept have rows too.
private struct Contents {
  struct Row: Sendable {
    var uid: UID
    var text: String
    var uidl: String
    var email: String
    var thread: String
  }

  var info: MailboxInfo
  var keywords: [String] = []
  var entries: [MessageEntry] = []
  var rows: [Row] = []

  static func read(_ info: MailboxInfo, of account: AccountID, _ store: any MailStore) async throws -> Contents {
    var contents = Contents(info: info)
    guard info.isSelectable else { return contents }
    let open = try await store.openMailbox(info.name, of: account) {}
    defer { open.close() }
    guard let snapshot = open.current else { throw ScriptError("\(info.name) has no snapshot") }
    contents.keywords = snapshot.keywords
    snapshot.forEach(in: 0..<snapshot.count) { contents.entries.append($1) }
    guard info.uidNext > 1 else { return contents }
    let rows = Mutex<[Row]>([])
    // From where the last few hundred may still be: a long life has many UIDs.
    let first = max(1, min(contents.entries.first?.uid ?? info.uidNext, info.uidNext - min(info.uidNext - 1, 500)))
    let uids = Array(first..<info.uidNext)
    let done = try await store.visit(
      open.ref, uids[...],
      needs: [
        .dates, .envelope, .bodyStructure, .body, .headers, .sortKeys, .identifiers, .preview, .message, .uidl,
      ]
    ) { row throws(StoreError) in
      let shown = Row(
        uid: row.uid, text: try Self.text(row), uidl: row.uidl, email: row.emailID, thread: row.threadID)
      rows.withLock { $0.append(shown) }
      return .next
    }
    guard done == uids.count else { throw ScriptError("a visit of \(uids.count) messages did \(done)") }
    contents.rows = rows.withLock { $0 }
    return contents
  }

  private static func text(_ row: any MessageRow) throws(StoreError) -> String {
    var columns = ByteBuffer()
    row.appendEnvelope(to: &columns)
    row.appendBody(to: &columns)
    row.appendBodyStructure(to: &columns)
    columns.writeImmutableBuffer(row.trace)
    columns.writeString(row.preview)
    columns.writeString("\(row.sortKeys)")
    row.withCommonHeaders { span in span.withUnsafeBytes { _ = columns.writeBytes($0) } }
    let body = try row.withMessage { span throws(StoreError) in span.withUnsafeBytes { Self.hash($0) } }
    return
      "octets \(row.size) date \(row.internalDate.seconds) \(row.internalDate.zoneMinutes) saved \(row.saveDate) columns "
      + "\(columns.withUnsafeReadableBytes { hash($0) }) body \(body)"
  }

  /// FNV-1a.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> String {
    String(bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
  }
}
