import BlobStore
import Bytes
import MailFormat
import MailStore
import NIOCore
import SearchIndex

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What the indexer's thread works with: its own connections, and how far it is.
final class SearchIndexWork {
  private let indexer: SearchIndexer
  private let writer: IndexWriter
  private let reader: Reader
  /// Per account, the last content number looked at.
  private var reached: [Int64: Int64]
  /// Nil: not looked at yet.
  private var dataVersion: Int64?
  private var isBehind = true
  private var pacing: IndexPacing
  private var sweptUpTo: Int64 = 0
  /// Not at once: a start has better things to do with the disk than to look at every row of `content`.
  private var nextSweep = Clock.milliseconds() + StoreLimits.searchIndexSweep

  init(_ indexer: SearchIndexer) throws {
    self.indexer = indexer
    pacing = IndexPacing(pause: indexer.settings.searchIndexPause)
    writer = try IndexWriter(indexer.place)
    reached = try writer.reached()
    reader = try Reader(path: indexer.database, packs: indexer.packs, damage: indexer.damage)
  }

  deinit { reader.close() }

  var isInPlace: Bool { writer.isInPlace }

  /// All there is to do now.
  func round() throws {
    let version = try reader.db.pragma("data_version")
    if version != dataVersion || isBehind {
      dataVersion = version
      isBehind = true
      let (due, waiting) = try due()
      if pacing.givesWay(waiting: waiting) { return }
      if !due.isEmpty {
        var builder = SegmentBuilder(account: 0)
        for (account, last) in due {
          try index(account, upTo: last, &builder)
          if indexer.isStopping { return }
        }
        reader.scratch.trim()
        try rest()
      }
      isBehind = false
    }
    try sweepIfDue()
  }

  /// Accounts with contents that were not looked at, the last number of each, and how many there are of them.
  private func due() throws(StoreError) -> (accounts: [(account: Int64, last: Int64)], waiting: Int64) {
    var result: [(account: Int64, last: Int64)] = []
    var waiting: Int64 = 0
    let rows = try reader.db("SELECT account, next_content FROM account_state")
    try rows.forEach { row in
      let (account, last) = (row.int(0), row.int(1) - 1)
      let known = reached[account] ?? 0
      if last > known {
        result.append((account, last))
        waiting += last - known
      }
    }
    indexer.state.withLock { $0.status.waiting = waiting }
    return (result, waiting)
  }

  private func index(_ account: Int64, upTo last: Int64, _ builder: inout SegmentBuilder) throws {
    while let from = Optional(reached[account] ?? 0), from < last, !indexer.isStopping {
      try indexer.freeSpace.check(StoreLimits.searchIndexSpace)
      let begun = Self.processorTime()
      builder.reset(account: account)
      let end = try fill(&builder, account, after: from, upTo: last)
      if builder.count > 0 { try writer.add(&builder, first: from + 1, last: end) }
      reached[account] = end
      let count = Int64(builder.count)
      while try writer.merge(account: account, isStopping: { indexer.isStopping }) {}
      let spent = Self.processorTime() - begun
      indexer.state.withLock { state in
        state.status.indexed += count
        state.status.waiting = max(0, state.status.waiting - (end - from))
        state.status.microseconds += spent
      }
    }
  }

  /// Returns up to where the contents that there are have been added.
  private func fill(
    _ builder: inout SegmentBuilder, _ account: Int64, after from: Int64, upTo last: Int64
  ) throws(StoreError) -> Int64 {
    var from = from
    while !indexer.isStopping {
      let start = from
      let contents = try reader.db.reading { () throws(StoreError) -> [IndexedContent] in
        let contents = try reader.contents(of: account, after: start, upTo: last)
        for content in contents {
          try reader.add(content, to: &builder)
          from = content.number
          if builder.isFull || indexer.isStopping { break }
        }
        return contents
      }
      if from == contents.last?.number ?? from, contents.count < StoreLimits.indexedContents { return last }
      if builder.isFull { return from }
    }
    return from
  }

  private func rest() throws {
    try writer.rest()
    reader.rest()
    let size = try writer.size()
    indexer.state.withLock { $0.status.segments = size.segments }
  }

  // MARK: What is gone

  private func sweepIfDue() throws {
    let now = Clock.milliseconds()
    guard now >= nextSweep else { return }
    nextSweep = now + StoreLimits.searchIndexSweep
    try sweep(segments: StoreLimits.sweptSegments)
  }

  /// All segments, and the file gets as small as it can.
  func sweepAll() throws {
    sweptUpTo = 0
    try sweep(segments: .max)
    try writer.rest(givesAllBack: true)
  }

  private func sweep(segments: Int) throws {
    var failure: StoreError?
    for _ in 0..<segments where !indexer.isStopping {
      let next = try writer.sweep(after: sweptUpTo, isStopping: { indexer.isStopping }) {
        account, first, last throws(IndexError) in
        do throws(StoreError) { return try reader.contentNumbers(of: account, first, last) } catch {
          failure = error
          throw .system(code: 0, "the volume cannot be read")
        }
      }
      if let failure { throw failure }
      sweptUpTo = next ?? 0
      guard next != nil else { break }
    }
  }

  private static func processorTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }
}

/// A content that is going to be indexed.
struct IndexedContent {
  var number: Int64
  var size: Int64
  var version: Int64
  var trace: ByteBuffer
  var parts: ByteBuffer
  var blob: Int64
  /// Nil: it has none.
  var location: BlobLocation?
}

extension Reader {
  fileprivate func contents(of account: Int64, after: Int64, upTo last: Int64) throws(StoreError) -> [IndexedContent] {
    let rows = try db(
      """
      SELECT c.key, c.size, c.version, c.trace, c.parts, b.id, b.pack, b.offset, b.frame, b.size, c.chunk
      FROM content c LEFT JOIN blob b ON b.id = c.blob WHERE c.key > ? AND c.key <= ? ORDER BY c.key LIMIT ?
      """)
    rows.bind(1, ContentKey.key(account, after))
    rows.bind(2, ContentKey.key(account, last))
    rows.bind(3, StoreLimits.indexedContents)
    var result: [IndexedContent] = []
    try rows.forEach { row throws(StoreError) in
      var trace = row.buffer(3)
      var parts = row.buffer(4)
      var isKept = true
      if let chunk = row.optionalInt(10) {
        isKept = try chunks.find(row.int(0), in: chunk, [ContentParts(.trace), ContentParts(.parts)])
        if isKept { (trace, parts) = (chunks.buffer(.trace), chunks.buffer(.parts)) }
      }
      // Without its trace a search has to look, and says so.
      result.append(
        IndexedContent(
          number: ContentKey.content(row.int(0)), size: row.int(1), version: row.int(2), trace: trace,
          parts: parts, blob: row.int(5),
          location: row.isNull(5) || !isKept
            ? nil
            : BlobLocation(pack: row.int(6), offset: row.int(7), frameLength: row.int(8), rawSize: row.int(9))))
    }
    return result
  }

  fileprivate func add(_ content: IndexedContent, to builder: inout SegmentBuilder) throws(StoreError) {
    guard let location = content.location, content.size <= SearchIndexLimits.messageOctets,
      location.rawSize <= SearchIndexLimits.messageOctets
    else { return builder.addUnindexed(content.number) }
    do throws(StoreError) { try load(blob: content.blob, at: location) } catch {
      // A search that comes to it says so.
      guard case .corrupt = error else { throw error }
      return builder.addUnindexed(content.number)
    }
    var kept: MessageIndex?
    if content.version == Int64(MessageSummary.parserVersion) { kept = MessageIndex.decode(content.parts) }
    let trace = content.trace
    scratch.withBytes { bytes in
      builder.add(content.number, kept ?? MessageIndex.parse(bytes), bytes, trace: trace.readableBytesSpan)
    }
  }

  /// Which contents of an account there are between two numbers; nil: there is no such account any more.
  fileprivate func contentNumbers(of account: Int64, _ first: Int64, _ last: Int64) throws(StoreError) -> Set<Int64>? {
    let state = try db("SELECT 1 FROM account_state WHERE account = ?")
    state.bind(1, account)
    guard try state.first({ $0.int(0) }) != nil else { return nil }
    let rows = try db("SELECT key FROM content WHERE key BETWEEN ? AND ?")
    rows.bind(1, ContentKey.key(account, first))
    rows.bind(2, ContentKey.key(account, last))
    var result: Set<Int64> = []
    try rows.forEach { result.insert(ContentKey.content($0.int(0))) }
    return result
  }
}
