import BlobStore
import MailFormat
import MailStore
import NIOCore

/// What is kept beside the bytes, against the bytes: a blob that stands at another message's row is found by this.
extension Checker {
  mutating func checkContents() throws(StoreError) {
    var scratch = BlobScratch()
    var found: [String] = []
    let rows = try db(
      """
      SELECT c.key, b.pack, b.offset, b.frame, b.size, c.version, c.envelope, c.structure, c.body, c.sort, c.headers,
        c.parts, c.preview, c.chunk, c.trace_size
      FROM content c JOIN blob b ON b.id = c.blob ORDER BY b.pack, b.offset
      """)
    defer { rows.reset() }
    // Neighbours in a pack may be of several accounts.
    let chunks = (0..<16).map { _ in ContentChunks(db) }
    var count = 0
    while try rows.step() {
      count += 1
      if count & 1023 == 0, isStopping() { throw .shuttingDown }
      let key = rows.int(0)
      if let chunk = rows.optionalInt(13) {
        let chunks = chunks[Int(truncatingIfNeeded: ContentKey.account(key)) & 15]
        let isThere = try chunks.find(key, in: chunk, .all)
        if !isThere || chunks.bytes(.trace).count != Int(rows.int(14)) || chunks.version != rows.int(5) {
          found.append(
            """
            account \(ContentKey.account(key)), content \(ContentKey.content(key)): what is kept of the message, in \
            chunk \(chunk), cannot be read
            """)
          continue
        }
        guard rows.int(5) == Int64(MessageSummary.parserVersion) else { continue }
        let place = BlobLocation(
          pack: rows.int(1), offset: rows.int(2), frameLength: rows.int(3), rawSize: rows.int(4))
        guard (try? packs.read(place, scratch: &scratch)) != nil else { continue }
        let expected = scratch.withBytes { ContentColumns(MessageSummary.make($0)) }
        if !Self.isSame(expected, chunks) { found.append(Self.differs(key)) }
        continue
      }
      // Older rows are computed anew when they are read.
      guard rows.int(5) == Int64(MessageSummary.parserVersion) else { continue }
      let place = BlobLocation(pack: rows.int(1), offset: rows.int(2), frameLength: rows.int(3), rawSize: rows.int(4))
      // A frame that cannot be read is named by the check of its pack.
      guard (try? packs.read(place, scratch: &scratch)) != nil else { continue }
      let expected = scratch.withBytes { ContentColumns(MessageSummary.make($0)) }
      let isSame =
        rows.buffer(6) == expected.envelope && rows.buffer(7) == expected.structure && rows.buffer(8) == expected.body
        && rows.buffer(9) == expected.sort && rows.buffer(10) == expected.headers
        && rows.buffer(11) == expected.parts && rows.text(12) == expected.preview
      if !isSame { found.append(Self.differs(key)) }
    }
    for problem in found { note(problem) }
    try each(
      """
      SELECT k.account, k.id FROM content_chunk k WHERE NOT EXISTS (
        SELECT 1 FROM content c WHERE c.key BETWEEN (k.account << 36) + k.first AND (k.account << 36) + k.last
          AND c.chunk = k.id)
      """
    ) { "account \($0.int(0)): chunk \($0.int(1)) of contents, and none that is in it" }
  }

  private static func isSame(_ expected: ContentColumns, _ chunks: ContentChunks) -> Bool {
    chunks.buffer(.envelope) == expected.envelope && chunks.buffer(.structure) == expected.structure
      && chunks.buffer(.body) == expected.body && chunks.buffer(.sort) == expected.sort
      && chunks.buffer(.headers) == expected.headers && chunks.buffer(.parts) == expected.parts
      && String(decoding: chunks.bytes(.preview), as: UTF8.self) == expected.preview
  }

  private static func differs(_ key: Int64) -> String {
    """
    account \(ContentKey.account(key)), content \(ContentKey.content(key)): what is kept of the message is not what \
    its bytes say
    """
  }
}
