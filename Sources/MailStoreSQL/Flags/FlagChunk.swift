import MailStore

/// A run of messages of one mailbox with what STORE changes, in the compact form of `flag_chunk.data`. Numbers are little
/// endian, *varint* is LEB128:
///
/// | what | octets |
/// |---|---|
/// | checksum of what follows and of the chunk's place | 4 |
/// | version, 1 | 1 |
/// | count of messages | varint |
/// | count of runs of consecutive UIDs; for each its distance from the end of the run before, and its length | varints |
/// | flags: 0 and one for all, or 1 and one each | 2, or 1 + count |
/// | keywords: 0 and one for all, or 1, the number of different ones less 1, these, and the index of each, or 2 and one each | 9, or 2 + 8 n + count, or 1 + 8 count |
/// | lowest MODSEQ | 8 |
/// | octets w of a MODSEQ's distance from it; the distances | 1; w count |
///
/// A mailbox that was changed as a whole takes a few octets a chunk; one of which every message was delivered and changed
/// by itself about four a message.
enum FlagChunk {
  /// Where a chunk belongs: a page that turns up in another place is not believed.
  struct Place: Hashable {
    var account: Int64
    var mailbox: Int64
    var last: UID
    init(_ ref: MailboxRef, last: UID) {
      account = ref.account.rawValue
      mailbox = ref.mailbox.rawValue
      self.last = last
    }
  }

  /// Messages of one chunk that are believed.
  static let mostEntries = 1 << 16

  private static let version: UInt8 = 1
  private enum Form {
    static let same: UInt8 = 0
    /// Flags each by itself; keywords by a palette.
    static let each: UInt8 = 1
    static let wide: UInt8 = 2
  }

  // MARK: Writing

  /// `entries` ascend by UID and are not empty.
  static func encoded(_ entries: [MessageEntry], at place: Place) -> [UInt8] {
    let room = 64 + entries.count * 27
    return [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      entries.withUnsafeBufferPointer { entries in
        var writer = Writer(UnsafeMutableRawBufferPointer(buffer))
        writer.skip(4)
        writer.byte(version)
        writer.varint(UInt64(entries.count))
        writeUIDs(entries, &writer)
        writeFlags(entries, &writer)
        writeKeywords(entries, &writer)
        writeModSeqs(entries, &writer)
        count = writer.position
        let sum = checksum(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[4..<count]), place)
        buffer.withMemoryRebound(to: UInt8.self) {
          UnsafeMutableRawBufferPointer($0).storeBytes(of: sum.littleEndian, as: UInt32.self)
        }
      }
    }
  }

  private static func writeUIDs(_ entries: UnsafeBufferPointer<MessageEntry>, _ writer: inout Writer) {
    var runs = 1
    for index in 1..<max(entries.count, 1) where entries[index].uid != entries[index - 1].uid + 1 { runs += 1 }
    writer.varint(UInt64(runs))
    var end: UID = 0
    var start = 0
    for index in 1...entries.count
    where index == entries.count || entries[index].uid != entries[index - 1].uid + 1 {
      writer.varint(UInt64(entries[start].uid - end))
      writer.varint(UInt64(index - start))
      end = entries[index - 1].uid + 1
      start = index
    }
  }

  private static func writeFlags(_ entries: UnsafeBufferPointer<MessageEntry>, _ writer: inout Writer) {
    let first = entries[0].flags
    if entries.allSatisfy({ $0.flags == first }) {
      writer.byte(Form.same)
      writer.byte(first.rawValue)
    } else {
      writer.byte(Form.each)
      for entry in entries { writer.byte(entry.flags.rawValue) }
    }
  }

  private static func writeKeywords(_ entries: UnsafeBufferPointer<MessageEntry>, _ writer: inout Writer) {
    let first = entries[0].keywords
    if entries.allSatisfy({ $0.keywords == first }) {
      writer.byte(Form.same)
      writer.number(first, octets: 8)
      return
    }
    var palette: [UInt64: UInt8] = [:]
    var order: [UInt64] = []
    for entry in entries where palette[entry.keywords] == nil {
      guard order.count < 256 else {
        writer.byte(Form.wide)
        for entry in entries { writer.number(entry.keywords, octets: 8) }
        return
      }
      palette[entry.keywords] = UInt8(order.count)
      order.append(entry.keywords)
    }
    writer.byte(Form.each)
    writer.byte(UInt8(order.count - 1))
    for value in order { writer.number(value, octets: 8) }
    for entry in entries { writer.byte(palette[entry.keywords] ?? 0) }
  }

  private static func writeModSeqs(_ entries: UnsafeBufferPointer<MessageEntry>, _ writer: inout Writer) {
    var low = entries[0].modSeq
    var high = low
    for entry in entries {
      low = min(low, entry.modSeq)
      high = max(high, entry.modSeq)
    }
    let octets = (64 - (high - low).leadingZeroBitCount + 7) / 8
    writer.number(low, octets: 8)
    writer.byte(UInt8(octets))
    guard octets > 0 else { return }
    for entry in entries { writer.number(entry.modSeq - low, octets: octets) }
  }

  // MARK: Reading

  /// Nil: damaged, or it belongs to another place.
  static func decoded(_ bytes: UnsafeRawBufferPointer, at place: Place) -> [MessageEntry]? {
    guard bytes.count > 4, bytes.count <= 64 + mostEntries * 27,
      UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
        == checksum(UnsafeRawBufferPointer(rebasing: bytes[4...]), place)
    else { return nil }
    return decoded(UnsafeRawBufferPointer(rebasing: bytes[4...]), last: place.last)
  }

  /// What stands behind the checksum. Every length is looked at before anything is read.
  static func decoded(_ bytes: UnsafeRawBufferPointer, last: UID) -> [MessageEntry]? {
    var reader = Reader(bytes)
    guard reader.byte() == version, let number = reader.varint(), number > 0, number <= UInt64(mostEntries) else {
      return nil
    }
    let count = Int(number)
    var isGood = false
    let entries = [MessageEntry](unsafeUninitializedCapacity: count) { buffer, initialized in
      buffer.initialize(repeating: MessageEntry(uid: 0, flags: [], keywords: 0, modSeq: 0))
      initialized = count
      isGood =
        readUIDs(&reader, buffer, last: last) && readFlags(&reader, buffer) && readKeywords(&reader, buffer)
        && readModSeqs(&reader, buffer) && reader.isAtEnd
    }
    return isGood ? entries : nil
  }

  private static func readUIDs(
    _ reader: inout Reader, _ entries: UnsafeMutableBufferPointer<MessageEntry>, last: UID
  ) -> Bool {
    guard let runs = reader.varint(), runs > 0, runs <= UInt64(entries.count) else { return false }
    var end: UInt64 = 0
    var index = 0
    for _ in 0..<runs {
      // UIDs are above 0 (RFC 9051 §2.3.1.1), and a chunk's last message is the highest it may name.
      guard let distance = reader.varint(), distance > 0, distance <= UInt64(UID.max), let length = reader.varint(),
        length > 0, length <= UInt64(entries.count - index), end + distance + length - 1 <= UInt64(last)
      else { return false }
      let first = UID(end + distance)
      for offset in 0..<Int(length) { entries[index + offset].uid = first + UID(offset) }
      index += Int(length)
      end = UInt64(first) + length
    }
    return index == entries.count
  }

  private static func readFlags(
    _ reader: inout Reader, _ entries: UnsafeMutableBufferPointer<MessageEntry>
  ) -> Bool {
    let known: UInt8 = 0x1F
    switch reader.byte() {
    case Form.same:
      guard let flags = reader.byte(), flags & ~known == 0 else { return false }
      for index in entries.indices { entries[index].flags = SystemFlags(rawValue: flags) }
    case Form.each:
      guard let bytes = reader.bytes(entries.count) else { return false }
      var all: UInt8 = 0
      for index in entries.indices {
        all |= bytes[index]
        entries[index].flags = SystemFlags(rawValue: bytes[index])
      }
      return all & ~known == 0
    default: return false
    }
    return true
  }

  private static func readKeywords(
    _ reader: inout Reader, _ entries: UnsafeMutableBufferPointer<MessageEntry>
  ) -> Bool {
    switch reader.byte() {
    case Form.same:
      guard let value = reader.number(8) else { return false }
      for index in entries.indices { entries[index].keywords = value }
    case Form.each:
      guard let more = reader.byte(), let palette = reader.bytes((Int(more) + 1) * 8),
        let bytes = reader.bytes(entries.count)
      else { return false }
      for index in entries.indices {
        guard bytes[index] <= more else { return false }
        entries[index].keywords = UInt64(
          littleEndian: palette.loadUnaligned(fromByteOffset: Int(bytes[index]) * 8, as: UInt64.self))
      }
    case Form.wide:
      guard let bytes = reader.bytes(entries.count * 8) else { return false }
      for index in entries.indices {
        entries[index].keywords = UInt64(
          littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
      }
    default: return false
    }
    return true
  }

  private static func readModSeqs(
    _ reader: inout Reader, _ entries: UnsafeMutableBufferPointer<MessageEntry>
  ) -> Bool {
    guard let low = reader.number(8), let octets = reader.byte(), octets <= 8,
      let bytes = reader.bytes(entries.count * Int(octets))
    else { return false }
    let width = Int(octets)
    var position = 0
    for index in entries.indices {
      var distance: UInt64 = 0
      for octet in 0..<width { distance |= UInt64(bytes[position + octet]) << UInt64(8 * octet) }
      position += width
      let (sum, isOver) = low.addingReportingOverflow(distance)
      // RFC 7162 §3.1.1: 63 bits.
      guard !isOver, sum <= UInt64(Int64.max) else { return false }
      entries[index].modSeq = sum
    }
    return true
  }

  /// Eight octets at a time; not against an adversary, but against what disks do.
  static func checksum(_ bytes: UnsafeRawBufferPointer, _ place: Place) -> UInt32 {
    var sum: UInt64 = 0xCBF2_9CE4_8422_2325
    func add(_ word: UInt64) {
      sum = (sum ^ word) &* 0x9E37_79B9_7F4A_7C15
      sum ^= sum >> 29
    }
    add(UInt64(bitPattern: place.account))
    add(UInt64(bitPattern: place.mailbox))
    add(UInt64(place.last) << 32 | UInt64(truncatingIfNeeded: bytes.count))
    var position = 0
    while position + 8 <= bytes.count {
      add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
      position += 8
    }
    var rest: UInt64 = 0
    while position < bytes.count {
      rest = rest << 8 | UInt64(bytes[position])
      position += 1
    }
    add(rest)
    return UInt32(truncatingIfNeeded: sum ^ (sum >> 32))
  }
}

extension FlagChunk {
  /// Writes behind each other; the caller has made room enough.
  private struct Writer {
    private let buffer: UnsafeMutableRawBufferPointer
    private(set) var position = 0
    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }
    mutating func skip(_ count: Int) { position += count }
    mutating func byte(_ value: UInt8) {
      buffer[position] = value
      position += 1
    }
    mutating func number(_ value: UInt64, octets: Int) {
      var value = value
      for _ in 0..<octets {
        byte(UInt8(truncatingIfNeeded: value))
        value >>= 8
      }
    }
    mutating func varint(_ value: UInt64) {
      var value = value
      while value >= 0x80 {
        byte(UInt8(truncatingIfNeeded: value) | 0x80)
        value >>= 7
      }
      byte(UInt8(value))
    }
  }

  /// Nil wherever the bytes end too early.
  private struct Reader {
    private let buffer: UnsafeRawBufferPointer
    private var position = 0
    init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }
    var isAtEnd: Bool { position == buffer.count }
    mutating func byte() -> UInt8? {
      guard position < buffer.count else { return nil }
      defer { position += 1 }
      return buffer[position]
    }
    mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer? {
      guard count <= buffer.count - position else { return nil }
      defer { position += count }
      return UnsafeRawBufferPointer(rebasing: buffer[position..<position + count])
    }
    mutating func number(_ octets: Int) -> UInt64? {
      guard let bytes = bytes(octets) else { return nil }
      var value: UInt64 = 0
      for (index, byte) in bytes.enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
      return value
    }
    mutating func varint() -> UInt64? {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      // 35 bits are more than any number here needs.
      while let byte = byte(), shift < 35 {
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
      return nil
    }
  }
}
