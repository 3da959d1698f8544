import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailNet

@Suite(.timeLimit(.minutes(1)))
struct ClientBackpressureTests {
  private static let amount = 50 << 20

  /// Sends `amount` octets and then the end, waiting for room all the time; `sent` says how far it got.
  private static func flood(_ peer: TestClient, _ sent: borrowing Atomic<Int>) async throws {
    let piece = ByteBuffer(repeating: 0x78, count: 64 << 10)
    for _ in 0..<(amount / piece.readableBytes) {
      try await peer.channel.writeAndFlush(piece)
      sent.wrappingAdd(piece.readableBytes, ordering: .relaxed)
    }
  }

  @Test(arguments: [false, true])
  func `Who does not read is not sent more than a bound`(withTLS: Bool) async throws {
    let certificates = try TestCertificates()
    let files = try certificates.signed(names: ["IP:127.0.0.1"], file: "a")
    let sent = Count()
    try await RawServer.run(tls: withTLS ? try certificates.server(files) : nil) { peer in
      try await Self.flood(peer, sent.value)
    } _: { server in
      let connection = try await server.connect(
        withTLS ? .implicit : .none, trust: .authorities(file: files.chain))
      // The server gets no further: what both kernels hold, and our mark.
      var (before, still) = (-1, 0)
      while still < 20 {
        try await Task.sleep(for: .milliseconds(10))
        let now = sent.value.load(ordering: .relaxed)
        still = now == before && now > 0 ? still + 1 : 0
        before = now
      }
      #expect(before < Self.amount)
      guard case .bytes(let first, let resume) = connection.pipe.take() else { throw Unexpected("nothing there") }
      #expect(resume)
      let bound = ClientNetLimits.incomingHighWater + 3 * ClientNetLimits.largestRead
      #expect((ClientNetLimits.incomingHighWater...bound).contains(first.readableBytes))
      // And all of it comes when it is asked for.
      connection.onLoop { $0.setReading(true) }
      var count = first.readableBytes
      while let more = try await connection.receive() {
        count += more.readableBytes
        #expect(more.readableBytes <= bound)
      }
      #expect(count == Self.amount)
    }
  }

  @Test func `A send waits while the server takes nothing, and is not for ever`() async throws {
    let hold = Gate()
    try await RawServer.run(autoRead: false, receiveBuffer: 32 << 10) { _ in
      await hold.pass()
    } _: { server in
      var timeouts = ClientTimeouts()
      timeouts.silence = .milliseconds(100)
      let connection = try await server.connect(timeouts: timeouts)
      let piece = ByteBuffer(repeating: 0x78, count: 64 << 10)
      var count = 0
      let error = await #expect(throws: ClientError.self) {
        while count < Self.amount {
          try await connection.send(piece)
          count += piece.readableBytes
        }
      }
      #expect(error?.kind == .timedOut(waitingFor: "the server to take what was sent"))
      #expect(count < Self.amount)
      hold.open()
    }
  }

  @Test func `A large send to a slow server arrives whole`() async throws {
    let amount = 8 << 20
    try await RawServer.run(receiveBuffer: 32 << 10) { peer in
      var left = amount
      while left > 0 {
        left -= try await peer.read(min(left, 64 << 10)).readableBytes
      }
      try await peer.send("done\r\n")
    } _: { server in
      let connection = try await server.connect()
      try await connection.send(ByteBuffer(repeating: 0x79, count: amount))
      #expect(try await connection.read(until: "\n") == "done\r\n")
    }
  }

  @Test func `A cancelled task stops waiting for room`() async throws {
    let hold = Gate()
    try await RawServer.run(autoRead: false, receiveBuffer: 32 << 10) { _ in
      await hold.pass()
    } _: { server in
      let connection = try await server.connect()
      let sending = Task {
        while true { try await connection.send(ByteBuffer(repeating: 0x78, count: 256 << 10)) }
      }
      try await Task.sleep(for: .milliseconds(30))
      sending.cancel()
      await #expect(throws: ClientError(.cancelled, server: "\(server.address)")) { try await sending.value }
      hold.open()
    }
  }
}

private final class Count: Sendable {
  let value = Atomic<Int>(0)
}
