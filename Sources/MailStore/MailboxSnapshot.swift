/// One message as SELECT, FETCH FLAGS and the change feed see it.
public struct MessageEntry: Sendable, Hashable {
  public var modSeq: ModSeq
  /// Bit `n` stands for `MailboxSnapshot.keywords[n]`.
  public var keywords: UInt64
  public var uid: UID
  public var flags: SystemFlags
  @inlinable
  public init(uid: UID, flags: SystemFlags, keywords: UInt64, modSeq: ModSeq) {
    self.modSeq = modSeq
    self.keywords = keywords
    self.uid = uid
    self.flags = flags
  }
}

/// The messages of a mailbox after one commit, in UID order; never changes.
///
/// Entries stand in chunks that successive snapshots share, so a change of one message copies one chunk, and two
/// snapshots are compared by skipping the chunks they have in common. A thousand sessions on a mailbox hold one copy.
public final class MailboxSnapshot: Sendable {
  /// Chunks are filled up to this many entries.
  public static let chunkCapacity = 1024

  public let chunks: [Chunk]
  /// `starts[i]` is the index of the first entry of `chunks[i]`.
  public let starts: [Int]
  public let count: Int
  public let uidNext: UID
  public let highestModSeq: ModSeq
  /// Keyword names by bit number; a name once given a bit keeps it.
  public let keywords: [String]

  /// `chunks` must be in UID order; empty ones are dropped.
  public init(chunks: [Chunk], uidNext: UID, highestModSeq: ModSeq, keywords: [String]) {
    let kept = chunks.contains { $0.count == 0 } ? chunks.filter { $0.count > 0 } : chunks
    var starts: [Int] = []
    starts.reserveCapacity(kept.count)
    var total = 0
    for chunk in kept {
      starts.append(total)
      total += chunk.count
    }
    self.chunks = kept
    self.starts = starts
    self.count = total
    self.uidNext = uidNext
    self.highestModSeq = highestModSeq
    self.keywords = keywords
  }

  /// `entries` in UID order.
  public convenience init(
    entries: some Sequence<MessageEntry>, uidNext: UID, highestModSeq: ModSeq, keywords: [String]
  ) {
    var chunks: [Chunk] = []
    var open: [MessageEntry] = []
    open.reserveCapacity(Self.chunkCapacity)
    for entry in entries {
      open.append(entry)
      if open.count == Self.chunkCapacity {
        chunks.append(Chunk(open))
        open.removeAll(keepingCapacity: true)
      }
    }
    if !open.isEmpty { chunks.append(Chunk(open)) }
    self.init(chunks: chunks, uidNext: uidNext, highestModSeq: highestModSeq, keywords: keywords)
  }

  /// The entry at `index`, 0-based: sequence number minus one. `index` must be below `count`.
  public subscript(index: Int) -> MessageEntry {
    let chunk = chunkIndex(ofEntry: index)
    return chunks[chunk].entries[index - starts[chunk]]
  }

  /// The last UID, or 0 in an empty mailbox.
  public var lastUID: UID { chunks.last?.entries.last?.uid ?? 0 }

  /// The index of the message with this UID.
  public func index(of uid: UID) -> Int? {
    let lower = lowerBound(uid)
    guard lower < count, self[lower].uid == uid else { return nil }
    return lower
  }

  /// The index of the first message whose UID is `uid` or higher; `count` if there is none.
  public func lowerBound(_ uid: UID) -> Int {
    var low = 0
    var high = chunks.count
    while low < high {
      let middle = (low + high) / 2
      // A chunk is never empty.
      if chunks[middle].entries[chunks[middle].entries.count - 1].uid < uid { low = middle + 1 } else { high = middle }
    }
    guard low < chunks.count else { return count }
    let entries = chunks[low].entries
    var first = 0
    var last = entries.count
    while first < last {
      let middle = (first + last) / 2
      if entries[middle].uid < uid { first = middle + 1 } else { last = middle }
    }
    return starts[low] + first
  }

  /// Calls `body` with index and entry for each message in `range`, in order, chunk by chunk.
  @inlinable
  public func forEach(in range: Range<Int>, _ body: (Int, MessageEntry) throws -> Void) rethrows {
    guard !range.isEmpty else { return }
    var chunk = chunkIndex(ofEntry: range.lowerBound)
    var index = range.lowerBound
    while index < range.upperBound {
      let entries = chunks[chunk].entries
      var offset = index - starts[chunk]
      while offset < entries.count, index < range.upperBound {
        try body(index, entries[offset])
        offset += 1
        index += 1
      }
      chunk += 1
    }
  }

  @inlinable
  func chunkIndex(ofEntry index: Int) -> Int {
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= index { low = middle } else { high = middle }
    }
    return low
  }
}
