import GRDB

extension SyncState {
  /// How both sides of each mailbox looked when nothing was left to do there, by the mailbox's id.
  func settled() async throws -> [Int64: String] {
    try await read { db in
      let rows = try Row.fetchAll(db, sql: "SELECT mailbox, state FROM settled")
      return Dictionary(rows.map { ($0["mailbox"], $0["state"]) }) { first, _ in first }
    }
  }

  func setSettled(_ states: [(mailbox: Int64, state: String)]) async throws {
    if states.isEmpty { return }
    try await write("settled") { db in
      for (mailbox, state) in states {
        try db.execute(
          sql: "INSERT OR REPLACE INTO settled (mailbox, state) VALUES (?, ?)", arguments: [mailbox, state])
      }
    }
  }

  /// Before anything is done to these.
  func unsettle(_ mailboxes: [Int64]) async throws {
    if mailboxes.isEmpty { return }
    try await write("unsettled") { db in
      for mailbox in mailboxes { try db.execute(sql: "DELETE FROM settled WHERE mailbox = ?", arguments: [mailbox]) }
    }
  }
}
