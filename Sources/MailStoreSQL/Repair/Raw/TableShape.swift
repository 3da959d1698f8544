import MailStore

/// How the rows of a table or index look in the file, taken from a database made just now: what does not look so is no
/// row of it.
struct TableShape {
  struct Column {
    var name: String
    var type: String
    var isNullable: Bool
    var hasDefault: Bool
    /// Stored as NULL; its value is the rowid.
    var isRowid: Bool
  }

  let name: String
  /// A table WITHOUT ROWID or an index: its rows are in index pages.
  let isIndexed: Bool
  /// In the order in which they are stored.
  let columns: [Column]

  /// How many columns a table had before it was given more: its rows of that time are told from those of any other table
  /// even where no tree leads to them.
  private static let former = ["content": 13]

  func fits(_ record: RawRecord, isFixed: Bool) -> Bool {
    guard (record.rowid != nil) == !isIndexed else { return false }
    let count = record.values.count
    // Rows older than an added column are shorter.
    let isShort = count < columns.count
    guard count == columns.count || isShort && (isFixed || Self.former[name] == count) else { return false }
    guard !isShort || columns[count...].allSatisfy({ $0.isNullable || $0.hasDefault }) else { return false }
    return zip(columns, record.values).allSatisfy { Self.fits($0, $1) }
  }

  private static func fits(_ column: Column, _ value: RawValue) -> Bool {
    switch value {
    case .null: return column.isNullable || column.isRowid
    case .int: return column.type.hasPrefix("INT") && !column.isRowid
    case .text: return column.type == "TEXT"
    case .blob: return column.type == "BLOB"
    case .real: return false
    }
  }

  /// Tables of ours, then indexes, whose pages must not be taken for those of a table.
  static func all(of db: SQLConnection) throws(StoreError) -> (tables: [TableShape], indexes: [TableShape]) {
    var tables: [TableShape] = []
    var indexes: [TableShape] = []
    var names: [(name: String, isIndexed: Bool)] = []
    let list = try db.statement(
      """
      SELECT name, wr FROM pragma_table_list
      WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'grdb\\_%' ESCAPE '\\'
      """)
    try list.forEach { names.append(($0.text(0), $0.int(1) != 0)) }
    for (name, isIndexed) in names {
      let columns = try Self.columns(of: name, hasRowid: !isIndexed, db)
      let key = columns.filter { $0.key > 0 }.sorted { $0.key < $1.key }
      let ordered = isIndexed ? key + columns.filter { $0.key == 0 } : columns
      tables.append(TableShape(name: name, isIndexed: isIndexed, columns: ordered.map(\.column)))
      var found: [String] = []
      let rows = try db.statement("SELECT name FROM pragma_index_list('\(name)') WHERE origin <> 'pk'")
      try rows.forEach { found.append($0.text(0)) }
      for index in found {
        var stored: [Column] = []
        let info = try db.statement("SELECT cid FROM pragma_index_xinfo('\(index)') ORDER BY seqno")
        try info.forEach { row in
          let cid = Int(row.int(0))
          let rowid = Column(name: "rowid", type: "INTEGER", isNullable: false, hasDefault: false, isRowid: false)
          var column = cid >= 0 && cid < columns.count ? columns[cid].column : rowid
          column.isRowid = false
          stored.append(column)
        }
        indexes.append(TableShape(name: index, isIndexed: true, columns: stored))
      }
    }
    return (tables, indexes)
  }

  private static func columns(
    of table: String, hasRowid: Bool, _ db: SQLConnection
  ) throws(StoreError) -> [(column: Column, key: Int64)] {
    var result: [(column: Column, key: Int64)] = []
    let rows = try db.statement(
      #"SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info('\#(table)') ORDER BY cid"#)
    try rows.forEach { row in
      let column = Column(
        name: row.text(0), type: row.text(1), isNullable: row.int(2) == 0, hasDefault: !row.isNull(3),
        isRowid: hasRowid && row.int(4) == 1 && row.text(1) == "INTEGER")
      result.append((column, row.int(4)))
    }
    if !hasRowid { for index in result.indices where result[index].key > 0 { result[index].column.isNullable = false } }
    return result
  }
}
