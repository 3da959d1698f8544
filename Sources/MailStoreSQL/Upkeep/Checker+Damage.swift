import BlobStore
import MailStore

/// Damage that is marked already, and the directory.
extension Checker {
  func marks(_ pack: Int64) throws(StoreError) -> Set<Int64> {
    var offsets: Set<Int64> = []
    let rows = try db("SELECT offset FROM damaged WHERE pack = ?")
    rows.bind(1, pack)
    try rows.forEach { offsets.insert($0.int(0)) }
    return offsets
  }

  /// Every blob of a pack that is gone is marked.
  func isKnownDamage(_ pack: Int64) throws(StoreError) -> Bool {
    let row = try db(
      """
      SELECT 1 FROM blob b WHERE b.pack = ?
        AND NOT EXISTS (SELECT 1 FROM damaged d WHERE d.pack = b.pack AND d.offset = b.offset) LIMIT 1
      """)
    row.bind(1, pack)
    return try row.first { _ in true } == nil
  }

  mutating func nameKnownDamage() throws(StoreError) {
    let rows = try db(
      """
      SELECT c.key FROM damaged d JOIN blob b ON b.pack = d.pack AND b.offset = d.offset JOIN content c ON c.blob = b.id
      ORDER BY c.key
      """)
    var keys: [Int64] = []
    try rows.forEach { keys.append($0.int(0)) }
    for key in keys where report.damaged.count < StoreLimits.namedProblems {
      let names = names
      report.damaged += try DamagedFrames.messages(of: key, db, names: { names[$0] }).map(\.sentence)
    }
  }

  /// The file of accounts: its pages, and names that cannot be. A changed value that still is possible (another quota,
  /// other octets of a password's hash) cannot be seen: nothing else in the store says what it was.
  static func problems(ofDirectory path: String) throws(StoreError) -> [String] {
    do throws(StoreError) {
      let db = try SQLConnection.reader(path: path)
      defer { db.close() }
      var problems: [String] = []
      try db("PRAGMA integrity_check(100)").forEach {
        if $0.text(0) != "ok" { problems.append("directory.sqlite: \($0.text(0))") }
      }
      try db("SELECT id, name FROM account ORDER BY id").forEach { row in
        let name = row.text(1)
        if Names.account(name) != name || (try? Names.checkAccount(name)) == nil {
          problems.append("account \(row.int(0)): its name is not one that an account can have")
        }
      }
      return problems
    } catch {
      switch error {
      case .corrupt(let what), .database(let what): return ["directory.sqlite: \(what)"]
      default: throw error
      }
    }
  }
}
