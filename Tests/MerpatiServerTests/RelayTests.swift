import Foundation
import NIOCore
import Testing

@testable import MerpatiServer

@Suite struct RelayTests {
  @Test func `Chunks arrive in order and whole`() async throws {
    let relay = ChunkRelay()
    let reader = Task {
      var all = ByteBuffer()
      for try await chunk in relay { all.writeImmutableBuffer(chunk) }
      return String(buffer: all)
    }
    for number in 0..<500 { await relay.send(ByteBuffer(string: "\(number),")) }
    relay.end()
    #expect(try await reader.value == (0..<500).map { "\($0)," }.joined())
  }

  @Test func `A sender that goes away in the middle is not the end of the message`() async {
    let relay = ChunkRelay()
    let reader = Task { for try await _ in relay {} }
    await relay.send(ByteBuffer(string: "half"))
    relay.fail()
    await #expect(throws: ChunkRelay.SenderGone.self) { try await reader.value }
  }

  @Test func `A reader that wants no more does not hold the sender up`() async {
    let relay = ChunkRelay()
    relay.stop()
    await relay.send(ByteBuffer(string: "more"))
    await relay.send(ByteBuffer(string: "and more"))
  }
}

@Suite struct ControlReplyTests {
  @Test func `The line for a connection over a limit reads as a failure to try again`() throws {
    let reply = try JSONDecoder().decode(ControlReply.self, from: Data(ControlSession.refusal.utf8))
    #expect(reply.failure?.code == .temporary)
    #expect(reply.isAnswer)
  }

  @Test func `An empty reply is no answer`() throws {
    #expect(try JSONDecoder().decode(ControlReply.self, from: Data("{}".utf8)).isAnswer == false)
  }
}
