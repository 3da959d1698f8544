import MailStore
import Synchronization

/// Access control lists as of the last commit: all of them, since there are few. Whoever asks what an account may do in a
/// mailbox of somebody else reads nothing else. Only the writer's thread changes it, after its commit.
final class AccessCache: Sendable {
  private struct State {
    var lists: [MailboxRef: [AccessEntry]] = [:]
    /// Mailboxes that give somebody something.
    var given: [Grantee: Set<MailboxRef>] = [:]
  }
  private let state = Mutex(State())

  /// Blocks.
  init(_ db: SQLConnection) throws(StoreError) {
    var lists: [MailboxRef: [AccessEntry]] = [:]
    let rows = try db(
      "SELECT account, mailbox, grantee, rights, withheld FROM access ORDER BY account, mailbox, grantee")
    try rows.forEach { row in
      let ref = MailboxRef(account: AccountID(row.int(0)), mailbox: MailboxID(row.int(1)))
      lists[ref, default: []] += AccessTable.entries(row, at: 2)
    }
    for (ref, list) in lists { set(list, ref) }
  }

  func list(_ ref: MailboxRef) -> [AccessEntry] { state.withLock { $0.lists[ref] ?? [] } }

  func isShared(_ ref: MailboxRef) -> Bool { state.withLock { $0.lists[ref] != nil } }

  /// Of an account that is not the owner.
  func rights(of viewer: AccountID, in ref: MailboxRef) -> MailboxRights {
    state.withLock { $0.lists[ref]?.rights(of: viewer) ?? [] }
  }

  /// Mailboxes of others in which the account has a right.
  func mailboxes(with viewer: AccountID) -> [(ref: MailboxRef, rights: MailboxRights)] {
    state.withLock { state in
      var refs = state.given[.account(viewer)] ?? []
      if let all = state.given[.anyone] { refs.formUnion(all) }
      return refs.compactMap { ref in
        guard ref.account != viewer, let rights = state.lists[ref]?.rights(of: viewer), !rights.isEmpty else {
          return nil
        }
        return (ref, rights)
      }
    }
  }

  // MARK: The writer's thread

  func publish(_ changes: SharedChanges) {
    for (ref, list) in changes.lists { set(list ?? [], ref) }
  }

  private func set(_ list: [AccessEntry], _ ref: MailboxRef) {
    state.withLock { state in
      for entry in state.lists[ref] ?? [] where !entry.isNegative {
        state.given[entry.grantee]?.remove(ref)
        if state.given[entry.grantee]?.isEmpty == true { state.given[entry.grantee] = nil }
      }
      state.lists[ref] = list.isEmpty ? nil : list
      for entry in list where !entry.isNegative { state.given[entry.grantee, default: []].insert(ref) }
    }
  }
}

/// Rows of `access`.
enum AccessTable {
  /// Columns: grantee, rights, withheld.
  static func entries(_ row: SQLStatement, at column: Int32) -> [AccessEntry] {
    let number = row.int(column)
    let grantee = number == 0 ? Grantee.anyone : .account(AccountID(number))
    let rights = MailboxRights(rawValue: UInt16(truncatingIfNeeded: row.int(column + 1))).intersection(.all)
    let withheld = MailboxRights(rawValue: UInt16(truncatingIfNeeded: row.int(column + 2))).intersection(.all)
    var entries: [AccessEntry] = []
    if !rights.isEmpty { entries.append(AccessEntry(grantee, rights)) }
    if !withheld.isEmpty { entries.append(AccessEntry(grantee, isNegative: true, withheld)) }
    return entries
  }

  static func list(of ref: MailboxRef, _ db: SQLConnection) throws(StoreError) -> [AccessEntry] {
    let rows = try db(
      "SELECT grantee, rights, withheld FROM access WHERE account = ? AND mailbox = ? ORDER BY grantee")
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    var list: [AccessEntry] = []
    try rows.forEach { list += entries($0, at: 0) }
    return list
  }

  /// What the list says of one grantee; nothing is left of a line without rights.
  static func put(
    _ rights: MailboxRights, withheld: MailboxRights, to grantee: Grantee, in ref: MailboxRef, _ db: SQLConnection
  ) throws(StoreError) {
    let row =
      rights.isEmpty && withheld.isEmpty
      ? try db("DELETE FROM access WHERE account = ? AND mailbox = ? AND grantee = ?")
      : try db(
        "INSERT OR REPLACE INTO access (account, mailbox, grantee, rights, withheld) VALUES (?1, ?2, ?3, ?4, ?5)")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    row.bind(3, grantee.number)
    if !(rights.isEmpty && withheld.isEmpty) {
      row.bind(4, Int64(rights.rawValue))
      row.bind(5, Int64(withheld.rawValue))
    }
    try row.run()
  }
}

extension Grantee {
  /// As in the row.
  var number: Int64 {
    switch self {
    case .anyone: 0
    case .account(let id): id.rawValue
    }
  }
}
