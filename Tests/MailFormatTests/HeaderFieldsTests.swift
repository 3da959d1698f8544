import MailFormat
import NIOCore
import Testing

@Suite struct HeaderFieldsTests {
  private let bytes = message(
    "From mbox line\nA: 1\n more\nB : 2\nno colon\nSubject: =?utf-8?q?=C3=A9?=\n x\na: 3\n\nA: body\n")

  private func fields(_ names: [String], not: Bool) -> String {
    var buffer = ByteBuffer()
    HeaderFields.write(
      fields: names.map { Array($0.utf8) }, not: not, of: bytes.span.bytes, header: bytes.index.root.headerRange,
      into: &buffer)
    return String(buffer: buffer)
  }

  @Test func `Fields are chosen without case, in the order of the message`() {
    #expect(fields(["b", "a"], not: false) == "A: 1\r\n more\r\nB : 2\r\na: 3\r\n\r\n")
    #expect(fields(["x"], not: false) == "\r\n")
  }

  @Test func `All fields but some`() {
    #expect(fields(["A", "SUBJECT"], not: true) == "From mbox line\r\nB : 2\r\nno colon\r\n\r\n")
  }

  @Test func `Without an empty line in the message there is none in the answer`() {
    let bytes = message("A: 1\nB: 2\n")
    var buffer = ByteBuffer()
    HeaderFields.write(fields: [[0x61]], not: false, of: bytes.span.bytes, header: 0..<bytes.count, into: &buffer)
    #expect(String(buffer: buffer) == "A: 1\r\n")
  }

  @Test func `Values are found, unfolded and decoded`() throws {
    let header = bytes.index.root.headerRange
    let found = HeaderFields.firstValue("SUBJECT", of: bytes.span.bytes, header: header)
    let value = try #require(found)
    #expect(String(decoding: HeaderFields.unfolded(bytes.span.bytes, value), as: UTF8.self) == "=?utf-8?q?=C3=A9?= x")
    #expect(HeaderFields.decodedValue(bytes.span.bytes, value) == "\u{E9} x")
    #expect(HeaderFields.firstValue("C", of: bytes.span.bytes, header: header) == nil)
  }

  @Test func `Fields cover the header without gaps`() {
    var position = 0
    HeaderFields.forEach(bytes.span.bytes, in: bytes.index.root.headerRange) { name, value, whole in
      #expect(whole.lowerBound == position)
      #expect(whole.contains(name.lowerBound) && value.upperBound <= whole.upperBound)
      position = whole.upperBound
      return true
    }
    #expect(position == bytes.index.headerLength - 2)
  }
}
