import SearchText

/// Small segments become large ones, and messages that are gone are left out: an answer costs a few look-ups for each segment.
extension IndexWriter {
  /// Merges once if there is something to merge in the account. False: there was not.
  /// - Parameter isStopping: true, and it is left as it was.
  public func merge(account: Int64, isStopping: () -> Bool) throws(IndexError) -> Bool {
    let segments = try segments(of: account)
    guard let run = Self.run(segments.map(\.count)) else { return false }
    return try rewrite(Array(segments[run]), isStopping) { _, _ in true }
  }

  /// Which neighbours to merge: so many of about one size, or fewer that make a whole one.
  static func run(_ counts: [Int]) -> Range<Int>? {
    for tier in [16, 256, SearchIndexLimits.messagesPerSegment] {
      var start = 0
      while start < counts.count {
        var end = start
        var sum = 0
        while end < counts.count, counts[end] < tier, sum + counts[end] <= SearchIndexLimits.messagesPerSegment {
          sum += counts[end]
          end += 1
        }
        let isWhole = end < counts.count && counts[end] < tier && sum * 2 >= SearchIndexLimits.messagesPerSegment
        if end - start >= SearchIndexLimits.segmentsPerMerge || (isWhole && end - start > 1) { return start..<end }
        start = max(end, start + 1)
      }
    }
    return nil
  }

  /// Looks at one segment behind the number `after`, and leaves out what is not there any more if that is half of it.
  /// - Parameter live: which contents of the account between two numbers there are; nil: the account is gone.
  /// - Returns: the segment looked at; nil: none is behind.
  public func sweep(
    after: Int64, isStopping: () -> Bool,
    live: (_ account: Int64, _ first: Int64, _ last: Int64) throws(IndexError) -> Set<Int64>?
  ) throws(IndexError) -> Int64? {
    let row = try db("SELECT account, id, first, last, data FROM segment WHERE id > ? ORDER BY id LIMIT 1")
    row.bind(1, after)
    guard try row.step() else {
      row.reset()
      return nil
    }
    let account = row.int(0)
    let found: Result<IndexSegment, IndexError>
    do throws(IndexError) { found = .success(try segment(row, account: account, from: 1)) } catch {
      found = .failure(error)
    }
    row.reset()
    let segment = try found.get()
    guard let there = try live(account, segment.first, segment.last) else {
      try db.transaction(writes: true) { () throws(IndexError) in try delete(segment.id) }
      return segment.id
    }
    let left = segment.contents.reduce(0) { there.contains($1) ? $0 + 1 : $0 }
    guard segment.count > 0, left * 2 <= segment.count else { return segment.id }
    // One of which nothing is left stays without messages, so that there is no gap.
    _ = try rewrite([segment], isStopping) { there.contains($0.contents[$1]) }
    return segment.id
  }

  private func segment(_ row: IndexStatement, account: Int64, from column: Int32) throws(IndexError) -> IndexSegment {
    let (id, first, last) = (row.int(column), row.int(column + 1), row.int(column + 2))
    let payload = try IndexBlock.open(
      row.blob(column + 3), seed: IndexSegment.seed(identity, id: id, account: account, first: first, last: last))
    return try IndexSegment(
      id: id, account: account, first: first, last: last, fields: KeptField.allCases.count, payload)
  }

  private func segments(of account: Int64) throws(IndexError) -> [IndexSegment] {
    let rows = try db("SELECT id, first, last, data FROM segment WHERE account = ? ORDER BY first")
    rows.bind(1, account)
    defer { rows.reset() }
    var result: [IndexSegment] = []
    while try rows.step() { result.append(try segment(rows, account: account, from: 0)) }
    return result
  }

  /// Writes one segment in place of neighbours.
  private func rewrite(
    _ sources: [IndexSegment], _ isStopping: () -> Bool, keep: (IndexSegment, Int) -> Bool
  ) throws(IndexError) -> Bool {
    guard let head = sources.first, let tail = sources.last else { return false }
    var contents: [Int64] = []
    var unindexed: [Bool] = []
    // For each source, where its places go; nil: nowhere.
    var moves: [[UInt16?]] = []
    for source in sources {
      moves.append(
        source.contents.indices.map { place in
          guard keep(source, place) else { return nil }
          contents.append(source.contents[place])
          unindexed.append(source.unindexed[place])
          return UInt16(contents.count - 1)
        })
    }
    do throws(IndexError) {
      try db.transaction(writes: true) { () throws(IndexError) in
        let fields = try mergedFields(sources, moves)
        let segment = IndexSegment(
          id: try nextSegment(), account: head.account, first: head.first, last: tail.last,
          nonce: UInt64.random(in: .min ... .max), contents: contents, unindexed: unindexed,
          fieldOctets: fields.map(\.count))
        for kind in [IndexBlock.Kind.header, .body] { try merge(kind, sources, moves, into: segment, isStopping) }
        for (field, values) in fields.enumerated() where !values.isEmpty {
          try insert(values, IndexBlock.key(segment.id, IndexBlock.Kind.field(UInt8(field)), 0), segment)
        }
        for source in sources { try delete(source.id) }
        try insert(segment)
      }
    } catch {
      if case .system(Self.stopped, _) = error { return false }
      throw error
    }
    return true
  }

  private static let stopped: Int32 = -1

  private func mergedFields(_ sources: [IndexSegment], _ moves: [[UInt16?]]) throws(IndexError) -> [[UInt8]] {
    var result = [[UInt8]](repeating: [], count: KeptField.allCases.count)
    for field in KeptField.allCases {
      let index = Int(field.rawValue)
      for (source, moves) in zip(sources, moves) {
        try IndexSegment.withField(field.rawValue, of: source, db, identity) { values throws(IndexError) in
          try KeptValues.forEach(values) { place, octets in
            if place < moves.count, moves[place] != nil { result[index].append(contentsOf: octets) }
          }
        }
      }
    }
    return result
  }

  private func merge(
    _ kind: IndexBlock.Kind, _ sources: [IndexSegment], _ moves: [[UInt16?]], into segment: IndexSegment,
    _ isStopping: () -> Bool
  ) throws(IndexError) {
    var cursors: [ListCursor] = []
    for source in sources { cursors.append(try ListCursor(source, kind, db, identity)) }
    var writer = BlockWriter(count: segment.count)
    let put = { (first: UInt32, payload: [UInt8]) throws(IndexError) in
      if isStopping() { throw .system(code: Self.stopped, "") }
      try self.insert(payload, IndexBlock.key(segment.id, kind.rawValue, first), segment)
    }
    var places: [UInt16] = []
    while true {
      var lowest = TrigramCollector.count
      for index in cursors.indices { lowest = min(lowest, cursors[index].trigram ?? lowest) }
      guard lowest < TrigramCollector.count else { break }
      let trigram = lowest
      places.removeAll(keepingCapacity: true)
      for index in cursors.indices where cursors[index].trigram == trigram {
        let moves = moves[index]
        for place in cursors[index].places {
          if let moved = moves[Int(place)] { places.append(moved) }
        }
        try cursors[index].advance()
      }
      if !places.isEmpty { try writer.append(trigram, places, emit: put) }
    }
    try writer.finish(emit: put)
  }
}

/// Walks along all lists of a segment, a block in memory at a time.
private struct ListCursor {
  private let segment: IndexSegment
  private let db: IndexConnection
  private let identity: UInt64
  private let base: Int64
  private var block: [(trigram: UInt32, places: [UInt16])] = []
  private var index = 0
  /// Where the next block begins.
  private var next: UInt32 = 0

  /// Nil: the end.
  private(set) var trigram: UInt32?
  var places: [UInt16] { block[index].places }

  init(_ segment: IndexSegment, _ kind: IndexBlock.Kind, _ db: IndexConnection, _ identity: UInt64) throws(IndexError) {
    self.segment = segment
    self.db = db
    self.identity = identity
    base = IndexBlock.key(segment.id, kind.rawValue, 0)
    try load()
  }

  mutating func advance() throws(IndexError) {
    index += 1
    if index < block.count { trigram = block[index].trigram } else { try load() }
  }

  private mutating func load() throws(IndexError) {
    block.removeAll(keepingCapacity: true)
    index = 0
    trigram = nil
    while block.isEmpty, next < TrigramCollector.count {
      let first = next
      let row = try db("SELECT data FROM block WHERE key = ?")
      row.bind(1, base + Int64(first))
      defer { row.reset() }
      guard try row.step() else { throw .damaged("a block is missing") }
      let payload = try IndexBlock.open(row.blob(0), seed: segment.seed(identity, block: base + Int64(first)))
      var reader = try BlockReader(payload, first: first, count: segment.count)
      next = reader.next
      while try reader.advance() {
        var places: [UInt16] = []
        try reader.list { places.append(UInt16($0)) }
        block.append((reader.trigram, places))
      }
    }
    trigram = block.first?.trigram
  }
}
