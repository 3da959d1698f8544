import GRDBSQLite
import MailStore

/// What came of a harvest.
struct Harvested {
  /// Rows by table.
  var rows: [String: Int] = [:]
  /// Tables of which rows may be missing.
  var incomplete: Set<String> = []
  /// Mailboxes whose rows lay on a damaged page: their numbers are not to be trusted.
  var doubtful: Set<MailboxRef> = []
  var notes: [String] = []

  func isComplete(_ table: String) -> Bool { !incomplete.contains(table) }
}

/// Brings every row that can still be read of a damaged database into a new one: table by table along its tree, and then
/// from pages that no tree leads to any more and whose rows can be of one table only.
struct Harvest {
  private let pages: DatabasePages
  private let target: SQLConnection
  private let tables: [TableShape]
  private let indexes: [TableShape]
  /// Pages that a tree was found to own.
  private var owned: [Bool]
  private var result = Harvested()
  private var statements: [String: SQLStatement] = [:]
  private var pending = 0
  private let progress: (Int, Int) -> Void
  private static let rowsPerCommit = 20_000

  /// `target` is new and migrated. `progress`: pages done, pages in all.
  static func run(
    _ pages: DatabasePages, into target: SQLConnection, progress: @escaping (Int, Int) -> Void = { _, _ in }
  ) throws(StoreError) -> Harvested {
    var harvest = try Harvest(pages, target, progress)
    try target("BEGIN").run()
    try harvest.gather()
    try target("COMMIT").run()
    return harvest.result
  }

  private init(
    _ pages: DatabasePages, _ target: SQLConnection, _ progress: @escaping (Int, Int) -> Void
  ) throws(StoreError) {
    self.pages = pages
    self.target = target
    self.progress = progress
    (tables, indexes) = try TableShape.all(of: target)
    owned = [Bool](repeating: false, count: pages.count + 1)
    if let problem = pages.walProblem { result.notes.append(problem) }
  }

  private mutating func gather() throws(StoreError) {
    let roots = readSchema()
    // Own trees first: a page that no tree leads to may be an old one, and what it says comes second.
    for table in tables {
      guard let root = roots.tables[table.name] else {
        // A table that an older version did not have yet is not missing.
        if !roots.isWhole { result.incomplete.insert(table.name) }
        continue
      }
      try walk(table, root)
    }
    for index in indexes where roots.indexes[index.name] != nil { own(index, roots.indexes[index.name] ?? 0) }
    try orphans()
  }

  // MARK: The schema

  private mutating func readSchema() -> (tables: [String: Int], indexes: [String: Int], isWhole: Bool) {
    var tables: [String: Int] = [:]
    var indexes: [String: Int] = [:]
    var isWhole = true
    var stack = [1]
    while let number = stack.popLast() {
      guard number >= 1, number <= pages.count, !owned[number] else {
        isWhole = false
        continue
      }
      let bytes = pages.page(number)
      guard let page = TreePage(bytes, number: number, usable: pages.usable), !page.kind.isIndex else {
        isWhole = false
        continue
      }
      owned[number] = true
      if !page.isSound { isWhole = false }
      if page.kind.isInterior {
        stack += page.children
        continue
      }
      for cell in page.cells {
        var overflow: [Int] = []
        guard let record = RawRecord(cell: cell, of: page.kind, bytes, pages, overflow: &overflow),
          record.values.count == 5, case .text(let type) = record.values[0], case .text(let name) = record.values[1],
          case .int(let root) = record.values[3]
        else {
          isWhole = false
          continue
        }
        for number in overflow { owned[number] = true }
        let text = String(decoding: name, as: UTF8.self)
        if type == Array("table".utf8) {
          tables[text] = Int(clamping: root)
        } else {
          indexes[text] = Int(clamping: root)
        }
      }
    }
    // GRDB's own table is there in every database of ours.
    if tables["grdb_migrations"] == nil { isWhole = false }
    return (tables, indexes, isWhole)
  }

  // MARK: Trees

  private mutating func walk(_ table: TableShape, _ root: Int) throws(StoreError) {
    var stack = [root]
    while let number = stack.popLast() {
      guard number > 1, number <= pages.count, !owned[number], !pages.isBookkeeping(number) else {
        result.incomplete.insert(table.name)
        continue
      }
      let bytes = pages.page(number)
      guard let page = TreePage(bytes, number: number, usable: pages.usable), page.kind.isIndex == table.isIndexed
      else {
        result.incomplete.insert(table.name)
        continue
      }
      owned[number] = true
      if !page.isSound { result.incomplete.insert(table.name) }
      stack += page.children.reversed()
      guard page.kind != .tableInterior else { continue }
      for cell in page.cells {
        var overflow: [Int] = []
        guard let record = RawRecord(cell: cell, of: page.kind, bytes, pages, overflow: &overflow),
          table.fits(record, isFixed: true)
        else {
          result.incomplete.insert(table.name)
          continue
        }
        for number in overflow where number <= pages.count { owned[number] = true }
        // A key that was there already is another row's: that row is missing.
        if try !insert(record, into: table, isSound: page.isSound) { result.incomplete.insert(table.name) }
      }
    }
  }

  /// Pages of an index hold no rows that are not in the table.
  private mutating func own(_ index: TableShape, _ root: Int) {
    var stack = [root]
    while let number = stack.popLast() {
      guard number > 1, number <= pages.count, !owned[number], !pages.isBookkeeping(number),
        let page = TreePage(pages.page(number), number: number, usable: pages.usable), page.kind.isIndex
      else { continue }
      owned[number] = true
      stack += page.children
    }
  }

  // MARK: Pages without a tree

  private mutating func orphans() throws(StoreError) {
    let free = pages.freePages()
    for number in 1...pages.count {
      if number & 1023 == 0 { progress(number, pages.count) }
      guard !owned[number], !free.contains(number), !pages.isBookkeeping(number) else { continue }
      let bytes = pages.page(number)
      guard let page = TreePage(bytes, number: number, usable: pages.usable), page.kind != .tableInterior else {
        continue
      }
      for cell in page.cells {
        var overflow: [Int] = []
        guard let record = RawRecord(cell: cell, of: page.kind, bytes, pages, overflow: &overflow) else { continue }
        let candidates = tables.filter { $0.fits(record, isFixed: false) }
        // What could be of two tables, or of an index, is of neither: what is lost by that can be computed anew.
        guard candidates.count == 1, !indexes.contains(where: { $0.fits(record, isFixed: false) }),
          result.incomplete.contains(candidates[0].name)
        else { continue }
        _ = try insert(record, into: candidates[0], isSound: false)
      }
    }
  }

  // MARK: Rows

  /// False: a row with that key is there.
  private mutating func insert(
    _ record: RawRecord, into table: TableShape, isSound: Bool
  ) throws(StoreError) -> Bool {
    let count = record.values.count
    let name = "\(table.name) \(count)"
    let statement: SQLStatement
    if let known = statements[name] {
      statement = known
    } else {
      let columns = table.columns[..<count].map(\.name).joined(separator: ", ")
      let marks = Array(repeating: "?", count: count).joined(separator: ", ")
      // What a new database begins with gives way to what the old one says.
      let verb = table.name == "volume_state" ? "REPLACE" : "INSERT OR IGNORE"
      statement = try target.statement("\(verb) INTO \(table.name) (\(columns)) VALUES (\(marks))")
      statements[name] = statement
    }
    for (index, value) in record.values.enumerated() {
      let at = Int32(index + 1)
      switch value {
      case .null:
        if table.columns[index].isRowid, let rowid = record.rowid {
          statement.bind(at, rowid)
        } else {
          statement.bindNull(at)
        }
      case .int(let number): statement.bind(at, number)
      case .real: statement.bindNull(at)
      case .text(let bytes): statement.bind(at, String(decoding: bytes, as: UTF8.self))
      case .blob(let bytes): bytes.withUnsafeBytes { statement.bind(at, bytes: $0) }
      }
    }
    try statement.run()
    guard target.changes > 0 else { return false }
    result.rows[table.name, default: 0] += 1
    if table.name == "mailbox", !isSound, case .int(let account) = record.values[0],
      case .int(let id) = record.values[1]
    {
      result.doubtful.insert(MailboxRef(account: AccountID(account), mailbox: MailboxID(id)))
    }
    pending += 1
    guard pending >= Self.rowsPerCommit else { return true }
    pending = 0
    try target("COMMIT").run()
    try target("BEGIN").run()
    return true
  }
}
