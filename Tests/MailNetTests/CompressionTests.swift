import NIOCore
import Testing

@testable import MailNet

/// A client's stream for the layer, and what it holds.
private struct ClientStream {
  let deflater: Deflater
  init() throws { deflater = try #require(Deflater()) }
  func compress(_ text: String) throws -> ByteBuffer { try #require(deflater.deflate(ByteBuffer(string: text))) }
}

extension CompressionLayer {
  /// All that comes out of `input`; nil when it is damaged.
  fileprivate func all(_ input: inout ByteBuffer) -> String? {
    while true {
      switch inflate(&input) {
      case .piece: continue
      case .needsInput, .ended:
        let text = String(buffer: plain)
        plain = ByteBuffer()
        return text
      case .failed: return nil
      }
    }
  }
}

/// One after the other: deflaters are counted in the process.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct CompressionTests {
  @Test func `However the stream is cut, and however often it rests, the same comes out both ways`() throws {
    for seed in 0..<60 {
      var generator = SplitMix(UInt64(seed))
      let client = try ClientStream()
      let layer = CompressionLayer(allowance: 1 << 20)
      let reader = try #require(Inflater())
      for number in 0..<40 {
        let text = "a\(number) UID FETCH \(generator.next() % 9) (FLAGS ENVELOPE)\r\n"
        var bytes = try client.compress(text)
        var heard = ""
        var input = ByteBuffer()
        while bytes.readableBytes > 0 {
          let count = min(bytes.readableBytes, 1 + Int(generator.next() % 12))
          input.writeImmutableBuffer(bytes.readSlice(length: count) ?? ByteBuffer())
          let piece = layer.all(&input)
          heard += try #require(piece)
        }
        #expect(heard == text)
        if generator.next() % 3 == 0 {
          while !layer.rest() {}
          #expect(layer.octetsHeld < 8 << 10)
        }
        let answer = String(repeating: "* \(number) FETCH (FLAGS (\\Seen))\r\n", count: Int(generator.next() % 30))
        reader.feed(try #require(layer.deflate(ByteBuffer(string: answer))))
        var back = ""
        while let piece = reader.next() { back += String(buffer: piece) }
        #expect(back == answer && !reader.isDamaged)
      }
    }
    #expect(CompressionLayer.deflatersInUse == 0)
  }

  @Test func `At rest a connection keeps what its client has said, and nothing else`() throws {
    let client = try ClientStream()
    let layer = CompressionLayer(allowance: 1 << 20)
    var input = try client.compress("a1 LOGIN budi rahasia\r\n")
    _ = layer.all(&input)
    _ = layer.deflate(ByteBuffer(repeating: 65, count: 5000))
    #expect(layer.octetsHeld > 256 << 10)
    #expect(!layer.rest())
    #expect(layer.rest())
    #expect(layer.octetsHeld < 100)
    // What the client says next refers to what it said before.
    input = try client.compress("a2 LOGIN budi rahasia\r\n")
    #expect(input.readableBytes < 20)
    #expect(layer.all(&input) == "a2 LOGIN budi rahasia\r\n")
  }

  @Test func `Short answers need no deflater, and without one left long ones go out as they are`() throws {
    let layer = CompressionLayer(allowance: 0)
    let reader = try #require(Inflater())
    func echo(_ bytes: ByteBuffer) throws -> Int {
      let sent = try #require(layer.deflate(bytes))
      reader.feed(sent)
      var back = ByteBuffer()
      while let piece = reader.next() { back.writeImmutableBuffer(piece) }
      #expect(back == bytes && !reader.isDamaged)
      return sent.readableBytes
    }
    #expect(try echo(ByteBuffer(string: "* 3 EXISTS\r\n")) == 12 + 5)
    let busy = (0..<CompressionLimits.deflaters).map { _ in CompressionLayer(allowance: 0) }
    for other in busy { _ = other.deflate(ByteBuffer(repeating: 65, count: 1000)) }
    #expect(try echo(ByteBuffer(repeating: 65, count: 70_000)) == 70_000 + 10)
    while !busy[0].rest() {}
    #expect(try echo(ByteBuffer(repeating: 65, count: 70_000)) < 1000)
    // Once it has one, short answers go through it as well.
    #expect(try echo(ByteBuffer(string: "* 3 EXISTS\r\n")) > 0)
    #expect(try echo(ByteBuffer(repeating: 66, count: 70_000)) < 1000)
  }

  @Test func `Behind the command that ends it all is plain, wherever the stream is cut`() throws {
    for cut in 0..<60 {
      let client = try ClientStream()
      let layer = CompressionLayer(allowance: 1 << 20)
      var wire = try client.compress("a1 NOOP\r\n")
      wire.writeImmutableBuffer(try client.compress("a2 UNAUTHENTICATE\r\n"))
      let compressed = wire.readableBytes
      wire.writeString("a3 LOGIN budi rahasia\r\n")
      var heard = ""
      var plain = ByteBuffer()
      var input = ByteBuffer()
      var isOver = false
      var rest = wire
      for part in [rest.readSlice(length: min(cut, rest.readableBytes)), rest].compactMap(\.self) {
        input.writeImmutableBuffer(part)
        while !isOver {
          let result = layer.inflate(&input)
          heard += layer.plain.readString(length: layer.plain.readableBytes) ?? ""
          if heard.hasSuffix("UNAUTHENTICATE\r\n"), !layer.isEnding, layer.end() { isOver = true }
          if case .ended = result { isOver = true }
          if case .failed(let why) = result { Issue.record("\(why), cut at \(cut) of \(compressed)") }
          if case .needsInput = result { break }
        }
        if isOver {
          plain.writeImmutableBuffer(input)
          input = ByteBuffer()
        }
      }
      #expect(heard == "a1 NOOP\r\na2 UNAUTHENTICATE\r\n")
      #expect(String(buffer: plain) == "a3 LOGIN budi rahasia\r\n", "cut at \(cut) of \(compressed)")
    }
  }

  @Test func `A stream that ends with the command that ends it is no mistake; any other end is`() throws {
    // `a UNAUTHENTICATE` CR LF in one stored block, which is the last (RFC 1951 §3.2.4).
    let text = "a UNAUTHENTICATE\r\n"
    var wire = ByteBuffer(bytes: [1, UInt8(text.utf8.count), 0, ~UInt8(text.utf8.count), 255])
    wire.writeString(text + "b LOGIN")
    for isExpected in [true, false] {
      let layer = CompressionLayer(allowance: 0)
      var input = wire
      guard case .piece = layer.inflate(&input) else {
        Issue.record("nothing came out")
        return
      }
      #expect(String(buffer: layer.plain) == text)
      if isExpected {
        #expect(layer.end())
        #expect(String(buffer: input) == "b LOGIN")
      } else if case .failed = layer.inflate(&input) {
      } else {
        Issue.record("it goes on behind the end")
      }
    }
  }

  @Test func `A bomb comes in small pieces and is refused beyond what the session allows`() throws {
    let client = try #require(Deflater())
    var bomb = try #require(client.deflate(ByteBuffer(repeating: 65, count: 64 << 20)))
    let layer = CompressionLayer(allowance: 4 << 20)
    var total = 0
    while true {
      let result = layer.inflate(&bomb)
      #expect(layer.plain.readableBytes <= CompressionLimits.inflatedPiece)
      total += layer.plain.readableBytes
      layer.plain = ByteBuffer()
      if case .failed(let why) = result {
        #expect(why.contains("bomb"))
        break
      }
      if case .needsInput = result { break }
    }
    #expect(total < 6 << 20)
  }

  // MARK: On a connection

  /// Reads what a server compresses.
  private func inflated(_ client: TestClient, _ inflater: Inflater, until end: String) async throws -> String {
    var text = ""
    while !text.hasSuffix(end) {
      inflater.feed(try await client.read(1))
      while let piece = inflater.next() { text += String(buffer: piece) }
      if inflater.isDamaged { throw TestClient.Ended() }
    }
    return text
  }

  @Test func `A connection compresses from the answer on, and what came with the request is compressed`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let stream = try ClientStream()
      var first = ByteBuffer(string: "compress\r\n")
      first.writeImmutableBuffer(try stream.compress("echo satu\r\necho dua\r\n"))
      try await client.channel.writeAndFlush(first)
      #expect(try await client.line() == "go")
      let inflater = try #require(Inflater())
      #expect(try await inflated(client, inflater, until: "dua\r\n") == "satu\r\ndua\r\n")
      // One octet at a time, the flush last.
      var slow = try stream.compress("echo tiga\r\n")
      while let octet = slow.readSlice(length: 1) { try await client.channel.writeAndFlush(octet) }
      #expect(try await inflated(client, inflater, until: "tiga\r\n") == "tiga\r\n")
      // While the session is paused nothing is inflated; then all of it is.
      var held = try stream.compress("wait\r\necho empat\r\n")
      held.writeImmutableBuffer(try stream.compress("echo lima\r\n"))
      try await client.channel.writeAndFlush(held)
      server.gate.open()
      #expect(try await inflated(client, inflater, until: "lima\r\n") == "waited\r\nempat\r\nlima\r\n")
      // Back to plain, with more in the same segment.
      var last = try stream.compress("plain\r\n")
      last.writeString("echo enam\r\nquit\r\n")
      try await client.channel.writeAndFlush(last)
      #expect(try await inflated(client, inflater, until: "again\r\n") == "plain again\r\n")
      // The empty block of the flush may stand before it.
      #expect(await client.rest().hasSuffix("enam\r\nbye\r\n"))
    }
  }

  @Test func `A session that stopped and went on is not given compressed octets`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let stream = try ClientStream()
      var all = ByteBuffer(string: "again\r\ncompress\r\n")
      all.writeImmutableBuffer(try stream.compress("again\r\necho satu\r\nec"))
      all.writeImmutableBuffer(try stream.compress("ho dua\r\n"))
      try await client.channel.writeAndFlush(all)
      #expect(try await client.line() == "again")
      #expect(try await client.line() == "go")
      let inflater = try #require(Inflater())
      #expect(try await inflated(client, inflater, until: "dua\r\n") == "again\r\nsatu\r\ndua\r\n")
    }
  }

  @Test func `A large answer to a reader that is slow is held up as without compression`() async throws {
    try await withServer { server in
      let client = try await server.client(autoRead: true)
      #expect(try await client.line() == "hello")
      let stream = try ClientStream()
      try await client.send("compress\r\n")
      #expect(try await client.line() == "go")
      let flood = 8 << 20
      try await client.channel.writeAndFlush(try stream.compress("flood \(flood)\r\n"))
      let inflater = try #require(Inflater())
      let text = try await inflated(client, inflater, until: "done\r\n")
      #expect(text.utf8.count == flood + 6)
    }
  }

  @Test func `A client that goes away in the middle of its stream still gets its answers`() async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      let stream = try ClientStream()
      var all = ByteBuffer(string: "compress\r\n")
      let lines = (0..<20_000).map { "echo \($0)\r\n" }.joined()
      all.writeImmutableBuffer(try stream.compress(lines))
      try await client.channel.writeAndFlush(all)
      try await client.endOutput()
      #expect(try await client.line() == "go")
      let inflater = try #require(Inflater())
      #expect(try await inflated(client, inflater, until: "19999\r\n").split(separator: "\r\n").count == 20_000)
    }
  }

  @Test(arguments: ["\u{3}\u{0}", "plain text\r\n"])
  func `What is no stream, or ends it, ends the connection`(text: String) async throws {
    try await withServer { server in
      let client = try await server.greetedClient()
      try await client.send("compress\r\n" + text)
      #expect(try await client.line() == "go")
      _ = await client.rest()
      await server.log.until { $0.closed.count == 1 }
      #expect(server.log.now.closed != [.peerClosed])
    }
  }
}

/// Small, and the same each time.
private struct SplitMix {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
