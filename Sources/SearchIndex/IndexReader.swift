import Bytes
public import SearchText

/// What the index says of messages for one term.
public enum TermVerdict: UInt8, Sendable {
  /// The text has to be looked through.
  case unknown
  case no
  case yes
}

/// Answers from the index. For one thread.
public final class IndexReader {
  private let db: IndexConnection
  private let identity: UInt64

  public init(_ place: IndexPlace) throws(IndexError) {
    db = try IndexConnection(place.path, creates: false, cacheKiB: 1024)
    identity = place.seed
    try db.execute("PRAGMA query_only = ON")
    // Another index, put there by somebody.
    guard try place.isOwn(db) else { throw .damaged("\(place.path) is of another store or version") }
  }

  /// For each term what is known of each content; nil where the index is of no use for a term.
  /// - Parameter contents: numbers of the account, ascending; one may come more than once.
  public func verdicts(
    _ terms: [SearchTerm], account: Int64, contents: [Int64]
  ) throws(IndexError) -> [[UInt8]?] {
    var result: [[UInt8]?] = terms.map {
      Self.isUseful($0) ? [UInt8](repeating: TermVerdict.unknown.rawValue, count: contents.count) : nil
    }
    guard let lowest = contents.first, let highest = contents.last, result.contains(where: { $0 != nil }) else {
      return result
    }
    try db.transaction(writes: false) { () throws(IndexError) in
      let rows = try db(
        "SELECT id, first, last, data FROM segment WHERE account = ? AND first <= ? AND last >= ? ORDER BY first")
      rows.bind(1, account)
      rows.bind(2, highest)
      rows.bind(3, lowest)
      defer { rows.reset() }
      while try rows.step() {
        let segment = try IndexSegment(rows, account: account, identity)
        let places = Self.places(segment, contents)
        guard !places.isEmpty else { continue }
        for index in terms.indices {
          guard var verdicts = result[index] else { continue }
          let answer = try answer(terms[index], segment)
          // The only owner from here on, so that nothing is copied.
          result[index] = []
          for (place, position) in places where !segment.unindexed[place] {
            if !answer.may[place] {
              verdicts[position] = TermVerdict.no.rawValue
            } else if answer.must[place] {
              verdicts[position] = TermVerdict.yes.rawValue
            }
          }
          result[index] = verdicts
        }
      }
    }
    return result
  }

  /// Whether a term can be narrowed at all.
  public static func isUseful(_ term: SearchTerm) -> Bool {
    if case .field = term.place { return !term.needle.folded.isEmpty }
    return term.needle.folded.count >= 3
  }

  /// Which places of the segment are asked for, and where they stand in `contents`.
  private static func places(_ segment: IndexSegment, _ contents: [Int64]) -> [(place: Int, position: Int)] {
    var result: [(place: Int, position: Int)] = []
    guard let first = segment.contents.first else { return result }
    var low = 0
    var high = contents.count
    while low < high {
      let middle = (low + high) / 2
      if contents[middle] < first { low = middle + 1 } else { high = middle }
    }
    var position = low
    result.reserveCapacity(min(segment.count, contents.count - low))
    for (place, content) in segment.contents.enumerated() {
      while position < contents.count, contents[position] < content { position += 1 }
      while position < contents.count, contents[position] == content {
        result.append((place, position))
        position += 1
      }
      if position == contents.count { break }
    }
    return result
  }

  private struct Answer {
    var may: PlaceSet
    var must: PlaceSet
  }

  private func answer(_ term: SearchTerm, _ segment: IndexSegment) throws(IndexError) -> Answer {
    let none = PlaceSet(segment.count)
    switch term.place {
    case .field(let field): return try fieldAnswer(field, term.needle, segment)
    case .header: return Answer(may: try candidates(term.needle, .header, segment), must: none)
    case .body: return Answer(may: try candidates(term.needle, .body, segment), must: none)
    case .anywhere:
      var may = try candidates(term.needle, .header, segment)
      may.formUnion(try candidates(term.needle, .body, segment))
      return Answer(may: may, must: none)
    }
  }

  /// Messages that hold every trigram of the needle.
  private func candidates(
    _ needle: TextNeedle, _ kind: IndexBlock.Kind, _ segment: IndexSegment
  ) throws(IndexError) -> PlaceSet {
    var result: PlaceSet?
    for trigram in TrigramCollector.of(needle: needle.folded) {
      let list = try list(trigram, kind, segment)
      result?.formIntersection(list)
      let sofar = result ?? list
      if sofar.isEmpty { return sofar }
      result = sofar
    }
    return result ?? PlaceSet(segment.count)
  }

  private func list(
    _ trigram: UInt32, _ kind: IndexBlock.Kind, _ segment: IndexSegment
  ) throws(IndexError) -> PlaceSet {
    let lowest = IndexBlock.key(segment.id, kind.rawValue, 0)
    let row = try db("SELECT key, data FROM block WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1")
    row.bind(1, lowest)
    row.bind(2, lowest + Int64(trigram))
    defer { row.reset() }
    guard try row.step() else { throw .damaged("a block is missing") }
    let key = row.int(0)
    let payload = try IndexBlock.open(row.blob(1), seed: segment.seed(identity, block: key))
    var block = try BlockReader(payload, first: UInt32(truncatingIfNeeded: key - lowest), count: segment.count)
    // Every trigram is in the range of some block.
    guard trigram < block.next else { throw .damaged("a block is missing") }
    var result = PlaceSet(segment.count)
    while try block.advance() {
      guard block.trigram <= trigram else { break }
      if block.trigram == trigram {
        try block.list { result.insert($0) }
        break
      }
      try block.list(nil)
    }
    return result
  }

  private func fieldAnswer(
    _ field: KeptField, _ needle: TextNeedle, _ segment: IndexSegment
  ) throws(IndexError) -> Answer {
    var answer = Answer(may: PlaceSet(segment.count), must: PlaceSet(segment.count))
    try IndexSegment.withField(field.rawValue, of: segment, db, identity) { values throws(IndexError) in
      try KeptValues.search(needle.folded, values, count: segment.count) { place in
        answer.may.insert(place)
        if needle.isDecidedByFolded { answer.must.insert(place) }
      } unknown: { place in
        answer.may.insert(place)
      }
    }
    return answer
  }
}

extension IndexSegment {
  /// The row the statement stands on: id, first, last, data.
  init(_ row: IndexStatement, account: Int64, _ identity: UInt64) throws(IndexError) {
    let (id, first, last) = (row.int(0), row.int(1), row.int(2))
    let payload = try IndexBlock.open(
      row.blob(3), seed: Self.seed(identity, id: id, account: account, first: first, last: last))
    self = try IndexSegment(
      id: id, account: account, first: first, last: last, fields: KeptField.allCases.count, payload)
  }

  /// The kept values of a field.
  static func withField(
    _ field: UInt8, of segment: IndexSegment, _ db: IndexConnection, _ identity: UInt64,
    _ body: (UnsafeRawBufferPointer) throws(IndexError) -> Void
  ) throws(IndexError) {
    guard segment.fieldOctets[Int(field)] > 0 else { return }
    let key = IndexBlock.key(segment.id, IndexBlock.Kind.field(field), 0)
    let row = try db("SELECT data FROM block WHERE key = ?")
    row.bind(1, key)
    defer { row.reset() }
    guard try row.step() else { throw .damaged("kept values are missing") }
    let payload = try IndexBlock.open(row.blob(0), seed: segment.seed(identity, block: key))
    guard payload.count == segment.fieldOctets[Int(field)] else { throw .damaged("kept values have another length") }
    try body(payload)
  }
}

/// A set of places of a segment.
struct PlaceSet {
  private var words: [UInt64]

  init(_ count: Int) { words = [UInt64](repeating: 0, count: (count + 63) / 64) }

  mutating func insert(_ place: Int) { words[place >> 6] |= 1 << UInt64(place & 63) }
  subscript(place: Int) -> Bool { words[place >> 6] & 1 << UInt64(place & 63) != 0 }
  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  mutating func formIntersection(_ other: PlaceSet) {
    for index in words.indices { words[index] &= other.words[index] }
  }

  mutating func formUnion(_ other: PlaceSet) {
    for index in words.indices { words[index] |= other.words[index] }
  }
}
