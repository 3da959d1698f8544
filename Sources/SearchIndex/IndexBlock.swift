import CZlib

/// Why the index cannot be used. Whatever it is, the text can be looked through instead.
public enum IndexError: Error, Sendable {
  /// What is in the file is not what was written; it is to be thrown away.
  case damaged(String)
  /// The system refused.
  case system(code: Int32, String)
}

/// Octets of the file with a checksum in front, which also covers whose and where they are: a block of another index, of
/// another segment or of an earlier one with the same number is never taken for this one. Nothing is ever synced, so after a
/// power cut the file may be any mixture of what was written; each piece of it then is either whole and true or is refused.
enum IndexBlock {
  /// What a segment holds. Postings first; then the kept values of fields, one block each.
  enum Kind: Int64 {
    case header = 0
    case body = 1
    static func field(_ field: UInt8) -> Int64 { 2 + Int64(field) }
  }

  /// In the table `block`: 36 bits of the segment, 3 of the kind, 24 of the block's first trigram.
  static func key(_ segment: Int64, _ kind: Int64, _ first: UInt32) -> Int64 {
    segment << 27 | kind << 24 | Int64(first)
  }
  static let largestSegment: Int64 = 1 << 36 - 1

  static func seal(_ payload: [UInt8], seed: [UInt64]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(payload.count + 4)
    result.appendFixed(payload.withUnsafeBytes { checksum($0, seed) })
    result.append(contentsOf: payload)
    return result
  }

  /// The octets behind the checksum.
  static func open(_ data: UnsafeRawBufferPointer, seed: [UInt64]) throws(IndexError) -> UnsafeRawBufferPointer {
    guard data.count >= 4 else { throw .damaged("a block is empty") }
    let payload = UnsafeRawBufferPointer(rebasing: data[4...])
    guard UInt32(littleEndian: data.loadUnaligned(as: UInt32.self)) == checksum(payload, seed) else {
      throw .damaged("a block has another checksum")
    }
    return payload
  }

  private static func checksum(_ payload: UnsafeRawBufferPointer, _ seed: [UInt64]) -> UInt32 {
    var value = seed.withUnsafeBytes { crc(0, $0) }
    value = crc(value, payload)
    return UInt32(truncatingIfNeeded: value)
  }

  private static func crc(_ value: uLong, _ bytes: UnsafeRawBufferPointer) -> uLong {
    guard let base = bytes.baseAddress else { return value }
    return crc32_z(value, base.assumingMemoryBound(to: UInt8.self), bytes.count)
  }
}

/// Makes blocks of lists that come in the order of their trigrams.
struct BlockWriter {
  /// Messages of the segment.
  let count: Int
  private var payload: [UInt8] = []
  private var first: UInt32 = 0
  private var previous: UInt32 = 0

  init(count: Int) { self.count = count }

  /// - Parameter emit: a block from a trigram on. It says itself where the next begins, so that none can be missed.
  mutating func append(
    _ trigram: UInt32, _ places: [UInt16], emit: (UInt32, [UInt8]) throws(IndexError) -> Void
  ) throws(IndexError) {
    if payload.count >= SearchIndexLimits.blockOctets {
      try emit(first, Self.framed(payload, next: trigram))
      payload.removeAll(keepingCapacity: true)
      first = trigram
      previous = trigram
    }
    payload.appendVariable(UInt64(trigram - previous))
    previous = trigram
    Postings.append(places, of: count, to: &payload)
  }

  mutating func finish(emit: (UInt32, [UInt8]) throws(IndexError) -> Void) throws(IndexError) {
    try emit(first, Self.framed(payload, next: TrigramCollector.count))
    payload = []
    first = 0
    previous = 0
  }

  private static func framed(_ payload: [UInt8], next: UInt32) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(payload.count + 4)
    result.appendFixed(next)
    result.append(contentsOf: payload)
    return result
  }
}

/// Walks along the lists of one block.
struct BlockReader {
  let count: Int
  /// The trigram at which the next block begins.
  let next: UInt32
  private var cursor: IndexCursor
  private(set) var trigram: UInt32

  init(_ payload: UnsafeRawBufferPointer, first: UInt32, count: Int) throws(IndexError) {
    guard payload.count >= 4 else { throw .damaged("a block is too short") }
    next = UInt32(littleEndian: payload.loadUnaligned(as: UInt32.self))
    guard next > first, next <= TrigramCollector.count else { throw .damaged("a block ends before it begins") }
    self.count = count
    cursor = IndexCursor(payload, at: 4)
    trigram = first
  }

  /// On to the next list; false at the end.
  mutating func advance() throws(IndexError) -> Bool {
    guard !cursor.isAtEnd else { return false }
    let delta = try cursor.number()
    guard delta < UInt64(TrigramCollector.count), UInt64(trigram) + delta < UInt64(next) else {
      throw .damaged("a trigram outside its block")
    }
    trigram += UInt32(delta)
    return true
  }

  /// The places of the list it stands at; nil: passes over it.
  mutating func list(_ body: ((Int) -> Void)?) throws(IndexError) { try Postings.read(&cursor, of: count, body) }
}
