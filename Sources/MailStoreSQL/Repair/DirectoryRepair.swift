import MailStore

/// Names for accounts that have mail and are not in the directory. They come back without a password: mail for them is
/// taken in, and nobody can log in until they get one.
struct DirectoryRepair {
  let db: SQLConnection
  let now: Int64
  /// Nothing is left of the directory.
  let isLost: Bool
  private(set) var actions: [String] = []
  private(set) var named: [Int64: String] = [:]

  init(db: SQLConnection, isLost: Bool, now: Int64) {
    self.db = db
    self.isLost = isLost
    self.now = now
  }

  /// What the directory holds, names that cannot be put right.
  mutating func accounts() throws(StoreError) -> [Int64: String] {
    var result: [Int64: String] = [:]
    let rows = try db("SELECT id, name FROM account ORDER BY id")
    try rows.forEach { result[$0.int(0)] = $0.text(1) }
    for (id, name) in result.sorted(by: { $0.key < $1.key }) {
      guard (1..<StoreLimits.accounts).contains(id) else {
        try AccountTable.delete(id, db)
        result[id] = nil
        actions.append("\(name): removed from the directory: its number \(id) cannot be")
        continue
      }
      let isGood = Names.account(name) == name && (try? Names.checkAccount(name)) != nil
      guard !isGood else { continue }
      let new = free(Names.account(name), id, Set(result.values))
      result[id] = new
      let row = try db("UPDATE account SET name = ?2 WHERE id = ?1")
      row.bind(1, id)
      row.bind(2, new)
      try row.run()
      actions.append("account \(id): its name was damaged; it is called \(new) now")
    }
    return result
  }

  /// `wanted`: accounts that have mail, and what they were called last, where that is known.
  mutating func add(_ wanted: [Int64: String?], to known: inout [Int64: String]) throws(StoreError) {
    for (id, name) in wanted.sorted(by: { $0.key < $1.key }) where known[id] == nil {
      let new = free(name.map(Names.account) ?? "account-\(id)", id, Set(known.values))
      let row = try db(
        "INSERT INTO account (id, name, enabled, credentials, expire, created) VALUES (?, ?, 1, '', -1, ?)")
      row.bind(1, id)
      row.bind(2, new)
      row.bind(3, now)
      try row.run()
      known[id] = new
      named[id] = new
      actions.append("account \(id) is in the directory again, as \(new), without a password")
    }
  }

  /// `ana`, `ana-recovered`, `ana-recovered-2`; with a domain the addition stands before it.
  private func free(_ wanted: String, _ id: Int64, _ taken: Set<String>) -> String {
    let wanted = (try? Names.checkAccount(wanted)) == nil ? "account-\(id)" : wanted
    guard taken.contains(wanted) else { return wanted }
    let parts = wanted.split(separator: "@", maxSplits: 1)
    let domain = parts.count > 1 ? "@\(parts[1])" : ""
    var number = 1
    while true {
      let name = "\(parts[0])-recovered\(number == 1 ? "" : "-\(number)")\(domain)"
      if !taken.contains(name) { return (try? Names.checkAccount(name)) == nil ? "account-\(id)" : name }
      number += 1
    }
  }
}
