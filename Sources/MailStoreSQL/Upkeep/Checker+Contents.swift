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
        c.parts, c.preview
      FROM content c JOIN blob b ON b.id = c.blob ORDER BY b.pack, b.offset
      """)
    defer { rows.reset() }
    var count = 0
    while try rows.step() {
      count += 1
      if count & 1023 == 0, isStopping() { throw .shuttingDown }
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
      if !isSame {
        found.append(
          "account \(ContentKey.account(rows.int(0))), content \(ContentKey.content(rows.int(0))): what is kept of the "
            + "message is not what its bytes say")
      }
    }
    for problem in found { note(problem) }
  }
}
