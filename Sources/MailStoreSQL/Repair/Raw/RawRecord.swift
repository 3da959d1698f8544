/// One value of a row as it stands in the file.
enum RawValue: Hashable {
  case null
  case int(Int64)
  case real
  case text([UInt8])
  case blob([UInt8])
}

/// A row as it stands in the file.
struct RawRecord {
  /// Of a table with a rowid.
  var rowid: Int64?
  var values: [RawValue]

  /// Larger rows are not believed: no column of ours comes near.
  static let longest: Int64 = 256 << 20

  /// Nil: the cell cannot be read whole. `overflow`: pages that the row goes on in are added to it.
  init?(cell: Int, of page: TreePage.Kind, _ bytes: [UInt8], _ pages: DatabasePages, overflow: inout [Int]) {
    let usable = pages.usable
    var at = page.isInterior ? cell + 4 : cell
    guard page != .tableInterior, let payload = Varint.read(bytes, &at, usable), payload >= 2, payload <= Self.longest
    else { return nil }
    if page == .tableLeaf {
      guard let rowid = Varint.read(bytes, &at, usable) else { return nil }
      self.rowid = rowid
    }
    let local = TreePage.local(payload, isIndex: page.isIndex, usable: usable)
    guard at + local <= usable else { return nil }
    var whole = Array(bytes[at..<at + local])
    if Int64(local) < payload {
      guard at + local + 4 <= usable else { return nil }
      var next = Int(bytes.bigEndian32(at + local))
      while Int64(whole.count) < payload {
        guard next > 1, next <= pages.count, overflow.count <= pages.count, !pages.isBookkeeping(next) else {
          return nil
        }
        overflow.append(next)
        let more = pages.page(next)
        next = Int(more.bigEndian32(0))
        let wanted = min(Int(payload) - whole.count, usable - 4)
        whole += more[4..<4 + wanted]
      }
    }
    guard let values = Self.values(whole) else { return nil }
    self.values = values
  }

  /// File format §2.1.
  private static func values(_ record: [UInt8]) -> [RawValue]? {
    var at = 0
    guard let header = Varint.read(record, &at, record.count), header >= 1, header <= Int64(record.count) else {
      return nil
    }
    var types: [Int64] = []
    while at < Int(header) {
      guard let type = Varint.read(record, &at, Int(header)), type >= 0, types.count < 100 else { return nil }
      types.append(type)
    }
    guard at == Int(header) else { return nil }
    var values: [RawValue] = []
    for type in types {
      func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard at + count <= record.count else { return nil }
        defer { at += count }
        return record[at..<at + count]
      }
      switch type {
      case 0: values.append(.null)
      case 1...6:
        guard let bytes = take([0, 1, 2, 3, 4, 6, 8][Int(type)]), let first = bytes.first else { return nil }
        var value: Int64 = first >= 0x80 ? -1 : 0
        for byte in bytes { value = value << 8 | Int64(byte) }
        values.append(.int(value))
      case 7:
        guard take(8) != nil else { return nil }
        values.append(.real)
      case 8: values.append(.int(0))
      case 9: values.append(.int(1))
      case 10, 11: return nil
      default:
        guard type - 12 <= Int64(record.count) * 2, let bytes = take(Int(type - 12) / 2) else { return nil }
        values.append(type & 1 == 0 ? .blob(Array(bytes)) : .text(Array(bytes)))
      }
    }
    // Octets behind the last value belong to nobody: then the lengths are wrong.
    return at == record.count ? values : nil
  }
}
