import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

/// The writes of a commit gathered into one: nobody may see a difference.
@Suite struct GatheredWALTests {
  private struct Sum: Equatable {
    var rows: Int64
    var octets: Int64
    var numbers: Int64

    init(_ db: SQLConnection) throws {
      let row = try SQLStatement(
        "SELECT COUNT(*), TOTAL(LENGTH(data)), TOTAL(id) FROM sample", on: db.handle, of: db.path)
      (rows, octets, numbers) = try row.first { ($0.int(0), $0.int(1), $0.int(2)) } ?? (0, 0, 0)
    }
  }

  /// Commits of one page and of megabytes, with a page cache so small that pages reach the WAL before their commit and
  /// are read back from it; savepoints taken back; roll-backs; checkpoints that begin the WAL anew.
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `Readers see every commit and nothing else, and the file is whole`(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let bed = try StoreBed()
    let path = "\(bed.path)/gathered.sqlite"
    let db = try SQLConnection.writer(path: path, migrator: VolumeSchema.migrator)
    #expect(db.gatherWALWrites())
    // A second time would be a layer too many.
    #expect(!db.gatherWALWrites())
    try db.execute("CREATE TABLE sample (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT")
    try db.execute("PRAGMA cache_size = 12")
    let reader = try SQLConnection.reader(path: path)
    var committed = try Sum(db)
    #expect(committed.rows == 0)
    for round in 0..<120 {
      try db.execute("BEGIN IMMEDIATE")
      for _ in 0..<Int.random(in: 1...12, using: &random) {
        let size = Bool.random(using: &random) ? 100 : Int.random(in: 1...60_000, using: &random)
        try db.execute("INSERT INTO sample (data) VALUES (randomblob(\(size)))")
      }
      if Int.random(in: 0..<3, using: &random) == 0 {
        let before = try Sum(db)
        try db.execute("SAVEPOINT part")
        try db.execute("UPDATE sample SET data = randomblob(3000) WHERE id % 3 = \(round % 3)")
        try db.execute("DELETE FROM sample WHERE id % 7 = 1")
        if Bool.random(using: &random) {
          try db.execute("ROLLBACK TO part")
          #expect(try Sum(db) == before)
        }
        try db.execute("RELEASE part")
      }
      let within = try Sum(db)
      #expect(try Sum(reader) == committed)
      if Int.random(in: 0..<5, using: &random) == 0 {
        try db.execute("ROLLBACK")
      } else {
        try db.execute("COMMIT")
        committed = within
      }
      #expect(try Sum(reader) == committed, "seed \(seed), round \(round)")
      #expect(try Sum(db) == committed, "seed \(seed), round \(round)")
      if Int.random(in: 0..<8, using: &random) == 0 { try db.execute("PRAGMA wal_checkpoint(RESTART)") }
      if Int.random(in: 0..<20, using: &random) == 0 { #expect(try db.truncateWAL()) }
    }
    reader.close()
    db.close()
    let again = try SQLConnection.writer(path: path, migrator: VolumeSchema.migrator)
    #expect(try Sum(again) == committed)
    let verdict = try SQLStatement("PRAGMA integrity_check", on: again.handle, of: path).first { $0.text(0) }
    #expect(verdict == "ok")
    again.close()
  }

  @Test func `Without a WAL there is nothing to gather`() throws {
    let bed = try StoreBed()
    let path = "\(bed.path)/plain.sqlite"
    let db = try SQLConnection.writer(path: path, migrator: VolumeSchema.migrator)
    try db.execute("PRAGMA journal_mode = DELETE")
    #expect(!db.gatherWALWrites())
    db.close()
  }
}
