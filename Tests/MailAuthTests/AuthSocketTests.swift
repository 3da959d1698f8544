import Foundation
import Logging
import MailNet
import MailStore
import NIOCore
import NIOPosix
import SASL
import Synchronization
import Testing

@testable import AuthServer
@testable import MailAuth

/// An MTA process: what is written is written byte for byte, what comes is read by lines.
private final class MTA {
  private let channel: any Channel
  private let lines: AsyncThrowingStream<String, any Error>

  init(path: String) async throws {
    let (stream, continuation) = AsyncThrowingStream.makeStream(of: String.self)
    lines = stream
    channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Lines(continuation))
        }
      }.connect(unixDomainSocketPath: path).get()
  }

  func say(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }
  /// Nil at the end of the connection.
  func hear() async throws -> String? {
    for try await line in lines { return line }
    return nil
  }
  func handshake() async throws -> [String] {
    try await say("VERSION\t1\t1\nCPID\t4711\n")
    var heard: [String] = []
    while let line = try await hear() {
      heard.append(line)
      if line == "DONE" { break }
    }
    return heard
  }
  func close() async { try? await channel.close() }
}

private final class Lines: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let out: AsyncThrowingStream<String, any Error>.Continuation
  private var rest = ByteBuffer()
  init(_ out: AsyncThrowingStream<String, any Error>.Continuation) { self.out = out }
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    rest.writeImmutableBuffer(unwrapInboundIn(data))
    while let end = rest.readableBytesView.firstIndex(of: 10) {
      out.yield(rest.readString(length: end - rest.readerIndex) ?? "")
      rest.moveReaderIndex(forwardBy: 1)
    }
  }
  func channelInactive(context: ChannelHandlerContext) { out.finish() }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

@Suite(.timeLimit(.minutes(1)))
struct AuthSocketTests {
  private func withSocket(
    _ bench: AuthBench, _ body: (String) async throws -> Void
  ) async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("auth-\(UUID().uuidString.prefix(8))").path
    let log = Logger(label: "test") { _ in KeepingLog(lines: bench.lines) }
    let server = AuthServer(authenticator: bench.authenticator, process: 99, logger: log)
    let listener = Listener(
      settings: ListenerSettings(
        name: "auth", address: .unix(path: path, mode: 0o660), implicitTLS: false, refusalLine: "",
        maxBuffered: 2 * AuthServerLimits.line), tls: nil, group: MultiThreadedEventLoopGroup.singleton,
      makeSession: { server.makeSession($0) }, logger: Logger(label: "x") { _ in SwiftLogNoOpLogHandler() })
    try await listener.bind()
    let result: Result<Void, any Error>
    do {
      try await body(path)
      result = .success(())
    } catch { result = .failure(error) }
    await listener.shutdown(grace: .zero)
    try result.get()
  }

  private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

  @Test func `Postfix, octet by octet`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("budi", credentials: try AuthBench.scram("rahasia"))
      bench.store.add("off", credentials: try AuthBench.scram("rahasia"), isEnabled: false)
      await bench.authenticator.refresh()
      try await withSocket(bench) { path in
        let mta = try await MTA(path: path)
        let heard = try await mta.handshake()
        #expect(
          heard.prefix(5) == [
            "VERSION\t1\t2", "MECH\tSCRAM-SHA-256\tmutual-auth", "MECH\tSCRAM-SHA-1\tmutual-auth",
            "MECH\tPLAIN\tplaintext", "MECH\tLOGIN\tplaintext",
          ])
        #expect(heard.contains("SPID\t99"))
        #expect(heard.contains { $0.hasPrefix("CUID\t") })
        #expect(heard.contains { $0.wholeMatch(of: #/COOKIE\t[0-9a-f]{32}/#) != nil })
        let ask = "service=smtp\tnologin\tlip=127.0.0.1\trip=192.0.2.7"
        try await mta.say("AUTH\t1\tPLAIN\t\(ask)\tsecured\tresp=\(base64("\0budi\0rahasia"))\n")
        #expect(try await mta.hear() == "OK\t1\tuser=budi")
        try await mta.say("AUTH\t2\tPLAIN\t\(ask)\tresp=\(base64("\0budi\0salah"))\n")
        #expect(try await mta.hear() == "FAIL\t2\tuser=budi")
        try await mta.say("AUTH\t3\tLOGIN\t\(ask)\n")
        #expect(try await mta.hear() == "CONT\t3\t\(base64("Username:"))")
        try await mta.say("CONT\t3\t\(base64("budi"))\n")
        #expect(try await mta.hear() == "CONT\t3\t\(base64("Password:"))")
        try await mta.say("CONT\t3\t\(base64("rahasia"))\n")
        #expect(try await mta.hear() == "OK\t3\tuser=budi")
        // PLAIN without an initial response, an empty one, what is no base64, and a mechanism that nobody has.
        try await mta.say("AUTH\t4\tPLAIN\t\(ask)\n")
        #expect(try await mta.hear() == "CONT\t4\t")
        try await mta.say("CONT\t4\t\(base64("\0budi\0rahasia"))\n")
        #expect(try await mta.hear() == "OK\t4\tuser=budi")
        try await mta.say("AUTH\t5\tPLAIN\t\(ask)\tresp=\n")
        #expect(try await mta.hear()?.hasPrefix("FAIL\t5\treason=") == true)
        try await mta.say("AUTH\t6\tPLAIN\t\(ask)\tresp=@@\n")
        #expect(try await mta.hear() == "FAIL\t6\treason=Invalid base64 data in initial response")
        try await mta.say("AUTH\t7\tCRAM-MD5\t\(ask)\n")
        #expect(try await mta.hear() == "FAIL\t7\treason=Unsupported authentication mechanism")
        try await mta.say("AUTH\t8\tEXTERNAL\t\(ask)\n")
        #expect(try await mta.hear() == "FAIL\t8\treason=Unsupported authentication mechanism")
        try await mta.say("AUTH\t9\tPLAIN\t\(ask)\tresp=\(base64("\0off\0rahasia"))\n")
        #expect(try await mta.hear() == "FAIL\t9\tuser=off\tcode=user_disabled")
        try await mta.say("AUTH\t10\tPLAIN\t\(ask)\tresp=\(base64("ana\0budi\0rahasia"))\n")
        #expect(try await mta.hear() == "FAIL\t10\tauthz")
        bench.store.setFailing(true)
        try await mta.say("AUTH\t11\tPLAIN\t\(ask)\tresp=\(base64("\0budi\0rahasia"))\n")
        #expect(try await mta.hear() == "FAIL\t11\tuser=budi\ttemp\tcode=temp_fail")
        bench.store.setFailing(false)
        await mta.close()
      }
      // In the books as any login, by the address of the MTA's client; nobody counts as logged in here.
      let lines = bench.lines.all
      #expect(
        lines.contains {
          $0.hasPrefix("info login account=budi") && $0.contains("listener=auth") && $0.contains("peer=192.0.2.7:0")
            && $0.contains("tls=secured")
        })
      #expect(lines.contains { $0.contains("login failed account=budi") && $0.contains("peer=192.0.2.7") })
      #expect(
        !lines.contains { $0.contains("rahasia") || $0.contains(base64("\0budi\0rahasia")) || $0.contains("salah") })
      #expect(bench.time.slept.first == .seconds(1))
      guard let account = try await bench.store.account(named: "budi") else { return }
      #expect(bench.authenticator.connectionCount(of: account.id) == 0)
    }
  }

  @Test func `SCRAM runs through the socket, and both sides are proven`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("budi", credentials: try AuthBench.scram("rahasia"))
      await bench.authenticator.refresh()
      try await withSocket(bench) { path in
        let mta = try await MTA(path: path)
        _ = try await mta.handshake()
        var client = SASLClientExchange(mechanism: .scramSHA256, username: "budi", password: Array("rahasia".utf8))
        let first = client.initialResponse().map { String(buffer: $0) } ?? ""
        try await mta.say("AUTH\t7\tSCRAM-SHA-256\tservice=smtp\tresp=\(base64(first))\n")
        var heard = try await mta.hear() ?? ""
        while heard.hasPrefix("CONT\t7\t") {
          let challenge = Data(base64Encoded: String(heard.dropFirst(7))) ?? Data()
          guard case .respond(let answer) = client.step(ByteBuffer(bytes: challenge)) else { break }
          try await mta.say("CONT\t7\t\(base64(String(buffer: answer)))\n")
          heard = try await mta.hear() ?? ""
        }
        #expect(heard == "OK\t7\tuser=budi")
        #expect(client.isServerProven)
        await mta.close()
      }
    }
  }

  @Test func `Exchanges of many clients run side by side over one connection`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("budi", credentials: try AuthBench.scram("rahasia"))
      try await withSocket(bench) { path in
        let mta = try await MTA(path: path)
        _ = try await mta.handshake()
        let good = base64("\0budi\0rahasia")
        var all = ""
        for id in 1...200 { all += "AUTH\t\(id)\tLOGIN\tservice=smtp\n" }
        for id in 201...400 { all += "AUTH\t\(id)\tPLAIN\tservice=smtp\tresp=\(good)\n" }
        try await mta.say(all)
        var answers: Set<String> = []
        for _ in 1...400 { answers.insert(try await mta.hear() ?? "end") }
        #expect(answers.count == 400)
        #expect((201...400).allSatisfy { answers.contains("OK\t\($0)\tuser=budi") })
        // Numbers are free again once answered; one that is forgotten is told to try later.
        try await mta.say("CANCEL\t5\nCONT\t5\tYQ==\nAUTH\t5\tPLAIN\tresp=\(good)\nAUTH\t300\tPLAIN\tresp=\(good)\n")
        #expect(try await mta.hear() == "FAIL\t5\ttemp\tcode=temp_fail")
        let last = Set([try await mta.hear(), try await mta.hear()])
        #expect(last == ["OK\t5\tuser=budi", "OK\t300\tuser=budi"])
        await mta.close()
      }
    }
  }

  @Test(arguments: [
    "VERSION\t2\t0\nCPID\t1\n", "CPID\t1\n", "AUTH\t1\tPLAIN\n", "VERSION\t1\t1\nAUTH\t1\tPLAIN\n", "VERSION\tx\ty\n",
    "VERSION\t1\t1\nCPID\t1\nAUTH\t-1\tPLAIN\n", "VERSION\t1\t1\nCPID\t1\nAUTH\t1\n",
    "VERSION\t1\t1\nCPID\t1\nAUTH\t99999999999\tPLAIN\n", "VERSION\t1\t1\nCPID\t1\nCONT\tx\n",
    "VERSION\t1\t1\nCPID\t1\nAUTH\t1\tLOGIN\nAUTH\t1\tLOGIN\n",
    "VERSION\t1\t1\nCPID\t1\n" + String(repeating: "x", count: AuthServerLimits.line + 10),
    "VERSION\t1\t1\nCPID\t1\nAUTH\t1\tPLAIN" + String(repeating: "\tx", count: AuthServerLimits.parameters) + "\n",
  ])
  func `Whoever speaks something else is sent away`(text: String) async throws {
    try await AuthBench.with { bench in
      try await withSocket(bench) { path in
        let mta = try await MTA(path: path)
        while let line = try await mta.hear(), line != "DONE" {}
        try await mta.say(text)
        while let line = try await mta.hear() { #expect(line.hasPrefix("CONT") || line.hasPrefix("FAIL")) }
      }
    }
  }

  @Test func `Lines of later versions, CR and odd parameters are passed over`() async throws {
    try await AuthBench.with { bench in
      bench.store.add("budi", credentials: try AuthBench.scram("rahasia"))
      try await withSocket(bench) { path in
        let mta = try await MTA(path: path)
        while let line = try await mta.hear(), line != "DONE" {}
        let good = base64("\0budi\0rahasia")
        try await mta.say("VERSION\t1\t0\r\nSERVICE\tSMTP\r\nCPID\t1\r\n")
        try await mta.say("AUTH\t1\tplain\tservice=smtp\trip=nowhere\tx\t=\tfoo=\u{1}tbar\tresp=\(good)\r\n")
        #expect(try await mta.hear() == "OK\t1\tuser=budi")
        await mta.close()
      }
    }
  }
}
