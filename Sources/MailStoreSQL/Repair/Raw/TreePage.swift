/// A page of a b-tree, taken apart with every length doubted.
struct TreePage {
  enum Kind: UInt8 {
    case indexInterior = 2
    case tableInterior = 5
    case indexLeaf = 10
    case tableLeaf = 13
    var isInterior: Bool { self == .indexInterior || self == .tableInterior }
    var isIndex: Bool { self == .indexInterior || self == .indexLeaf }
  }

  let kind: Kind
  /// Where the cells that lie within the page begin.
  private(set) var cells: [Int] = []
  /// Pages below this one, the right-most included.
  private(set) var children: [Int] = []
  /// The page's own accounts add up: no octet is in two cells, none is forgotten. Without that a row may be missing
  /// though each that is there can be read.
  private(set) var isSound = true

  /// Nil: no page of a b-tree.
  init?(_ bytes: [UInt8], number: Int, usable: Int) {
    let start = number == 1 ? 100 : 0
    guard bytes.count >= usable, let kind = Kind(rawValue: bytes[start]) else { return nil }
    self.kind = kind
    let header = kind.isInterior ? 12 : 8
    let count = bytes.bigEndian16(start + 3)
    let pointers = start + header
    guard pointers + 2 * count <= usable else { return nil }
    let declared = bytes.bigEndian16(start + 5)
    let content = declared == 0 ? 65_536 : declared
    if kind.isInterior { children.append(Int(bytes.bigEndian32(start + 8))) }
    var used = Int(bytes[start + 7])
    var spans: [Range<Int>] = []
    for index in 0..<count {
      let cell = bytes.bigEndian16(pointers + 2 * index)
      guard cell >= pointers + 2 * count, cell + 4 <= usable else {
        isSound = false
        continue
      }
      cells.append(cell)
      if kind.isInterior { children.append(Int(bytes.bigEndian32(cell))) }
      if let length = Self.length(ofCellAt: cell, bytes, kind, usable: usable) {
        spans.append(cell..<cell + length)
        used += length
      } else {
        isSound = false
      }
    }
    var block = bytes.bigEndian16(start + 1)
    var steps = 0
    while block != 0, steps < usable / 4 {
      guard block + 4 <= usable, block >= content else {
        isSound = false
        break
      }
      let length = bytes.bigEndian16(block + 2)
      spans.append(block..<min(block + max(length, 4), usable))
      used += length
      let next = bytes.bigEndian16(block)
      if next != 0, next <= block { isSound = false }
      block = next > block ? next : 0
      steps += 1
    }
    spans.sort { $0.lowerBound < $1.lowerBound }
    for (one, two) in zip(spans, spans.dropFirst()) where one.upperBound > two.lowerBound { isSound = false }
    if content + used != usable || spans.contains(where: { $0.lowerBound < content }) { isSound = false }
  }

  /// Octets of a cell within its page; SQLite never uses fewer than four.
  private static func length(ofCellAt cell: Int, _ bytes: [UInt8], _ kind: Kind, usable: Int) -> Int? {
    var at = kind.isInterior ? cell + 4 : cell
    if kind == .tableInterior {
      guard Varint.read(bytes, &at, usable) != nil else { return nil }
      return max(at - cell, 4)
    }
    guard let payload = Varint.read(bytes, &at, usable), payload >= 0 else { return nil }
    if kind == .tableLeaf { guard Varint.read(bytes, &at, usable) != nil else { return nil } }
    let local = Self.local(payload, isIndex: kind.isIndex, usable: usable)
    let length = at - cell + local + (Int64(local) < payload ? 4 : 0)
    guard cell + length <= usable else { return nil }
    return max(length, 4)
  }

  /// Octets of a payload that stay within the page (file format §1.6).
  static func local(_ payload: Int64, isIndex: Bool, usable: Int) -> Int {
    let most = isIndex ? (usable - 12) * 64 / 255 - 23 : usable - 35
    guard payload > Int64(most) else { return Int(payload) }
    let least = (usable - 12) * 32 / 255 - 23
    let wanted = least + Int((payload - Int64(least)) % Int64(usable - 4))
    return wanted <= most ? wanted : least
  }
}

enum Varint {
  /// One to nine octets; moves `at` behind them. Nil: the page ends before.
  static func read(_ bytes: [UInt8], _ at: inout Int, _ end: Int) -> Int64? {
    var value: UInt64 = 0
    for index in 0..<9 {
      guard at < end, at < bytes.count else { return nil }
      let byte = bytes[at]
      at += 1
      if index == 8 { return Int64(bitPattern: value << 8 | UInt64(byte)) }
      value = value << 7 | UInt64(byte & 0x7F)
      if byte < 0x80 { return Int64(bitPattern: value) }
    }
    return nil
  }
}
