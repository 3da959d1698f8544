import Foundation
import LocalMail
import MailNet
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailPull

/// Targets that take messages one by one: a command, an LMTP server; and a store.
@Suite(.timeLimit(.minutes(1)))
struct DeliveryTargetTests {
  private func pipe(_ bench: PullBench, _ command: String, time: Duration = .seconds(20)) -> PipeTarget {
    PipeTarget(command: command, time: time, spoolFolder: bench.folder, threads: .singleton)
  }

  // MARK: Commands

  @Test(arguments: [Int.max, 40])
  func `A command gets each message on its standard input, whole`(_ wholeOctets: Int) async throws {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { $0.wholeOctets = wholeOctets }
    let expected = bench.server.bodies
    let out = bench.folder + "/out"
    try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
    let target = pipe(bench, "cat > \(out)/$(ls \(out) | wc -l)")
    #expect(try await bench.run(target: target).isComplete)
    let texts = try FileManager.default.contentsOfDirectory(atPath: out).map {
      try String(contentsOfFile: out + "/" + $0, encoding: .utf8)
    }
    #expect(texts.sorted() == expected)
    #expect(bench.server.bodies.isEmpty)
  }

  @Test func `Exit statuses are read as sysexits, and what the command says is in the error`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let script = "grep -q 'number 5' && { echo 'no such user' >&2; exit 67; }; exit 0"
    let report = try await bench.run(target: pipe(bench, script))
    #expect((report.landed, report.failed) == (11, 1))
    #expect(report.failures.first?.reason == "'\(script)' refused it (exit 67): no such user")
    #expect(bench.server.bodies == [FakeServer.mail(5)])
    let later = try await bench.run(target: pipe(bench, "exit 75"))
    #expect(later.stopped?.isTemporary == true)
    #expect(later.failed == 1)
    #expect(try await bench.run(target: pipe(bench, "true")).isComplete)
  }

  @Test func `A command that hangs is killed, with what it started, and its message is in doubt`() async throws {
    let bench = PullBench(Array(FakeServer.twelve().prefix(1)))
    let report = try await bench.run(target: pipe(bench, "sleep 600 & sleep 600", time: .milliseconds(50)))
    #expect((report.landed, report.failed, report.kept) == (0, 1, 1))
    #expect(report.failures.first?.reason.contains("took too long") == true)
  }

  @Test func `A command that talks without end, or reads nothing, does no harm`() async throws {
    let bench = PullBench(Array(FakeServer.twelve().prefix(2)))
    let talk = "head -c 3000000 /dev/zero | tr '\\0' x; echo last words; exit 1"
    let report = try await bench.run(target: pipe(bench, talk))
    let reason = try #require(report.failures.first?.reason)
    #expect(reason.hasSuffix("last words"))
    #expect(reason.utf8.count < PullLimits.pipeOutput + 200)
    #expect(try await bench.run(target: pipe(bench, "exit 0")).landed == 2)
  }

  @Test func `The mail account's password is not in the command's environment`() async throws {
    setenv("MERPATI_PASSWORD", "geheim", 1)
    defer { unsetenv("MERPATI_PASSWORD") }
    let bench = PullBench(Array(FakeServer.twelve().prefix(1)))
    let report = try await bench.run(target: pipe(bench, "env; exit 1"))
    let reason = try #require(report.failures.first?.reason)
    #expect(reason.contains("PATH="))
    #expect(!reason.contains("geheim"))
  }

  @Test func `A command inherits no open file and no variable that holds a password`() async throws {
    setenv("PULL_TEST_SECRET", "geheim", 1)
    defer { unsetenv("PULL_TEST_SECRET") }
    // As SwiftNIO's sockets are: open, and to stay so on exec.
    let open = dup(0)
    defer { close(open) }
    let bench = PullBench(Array(FakeServer.twelve().prefix(1)))
    let target = PipeTarget(
      command: "env; ls -l /dev/fd/; exit 1", hiding: ["PULL_TEST_SECRET"], spoolFolder: bench.folder,
      threads: .singleton)
    let reason = try #require(try await bench.run(target: target).failures.first?.reason)
    #expect(!reason.contains("geheim"))
    #expect(!reason.contains(" \(open) ->"))
  }

  // MARK: LMTP

  private func lmtp(_ bench: PullBench, _ server: FakeLMTP) -> LMTPTarget {
    LMTPTarget(
      name: "lmtp:fake", recipient: "ana@home", spoolFolder: bench.folder, threads: .singleton, connector: server)
  }

  @Test(arguments: [Int.max, 40])
  func `An LMTP server gets each message, from the Return-Path`(_ wholeOctets: Int) async throws {
    let bench = PullBench(
      FakeServer.twelve() + [.init(uidl: "r", bytes: "Return-Path: <budi@away>\r\n" + FakeServer.mail(13))])
    bench.server.set { $0.wholeOctets = wholeOctets }
    let expected = bench.server.bodies
    let server = FakeLMTP()
    #expect(try await bench.run(target: lmtp(bench, server)).isComplete)
    #expect(server.now.taken.map(\.text).sorted() == expected)
    #expect(server.now.taken.filter { $0.sender == "budi@away" }.count == 1)
    #expect(Set(server.now.taken.map(\.recipient)) == ["ana@home"])
    #expect((server.now.connections, server.now.quits) == (1, 1))
  }

  @Test func `Replies decide: 5yz stays for good, 4yz is tried again, a lost answer is in doubt`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let server = FakeLMTP()
    server.set {
      $0.codes = ["number 2\r\n": "550", "number 3\r\n": "452"]
      $0.losesAnswerTo = "number 7\r\n"
    }
    let report = try await bench.run(target: lmtp(bench, server))
    #expect((report.landed, report.failed) == (9, 3))
    #expect(report.stopped?.isTemporary == true)
    #expect(report.failures.map(\.number).count == 3)
    #expect(bench.server.bodies.count == 3)
    // The one in doubt was taken, in fact; it is not sent again.
    server.set { $0.codes = [:] }
    let second = try await bench.run(target: lmtp(bench, server))
    #expect((second.landed, second.failed, second.kept) == (2, 1, 1))
    #expect(server.now.taken.count == 12)
  }

  @Test func `An LMTP server that is not there is waited for, and nothing is in doubt`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let server = FakeLMTP()
    server.set {
      $0.refusedConnections = 2
      $0.dropsBefore = "number 7\r\n"
    }
    let report = try await bench.run(target: lmtp(bench, server))
    #expect(report.isComplete)
    #expect(server.now.taken.count == 12)
  }

  // MARK: A store

  @Test func `A store gets batches, and is asked what it has after a crash`() async throws {
    for knows in [true, false] {
      let bench = PullBench(FakeServer.twelve())
      let door = FakeDoor(knows: knows)
      func target() -> StoreTarget {
        StoreTarget(name: "store:x", door: door, spoolFolder: bench.folder, threads: .singleton)
      }
      door.crashAfter.withLock { $0 = 2 }
      let first = try await bench.run(.with(.delete, batch: 5), target: target())
      #expect(first.stopped != nil)
      door.crashAfter.withLock { $0 = .max }
      let report = try await bench.run(.with(.delete, batch: 5), target: target())
      if knows {
        #expect(report.isComplete)
        #expect(door.texts.withLock { $0.sorted() } == FakeServer.twelve().map(\.bytes).sorted())
        #expect(bench.server.bodies.isEmpty)
      } else {
        // The second batch is in doubt, and on the server.
        #expect((report.failed, report.kept) == (5, 5))
      }
    }
  }
}

private final class FakeDoor: StoreDoor {
  let knows: Bool
  let texts = Mutex<[String]>([])
  let prints = Mutex<Set<Fingerprint>>([])
  /// The batch with this number is taken, and its answer lost.
  let crashAfter = Mutex(Int.max)
  private let batches = Mutex(0)

  init(knows: Bool) { self.knows = knows }

  func append(_ messages: [StoreMessage], to mailbox: [String]) async throws -> [String] {
    for message in messages {
      guard case .whole(let bytes) = message.content else { throw Crash() }
      texts.withLock { $0.append(String(buffer: bytes)) }
      prints.withLock { _ = $0.insert(message.fingerprint) }
    }
    let number = batches.withLock { count in
      count += 1
      return count
    }
    if number == crashAfter.withLock({ $0 }) { throw Crash() }
    return messages.map { _ in "uid" }
  }

  func contains(_ fingerprints: Set<Fingerprint>, in mailbox: [String]) async throws -> Set<Fingerprint>? {
    knows ? prints.withLock { $0.intersection(fingerprints) } : nil
  }
}

/// An LMTP server in memory.
private final class FakeLMTP: LMTPConnector {
  struct Taken: Sendable {
    var sender: String
    var recipient: String
    var text: String
  }
  struct State: Sendable {
    var taken: [Taken] = []
    var codes: [String: String] = [:]
    var losesAnswerTo: String?
    /// Drops the line once, before such a message's end.
    var dropsBefore: String?
    var refusedConnections = 0
    var connections = 0
    var quits = 0
  }
  private let state = Mutex(State())
  var now: State { state.withLock { $0 } }
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  func connect() async throws -> any LMTPSession {
    try state.withLock { state in
      if state.refusedConnections > 0 {
        state.refusedConnections -= 1
        throw ClientError(.cannotConnect("nobody"), server: "lmtp")
      }
      state.connections += 1
    }
    return Session(self)
  }

  final class Session: LMTPSession {
    private let server: FakeLMTP
    init(_ server: FakeLMTP) { self.server = server }

    func deliver(
      from sender: String, to recipient: String, size: Int?, body: () async throws -> ByteBuffer?
    ) async throws -> String {
      var text = ByteBuffer()
      if let first = try await body() { text.writeImmutableBuffer(first) }
      let start = String(buffer: text)
      if let drops = server.now.dropsBefore, start.contains(drops) {
        server.set { $0.dropsBefore = nil }
        throw ClientError(.disconnected, server: "lmtp")
      }
      while let piece = try await body() { text.writeImmutableBuffer(piece) }
      let whole = String(buffer: text)
      #expect(size == text.readableBytes)
      if let code = server.now.codes.first(where: { whole.contains($0.key) })?.value {
        throw ClientError(.refused(command: "DATA", code: code, text: "so"), server: "lmtp")
      }
      server.set { $0.taken.append(Taken(sender: sender, recipient: recipient, text: whole)) }
      if let loses = server.now.losesAnswerTo, whole.contains(loses) {
        throw ClientError(.disconnected, server: "lmtp")
      }
      return "250 taken"
    }

    func quit() async { server.set { $0.quits += 1 } }
  }
}
