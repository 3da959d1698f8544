import Bytes
import NIOCore
import Testing

@Suite struct KeywordTableTests {
  let table = KeywordTable<Int>([("FETCH", 1), ("STORE", 2), ("RFC822.HEADER", 3), ("A", 4), ("ABCDEFGHIJKLMNOP", 5)])

  @Test(arguments: [
    ("fetch", 1), ("FeTcH", 1), ("STORE", 2), ("rfc822.header", 3), ("a", 4), ("abcdefghijklmnop", 5),
  ])
  func `Keywords are found without case`(word: String, value: Int) {
    let found = table.value(for: word.utf8Span.span.bytes)
    #expect(found == value)
  }

  @Test(arguments: ["", "FETC", "FETCHX", "FETCH ", "B", "abcdefghijklmnopq", "A\0", "rfc822.heade", "@"])
  func `Other words are not found`(word: String) {
    let found = table.value(for: word.utf8Span.span.bytes)
    #expect(found == nil)
  }
}

@Suite struct ByteBufferWriteTests {
  @Test(arguments: [0, 1, 9, 10, 99, 100, 12_345, Int64.max, -1, -10, Int64.min])
  func `Numbers are written in decimal`(number: Int64) {
    var buffer = ByteBuffer()
    #expect(buffer.writeDecimal(number) == String(number).utf8.count)
    #expect(String(buffer: buffer) == String(number))
  }

  @Test func `The largest unsigned number is written`() {
    var buffer = ByteBuffer()
    buffer.writeDecimal(UInt64.max)
    #expect(String(buffer: buffer) == "18446744073709551615")
  }

  @Test(arguments: [(0, 2, "00"), (7, 2, "07"), (12, 2, "12"), (1994, 4, "1994"), (12_345, 4, "2345"), (5, 1, "5")])
  func `Fixed widths are filled with zeros`(number: Int, width: Int, text: String) {
    var buffer = ByteBuffer()
    buffer.writeDecimal(number, width: width)
    #expect(String(buffer: buffer) == text)
  }

  @Test func `Quotes and backslashes are escaped`() {
    var buffer = ByteBuffer()
    buffer.writeQuoted("a\"b\\c")
    #expect(String(buffer: buffer) == #""a\"b\\c""#)
  }

  @Test func `Comparing disregards the case of ASCII letters only`() {
    #expect("FooBär".equalsIgnoringASCIICase("fOObär"))
    #expect(!"Bär".equalsIgnoringASCIICase("BÄR"))
    #expect(!"foo".equalsIgnoringASCIICase("fo"))
    #expect(ByteBuffer(string: "done").equalsIgnoringCase("DONE"))
    #expect(!ByteBuffer(string: "done ").equalsIgnoringCase("DONE"))
    // 0x20 apart, as letters are, but no letters.
    #expect(!"[".equalsIgnoringASCIICase("{"))
    #expect(!ByteBuffer(string: "[").equalsIgnoringCase("{"))
  }
}
