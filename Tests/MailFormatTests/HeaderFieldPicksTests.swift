import MailFormat
import MailTestKit
import NIOCore
import Testing

@Suite struct HeaderFieldPicksTests {
  private static let pieces = [
    "From: a\r\n", "from : b\r\n", "TO: c\r\n\td\r\n", "Subject:\r\n", " stray\r\n", "\tstray\r\n",
    "no colon\r\n", ": empty\r\n",
    "Date: x\n", "X-Date: y\r\n", "\r\n", "\n", "Fro", "Subject: cut", "{a}: 1\r\n", "\u{E9}: 2\r\n", "From\r\n",
  ]
  private static let names: [[String]] = [
    ["FROM", "TO", "SUBJECT", "DATE"], ["from"], [""], ["", "date"], ["{a}", "[A]"], ["\u{E9}"], ["X-Nothing"], [],
    (0..<20).map { "x-\($0)" } + ["subject", "date"],
  ]

  @Test(arguments: 0..<400) func `Picking finds what filtering writes`(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    var text = ""
    for _ in 0..<(random.next() % 12) { text += Self.pieces.randomElement(using: &random) ?? "" }
    let bytes = Array(text.utf8)
    // One value for all names: nothing of one message may be left in the next.
    var picks = HeaderFieldPicks()
    for list in Self.names {
      let names = HeaderFieldNames(list.map { Array($0.utf8) })
      var expected = ByteBuffer()
      HeaderFields.write(fields: names, not: false, of: bytes.span.bytes, header: 0..<bytes.count, into: &expected)
      var found = ByteBuffer()
      picks.pick(names, of: bytes.span.bytes)
      picks.write(of: bytes.span.bytes, into: &found)
      #expect(found == expected, "\(list) of \(text.debugDescription)")
      #expect(picks.size == expected.readableBytes)
    }
  }
}
