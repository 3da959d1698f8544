import Bytes
import NIOCore
import Testing

@Suite struct Base64Tests {
  /// RFC 4648 §10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func `The vectors of RFC 4648 hold in both directions`(plain: String, encoded: String) {
    let written = Base64.encodedString(plain.utf8Span.span.bytes)
    #expect(written == encoded)
    #expect(Base64.decode(ByteBuffer(string: encoded)) == ByteBuffer(string: plain))
    #expect(Base64.decode(ByteBuffer(string: encoded), .tolerant) == ByteBuffer(string: plain))
    #expect(Base64.encodedLength(plain.utf8.count) == encoded.utf8.count)
  }

  @Test func `Every length of every octet comes back`() {
    for length in 0...300 {
      let bytes = ByteBuffer(bytes: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ length) })
      var encoded = ByteBuffer()
      Base64.encode(bytes, into: &encoded)
      #expect(Base64.decode(encoded) == bytes)
    }
  }

  @Test(arguments: [
    "Zg", "Zg=", "Zg===", "Z", "Z===", "Zm9v=", "Zm9v====", "Zh==", "Zm9=", "Zm 9v", "Zm9v\r\n", "=", "Zg==Zg==",
    "Z-8=",
  ])
  func `Strict decoding refuses what is not canonical`(text: String) {
    var buffer = ByteBuffer(string: "before")
    let isValid = Base64.decode(text.utf8Span.span.bytes, into: &buffer)
    #expect(!isValid)
    #expect(buffer == ByteBuffer(string: "before"))
  }

  @Test(arguments: [("Zg", "f"), ("Zm9v\r\nYg", "foob"), (" Z\tm9 v!", "foo"), ("Zg==junk", "f"), ("Zh==", "f")])
  func `Tolerant decoding takes what can be taken`(text: String, plain: String) {
    #expect(Base64.decode(ByteBuffer(string: text), .tolerant) == ByteBuffer(string: plain))
  }
}
