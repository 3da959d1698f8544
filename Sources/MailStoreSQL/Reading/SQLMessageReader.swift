import BlobStore
import MailFormat
import MailStore
import NIOCore
import Synchronization

/// Reads one message in ranges. It holds its pack's descriptor, so the bytes stay readable whatever becomes of the rows.
final class SQLMessageReader: MessageReader {
  let size: Int
  let trace: ByteBuffer
  let index: MessageIndex
  private let blob: BlobReader
  private let location: BlobLocation
  private let pool: WorkerPool<Reader>
  /// Where the last read of the body ended.
  private let reached = Atomic(0)

  init(
    size: Int, trace: ByteBuffer, index: MessageIndex, blob: BlobReader, location: BlobLocation,
    pool: WorkerPool<Reader>
  ) {
    self.location = location
    self.size = size
    self.trace = trace
    self.index = index
    self.blob = blob
    self.pool = pool
  }

  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer {
    let range = range.clamped(to: 0..<size)
    let seam = trace.readableBytes
    let head = trace.getSlice(
      at: trace.readerIndex + min(range.lowerBound, seam),
      length: max(0, min(range.upperBound, seam) - min(range.lowerBound, seam)))
    guard range.upperBound > seam else { return head ?? ByteBuffer() }
    let inner = max(range.lowerBound, seam) - seam..<range.upperBound - seam
    let body = try await body(inner)
    guard var result = head, result.readableBytes > 0 else { return body }
    result.writeImmutableBuffer(body)
    return result
  }

  /// Who reads a message through has its next chunk decoded while the last one is being sent.
  private func body(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer {
    let readsOn = reached.exchange(range.upperBound, ordering: .relaxed) == range.lowerBound
    let preparesNext = readsOn && blob.wantsNext(after: range)
    if let ready = blob.ready(range) {
      if preparesNext { _ = pool.submit { [blob] _ in blob.prepareNext() } }
      return ready
    }
    return try await pool.run { [blob, location] reader throws(StoreError) in
      do throws(BlobError) { return try blob.read(range) } catch {
        // The next one who wants it is refused before the first octet.
        if case .corrupt = error { reader.damage.add(location) }
        throw StoreError(error)
      }
    } afterwards: { [blob] _ in
      if preparesNext { blob.prepareNext() }
    }
  }
}

extension Reader {
  /// Nil: no such content.
  func openContent(key: Int64, pool: WorkerPool<Reader>) throws(StoreError) -> SQLMessageReader? {
    let row = try db(
      """
      SELECT c.trace, c.parts, c.size, b.id, b.pack, b.offset, b.frame, b.size, c.version,
        c.chunk, c.trace_size
      FROM content c LEFT JOIN blob b ON b.id = c.blob WHERE c.key = ?
      """)
    row.bind(1, key)
    defer { row.reset() }
    guard try row.step() else { return nil }
    guard !row.isNull(3) else {
      throw .corrupt(what: "content \(ContentKey.content(key)) of account \(ContentKey.account(key)) has no blob")
    }
    let location = BlobLocation(pack: row.int(4), offset: row.int(5), frameLength: row.int(6), rawSize: row.int(7))
    // Once an answer has begun it cannot be taken back: what is known to be damaged is not begun.
    if try DamagedFrames.isMarked(location, db) {
      throw .corrupt(
        what: "content \(ContentKey.content(key)) of account \(ContentKey.account(key)) is marked as damaged")
    }
    let blob = try reader(blob: row.int(3), at: location)
    var trace = row.buffer(0)
    var parts = row.buffer(1)
    if let chunk = row.optionalInt(9) {
      if try chunks.find(key, in: chunk, [ContentParts(.trace), ContentParts(.parts)]) {
        trace = chunks.buffer(.trace)
        parts = chunks.buffer(.parts)
      } else if row.int(10) > 0 {
        throw .corrupt(what: SQLMessageRow.damagedChunk(key))
      }
    }
    var index: MessageIndex?
    if row.int(8) == Int64(MessageSummary.parserVersion) { index = MessageIndex.decode(parts) }
    // Damaged or made by an older parser.
    if index == nil { index = try remake(key: key).index }
    guard let index else { return nil }
    return SQLMessageReader(
      size: Int(row.int(2)) + trace.readableBytes, trace: trace, index: index, blob: blob, location: location,
      pool: pool)
  }

  /// The content of a message that is there, or is expunged and not purged.
  func content(_ uid: UID, in ref: MailboxRef) throws(StoreError) -> Int64? {
    let live = try db("SELECT content FROM message WHERE account = ? AND mailbox = ? AND uid = ?")
    live.bind(1, ref.account.rawValue)
    live.bind(2, ref.mailbox.rawValue)
    live.bind(3, uid)
    if let content = try live.first({ $0.int(0) }) { return ContentKey.key(ref.account.rawValue, content) }
    let gone = try db("SELECT content FROM expunged WHERE account = ? AND mailbox = ? AND uid = ?")
    gone.bind(1, ref.account.rawValue)
    gone.bind(2, ref.mailbox.rawValue)
    gone.bind(3, uid)
    guard let content = try gone.first({ $0.optionalInt(0) }) ?? nil else { return nil }
    return ContentKey.key(ref.account.rawValue, content)
  }
}
