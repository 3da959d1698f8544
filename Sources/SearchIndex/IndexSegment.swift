/// A run of content numbers of one account that has been indexed, as its row in `segment` has it.
///
/// Content numbers are never given out twice and contents never change, so whatever a whole segment says stays true: there is
/// no order in which segments have to reach the disk.
struct IndexSegment {
  var id: Int64
  var account: Int64
  /// All contents there were between these were looked at; nothing is known of others.
  var first: Int64
  var last: Int64
  /// Chance, so that blocks of another segment that had the number before are not taken for this one's.
  var nonce: UInt64
  /// Ascending.
  var contents: [Int64]
  /// By place: not indexed.
  var unindexed: [Bool]
  /// Octets of the blocks of kept values; an empty one is not written.
  var fieldOctets: [Int]

  var count: Int { contents.count }

  func encoded() -> [UInt8] {
    var result: [UInt8] = []
    result.appendFixed(nonce)
    result.appendVariable(UInt64(count))
    var previous = first
    for (content, isUnindexed) in zip(contents, unindexed) {
      result.appendVariable(UInt64(content - previous) << 1 | (isUnindexed ? 1 : 0))
      previous = content
    }
    for octets in fieldOctets { result.appendVariable(UInt64(octets)) }
    return result
  }

  init(
    id: Int64, account: Int64, first: Int64, last: Int64, nonce: UInt64, contents: [Int64], unindexed: [Bool],
    fieldOctets: [Int]
  ) {
    self.id = id
    self.account = account
    self.first = first
    self.last = last
    self.nonce = nonce
    self.contents = contents
    self.unindexed = unindexed
    self.fieldOctets = fieldOctets
  }

  init(
    id: Int64, account: Int64, first: Int64, last: Int64, fields: Int, _ payload: UnsafeRawBufferPointer
  ) throws(IndexError) {
    guard payload.count >= 8, first <= last, id > 0, id <= IndexBlock.largestSegment else {
      throw .damaged("a segment is too short")
    }
    self.id = id
    self.account = account
    self.first = first
    self.last = last
    nonce = UInt64(littleEndian: payload.loadUnaligned(as: UInt64.self))
    contents = []
    unindexed = []
    fieldOctets = []
    var cursor = IndexCursor(payload, at: 8)
    let count = try cursor.number()
    guard count <= UInt64(SearchIndexLimits.messagesPerSegment + SearchIndexLimits.messagesPerSlice) else {
      throw .damaged("a segment has too many messages")
    }
    contents.reserveCapacity(Int(count))
    unindexed.reserveCapacity(Int(count))
    var previous = first
    for _ in 0..<count {
      let number = try cursor.number()
      guard number >> 1 <= UInt64(last - previous) else { throw .damaged("a content outside its segment") }
      previous += Int64(number >> 1)
      contents.append(previous)
      unindexed.append(number & 1 != 0)
    }
    for _ in 0..<fields { fieldOctets.append(Int(clamping: try cursor.number())) }
  }

  static func seed(_ identity: UInt64, id: Int64, account: Int64, first: Int64, last: Int64) -> [UInt64] {
    [
      identity, UInt64(bitPattern: id), UInt64(bitPattern: account), UInt64(bitPattern: first),
      UInt64(bitPattern: last),
    ]
  }

  func seed(_ identity: UInt64, block key: Int64) -> [UInt64] { [identity, nonce, UInt64(bitPattern: key)] }
}
