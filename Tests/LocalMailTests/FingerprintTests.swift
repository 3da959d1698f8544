import Crypto
import LocalMail
import MailTestKit
import NIOCore
import Testing

@Suite struct FingerprintTests {
  @Test func `CRLF and LF have the same fingerprint, wherever the pieces are cut`() {
    let wire = Array("a: b\r\n\r\nx\r\r\ny\n\rz\r\n\r".utf8)
    let expected = Array(SHA256.hash(data: Array("a: b\n\nx\r\ny\n\rz\n\r".utf8)))
    for first in 0...wire.count {
      for second in first...wire.count {
        var stream = FingerprintStream()
        stream.update(ByteBuffer(bytes: wire[..<first]))
        stream.update(ByteBuffer(bytes: wire[first..<second]))
        stream.update(ByteBuffer(bytes: wire[second...]))
        #expect(stream.finish().bytes == expected, "cut at \(first) and \(second)")
      }
    }
  }

  @Test func `A message kept with LF is the same as on the wire`() {
    #expect(Fingerprint(of: ByteBuffer(string: "a\r\nb\r\n")) == Fingerprint(of: ByteBuffer(string: "a\nb\n")))
    #expect(Fingerprint(of: ByteBuffer(string: "a\rb")) != Fingerprint(of: ByteBuffer(string: "a\nb")))
    #expect(Fingerprint(of: ByteBuffer()).bytes == Array(SHA256.hash(data: [UInt8]())))
  }

  @Test func `Files larger than a piece are read whole`() async throws {
    try await withMaildir { folder in
      let text = String(repeating: "0123456789abcdef\r\n", count: 40_000)
      try write(text.replacing("\r\n", with: "\n"), to: folder.directory + "/cur/1.a:2,S")
      let entry = try #require(try folder.scan().first)
      #expect(try folder.fingerprint(of: entry) == Fingerprint(of: ByteBuffer(string: text)))
      #expect(try folder.wireSize(of: entry) == text.utf8.count)
      let reader = try folder.openWire(entry)
      var wire = ByteBuffer()
      while let piece = try reader.next() { wire.writeImmutableBuffer(piece) }
      #expect(String(buffer: wire) == text)
    }
  }
}
