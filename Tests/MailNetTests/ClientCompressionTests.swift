import NIOCore
import NIOPosix
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct ClientCompressionTests {
  /// `* OK hello, hello, hello` CR LF and a sync flush, by Python's zlib.
  private static let hello: [UInt8] = [
    210, 82, 240, 247, 86, 200, 72, 205, 201, 201, 215, 65, 161, 120, 185, 0, 0, 0, 0, 255, 255,
  ]

  @Test func `Both directions are compressed after the change, and what came with the OK is not lost`() async throws {
    try await RawServer.run { peer in
      _ = try await peer.line()
      try await peer.send("OK\r\n")
      var compressed = ByteBuffer(bytes: Self.hello)
      try await peer.channel.writeAndFlush(compressed.readSlice(length: 7) ?? ByteBuffer())
      try await peer.channel.writeAndFlush(compressed)
      // Echo through a pair of our own.
      guard let inflater = Inflater(), let deflater = Deflater() else { return }
      var echoed = 0
      while echoed < 100_000 {
        inflater.feed(try await peer.read(1))
        while let piece = inflater.next() {
          echoed += piece.readableBytes
          if let answer = deflater.deflate(piece) { try await peer.channel.writeAndFlush(answer) }
        }
      }
    } _: { server in
      let connection = try await server.connect()
      try await connection.send("COMPRESS\r\n")
      var first = try await connection.read(4 + 7)
      #expect(first.readString(length: 4) == "OK\r\n")
      try await connection.startCompression(pending: first)
      #expect(try await connection.read(until: "\n") == "* OK hello, hello, hello\r\n")
    }
  }

  @Test func `A round trip through both`() async throws {
    let text = (0..<5000).map { "* \($0) FETCH (UID \($0) FLAGS (\\Seen))\r\n" }.joined()
    try await RawServer.run { peer in
      guard let inflater = Inflater(), let deflater = Deflater() else { return }
      var all = ByteBuffer()
      while all.readableBytes < text.utf8.count {
        inflater.feed(try await peer.read(1))
        while let piece = inflater.next() { all.writeImmutableBuffer(piece) }
      }
      if let answer = deflater.deflate(all) { try await peer.channel.writeAndFlush(answer) }
    } _: { server in
      let connection = try await server.connect()
      try await connection.startCompression(pending: ByteBuffer())
      var rest = ByteBuffer(string: text)
      while let piece = rest.readSlice(length: min(rest.readableBytes, 1000)), piece.readableBytes > 0 {
        try await connection.send(piece)
      }
      #expect(String(buffer: try await connection.read(text.utf8.count)) == text)
      let counters = connection.counters
      #expect(counters.sent == Int64(text.utf8.count))
      #expect(counters.received == Int64(text.utf8.count))
      #expect(counters.wireSent < counters.sent / 3)
      #expect(counters.wireReceived < counters.received / 3)
      await #expect(throws: ClientError.self) { try await connection.startCompression(pending: ByteBuffer()) }
    }
  }

  @Test func `A bomb comes in small pieces, as slowly as it is asked for`() async throws {
    let amount = 256 << 20
    let made = Deflater()?.deflate(ByteBuffer(repeating: 0, count: amount))
    let bomb = try #require(made)
    try #require(bomb.readableBytes < amount / 500)
    try await RawServer.run { peer in
      try await peer.channel.writeAndFlush(bomb)
      _ = await peer.rest()
    } _: { server in
      let connection = try await server.connect()
      try await connection.startCompression(pending: ByteBuffer())
      var count = 0
      while count < amount, let piece = try await connection.receive() {
        count += piece.readableBytes
        guard piece.readableBytes <= ClientNetLimits.inflatedPiece, piece.storageCapacity <= 512 << 10 else {
          throw Unexpected(piece.readableBytes)
        }
      }
      #expect(count == amount)
    }
  }

  @Test(arguments: [[0xFF, 0xFF, 0xFF], [0x03, 0x00], Array("* OK plain text after all\r\n".utf8)] as [[UInt8]])
  func `What is no DEFLATE stream, or ends it, breaks the protocol`(bytes: [UInt8]) async throws {
    try await RawServer.run { peer in
      try await peer.channel.writeAndFlush(ByteBuffer(bytes: bytes))
      _ = await peer.rest()
    } _: { server in
      let connection = try await server.connect()
      try await connection.startCompression(pending: ByteBuffer())
      let error = await #expect(throws: ClientError.self) {
        while try await connection.receive() != nil {}
      }
      #expect(error?.kind == .protocolViolation("what it sends is no DEFLATE stream"))
    }
  }

  @Test func `Pieces of any size go in and come out whole`() throws {
    let text = ByteBuffer(bytes: (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) })
    let deflater = try #require(Deflater())
    let inflater = try #require(Inflater())
    var compressed = try #require(deflater.deflate(text))
    var all = ByteBuffer()
    while compressed.readableBytes > 0 {
      let piece = compressed.readSlice(length: min(compressed.readableBytes, 777))
      inflater.feed(try #require(piece))
      while let piece = inflater.next() { all.writeImmutableBuffer(piece) }
    }
    #expect(all == text)
    #expect(!inflater.isDamaged)
  }
}
