import Bytes
public import MailFormat
import SearchText

/// What a few messages of one account hold, gathered in memory until it is written as a segment.
public struct SegmentBuilder: ~Copyable {
  public private(set) var account: Int64
  /// In ascending order. `isIndexed`: false, and every search looks through it.
  private(set) var messages: [(content: Int64, isIndexed: Bool)] = []
  /// Trigram << 8 | place, by kind.
  private var postings: [[UInt32]] = [[], []]
  private(set) var fields = [[UInt8]](repeating: [], count: KeptField.allCases.count)
  private var trigrams = TrigramCollector()

  public init(account: Int64) { self.account = account }

  /// Begins anew; the memory stays.
  public mutating func reset(account: Int64) {
    self.account = account
    messages.removeAll(keepingCapacity: true)
    for kind in postings.indices { postings[kind].removeAll(keepingCapacity: true) }
    for field in fields.indices { fields[field].removeAll(keepingCapacity: true) }
  }

  public var count: Int { messages.count }
  public var isFull: Bool {
    messages.count >= SearchIndexLimits.messagesPerSlice
      || postings[0].count + postings[1].count >= SearchIndexLimits.postingsPerSlice
  }

  /// Adds a message; contents ascend. It is left unindexed where a limit says so.
  /// - Parameter trace: header lines that stand before the message.
  public mutating func add(_ content: Int64, _ index: MessageIndex, _ bytes: RawSpan, trace: RawSpan) {
    guard bytes.byteCount <= SearchIndexLimits.messageOctets else { return addUnindexed(content) }
    guard collect(index, bytes, trace) else { return addUnindexed(content) }
    messages.append((content, true))
    for field in KeptField.allCases {
      KeptValues.append(&fields[Int(field.rawValue)]) { visit in
        var goesOn = true
        MessageText.forEachValue(of: field.name, in: trace, 0..<trace.byteCount) {
          goesOn = visit($0)
          return goesOn
        }
        if goesOn { MessageText.forEachValue(of: field.name, in: bytes, index.root.headerRange, visit) }
      }
    }
  }

  /// A message that is damaged, or beyond a limit.
  public mutating func addUnindexed(_ content: Int64) {
    messages.append((content, false))
    for field in fields.indices { KeptValues.appendUnknown(&fields[field]) }
  }

  /// False: there is too much in it.
  private mutating func collect(_ index: MessageIndex, _ bytes: RawSpan, _ trace: RawSpan) -> Bool {
    // Closures may not capture `self` while it is being changed.
    var header = FoldedTexts()
    var body = FoldedTexts()
    MessageText.forEachHeaderText(trace, 0..<trace.byteCount) { header.add($0) }
    MessageText.forEachText(index.root, bytes) {
      header.add($0)
    } body: {
      body.add($0)
    }
    let start = postings[0].count
    guard collect(header, 0) else { return false }
    guard collect(body, 1) else {
      postings[0].removeSubrange(start...)
      return false
    }
    return true
  }

  private mutating func collect(_ texts: FoldedTexts, _ kind: Int) -> Bool {
    trigrams.add(texts.bytes, ends: texts.ends)
    guard trigrams.size <= SearchIndexLimits.trigramsPerMessage else {
      trigrams.drop()
      return false
    }
    let place = UInt32(messages.count)
    var list: [UInt32] = []
    swap(&list, &postings[kind])
    trigrams.take { list.append($0 << 8 | place) }
    swap(&list, &postings[kind])
    return true
  }

  private struct FoldedTexts {
    var bytes: [UInt8] = []
    var ends: [Int] = []

    mutating func add(_ text: RawSpan) {
      TextFolding.fold(text, into: &bytes)
      ends.append(bytes.count)
    }
  }

  /// Calls with the lists of a kind in the order of their trigrams, and forgets them.
  mutating func takeLists(
    _ kind: IndexBlock.Kind, _ body: (UInt32, [UInt16]) throws(IndexError) -> Void
  ) throws(IndexError) {
    var sorted: [UInt32] = []
    swap(&sorted, &postings[Int(kind.rawValue)])
    Self.sort(&sorted)
    var places: [UInt16] = []
    var start = 0
    while start < sorted.count {
      let trigram = sorted[start] >> 8
      places.removeAll(keepingCapacity: true)
      var end = start
      while end < sorted.count, sorted[end] >> 8 == trigram {
        places.append(UInt16(sorted[end] & 0xFF))
        end += 1
      }
      try body(trigram, places)
      start = end
    }
  }

  /// By trigram. Places ascend already, and keep their order.
  private static func sort(_ values: inout [UInt32]) {
    var other = [UInt32](repeating: 0, count: values.count)
    for shift in [UInt32(8), 16, 24] {
      var starts = [Int](repeating: 0, count: 257)
      for value in values { starts[Int(value >> shift & 0xFF) + 1] += 1 }
      for index in 1...256 { starts[index] += starts[index - 1] }
      other.withUnsafeMutableBufferPointer { other in
        starts.withUnsafeMutableBufferPointer { starts in
          for value in values {
            let bucket = Int(value >> shift & 0xFF)
            other[starts[bucket]] = value
            starts[bucket] += 1
          }
        }
      }
      swap(&values, &other)
    }
  }
}
