import IMAPCore
import MailNet
import NIOCore
import Testing

@testable import MailSync

@Suite("Header replica")
struct HeaderReplicaTests {
  static func world(_ kind: FakeServer.Kind = .full) async throws -> World {
    let world = try World(FakeServer(kind), mode: .headers)
    world.server.create("A")
    for number in 1...20 { world.server.deliver(mail(number), to: "A", .seen) }
    try await world.sync()
    return world
  }

  @Test("Headers, structure and flags are there without the server, and no files", arguments: FakeServer.Kind.all)
  func list(kind: FakeServer.Kind) async throws {
    let world = try await Self.world(kind)
    world.server.setFlags("A", 2, .flagged)
    world.server.expunge("A", [3])
    world.server.deliver(mail(21), to: "A")
    let report = try await world.sync()
    #expect(report.total.downloaded == 1 && report.total.flagsToLocal == 1 && report.total.deletedLocally == 1)
    #expect(world.server.withState { $0.bodyOctets } == 0)
    #expect(!Files.exists(world.root))
    let connections = world.server.withState { $0.connections }
    let engine = try world.engine()
    defer { engine.close() }
    let list = try await engine.replica.list("A")
    #expect(list.count == 20)
    #expect(list[1].uid == 2 && list[1].flags == .flagged)
    #expect(String(buffer: list[0].header) == "Message-ID: <1@test>\r\nSubject: number 1\r\n\r\n")
    #expect(list[0].structure?.type == "text" && list[0].structure?.octets == 26)
    #expect(try await engine.replica.list("A", uids: 5...7).map(\.uid) == [5, 6, 7])
    #expect(try await engine.replica.mailboxes().map(\.name) == ["A", "INBOX"])
    await #expect(throws: ReplicaError.noSuchMailbox("none", known: ["A", "INBOX"])) {
      try await engine.replica.list("none")
    }
    #expect(world.server.withState { $0.connections } == connections)
  }

  @Test("A body is fetched once and kept")
  func body() async throws {
    let world = try await Self.world()
    let big = mail(50, lines: 20_000)
    let uid = world.server.deliver(big, to: "A")
    try await world.sync()
    let engine = try world.engine()
    defer { engine.close() }
    for _ in 0..<2 {
      var bytes = ByteBuffer()
      try await engine.replica.fetchBody("A", uid) { bytes.writeImmutableBuffer($0) }
      #expect(String(buffer: bytes) == big)
      #expect(world.server.withState { $0.bodyOctets } == big.utf8.count)
    }
    await #expect(throws: ReplicaError.noSuchMessage(mailbox: "A", uid: 999)) {
      try await engine.replica.fetchBody("A", 999) { _ in }
    }
  }

  @Test("A body that was cut off goes on where it was")
  func resumedBody() async throws {
    let world = try await Self.world()
    let big = mail(50, lines: 60_000)
    let uid = world.server.deliver(big, to: "A")
    try await world.sync()
    for step in [6, 9, 12] {
      let engine = try world.engine(Faults(at: step))
      try? await engine.replica.fetchBody("A", uid) { _ in }
      engine.close()
    }
    let engine = try world.engine()
    defer { engine.close() }
    var bytes = ByteBuffer()
    try await engine.replica.fetchBody("A", uid) { bytes.writeImmutableBuffer($0) }
    #expect(String(buffer: bytes) == big)
    #expect(world.server.withState { $0.bodyOctets } <= big.utf8.count + 3 * SyncLimits.partPiece)
  }

  @Test("A new UIDVALIDITY keeps headers and kept bodies")
  func renumbered() async throws {
    let world = try await Self.world()
    do {
      let engine = try world.engine()
      defer { engine.close() }
      try await engine.replica.fetchBody("A", 1) { _ in }
    }
    world.server.renumber("A")
    let octets = world.server.withState { $0.bodyOctets }
    let report = try await world.sync()
    #expect(report.total.adopted == 20 && report.total.downloaded == 0)
    let engine = try world.engine()
    defer { engine.close() }
    #expect(try await engine.replica.list("A").map(\.uid).prefix(2) == [500, 502])
    try await engine.replica.fetchBody("A", 500) { _ in }
    #expect(world.server.withState { $0.bodyOctets } == octets)
  }

  @Test("A server that shows nothing does not empty the replica")
  func brake() async throws {
    let world = try await Self.world()
    world.server.withState { $0.showsNothing = true }
    #expect(try await world.sync().brakes.map(\.deletions) == [20])
    world.server.withState { $0.showsNothing = false }
    #expect(try await world.sync().isComplete)
    let engine = try world.engine()
    defer { engine.close() }
    #expect(try await engine.replica.list("A").count == 20)
  }

  @Test("Structures survive their storage")
  func structure() throws {
    var inner = BodyStructureValue(type: "message", subtype: "rfc822")
    var envelope = EnvelopeValue()
    envelope.subject = ByteBuffer(string: "Grüße")
    envelope.from = [.init(name: nil, route: nil, mailbox: ByteBuffer(string: "a"), host: ByteBuffer(string: "b"))]
    envelope.cc = [
      .init(name: ByteBuffer(bytes: [0xFF]), route: nil, mailbox: nil, host: nil),
      .init(name: nil, route: nil, mailbox: nil, host: nil),
    ]
    inner.envelope = envelope
    inner.octets = 1 << 40
    inner.lines = 7
    inner.disposition = "attachment"
    inner.dispositionPairs = [.init(name: "filename", value: "x")]
    inner.children = [BodyStructureValue(type: "text", subtype: "plain")]
    var outer = BodyStructureValue(type: "multipart", subtype: "mixed")
    outer.pairs = [.init(name: "boundary", value: "=")]
    outer.language = ["en", "de"]
    outer.children = [inner]
    #expect(StructureCoding.decode(try StructureCoding.encode(outer)) == outer)
    #expect(StructureCoding.decode([1, 2]) == nil)
  }
}
