import Foundation
import IMAPClient
import IMAPCore
import MailClient
import MailNet
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailSync

/// The replica as `list` and `read` use it: opened beside whatever else is at work.
@Suite("Reading the header replica")
struct ReplicaReaderTests {
  /// Opened without the folder's lock. Nil faults: offline.
  static func open(_ world: World, _ faults: Faults? = Faults()) throws -> HeaderReplica {
    let server = world.server
    guard let faults else { return try HeaderReplica.open(folder: world.stateFolder, connect: nil) }
    return try HeaderReplica.open(folder: world.stateFolder) { FakeRemote(server, faults) }
  }

  static func body(_ replica: HeaderReplica, _ uid: UInt32) async throws -> String {
    var bytes = ByteBuffer()
    try await replica.fetchBody("A", uid) { bytes.writeImmutableBuffer($0) }
    return String(buffer: bytes)
  }

  static func part(_ replica: HeaderReplica, _ uid: UInt32, _ path: [UInt32]) async throws -> String {
    var bytes = ByteBuffer()
    try await replica.fetchPart("A", uid, part: path) { bytes.writeImmutableBuffer($0) }
    return String(buffer: bytes)
  }

  @Test("A reader needs no lock: it lists and fetches while a run holds the folder")
  func besideARun() async throws {
    let world = try await HeaderReplicaTests.world()
    let engine = try world.engine()
    defer { engine.close() }
    let replica = try Self.open(world)
    defer { replica.close() }
    #expect(try await replica.list("A").count == 20)
    #expect(try await replica.list("A", limit: 3, newestFirst: true).map(\.uid) == [20, 19, 18])
    #expect(try await Self.body(replica, 7) == mail(7))
    #expect(try await engine.run().isComplete)
    // What one reader brought the next one has, and the run's own.
    world.server.withState { $0.bodyOctets = 0 }
    #expect(try await Self.body(replica, 7) == mail(7))
    var bytes = ByteBuffer()
    try await engine.replica.fetchBody("A", 7) { bytes.writeImmutableBuffer($0) }
    #expect(String(buffer: bytes) == mail(7))
    #expect(world.server.withState { $0.bodyOctets } == 0)
  }

  @Test("Offline nothing is connected to, and what is missing is named with its octets")
  func offline() async throws {
    let world = try await HeaderReplicaTests.world()
    let connections = world.server.withState { $0.connections }
    let replica = try Self.open(world, nil)
    defer { replica.close() }
    #expect(try await replica.list("A").count == 20)
    var header = ByteBuffer()
    try await replica.fetchHeader("A", 3) { header.writeImmutableBuffer($0) }
    #expect(String(buffer: header).hasSuffix("Subject: number 3\r\n\r\n"))
    let size = Int64(mail(3).utf8.count)
    await #expect(
      throws: ReplicaError.notHere(mailbox: "A", uid: 3, what: "the whole message", octets: size)
    ) { try await Self.body(replica, 3) }
    await #expect(throws: ReplicaError.notHere(mailbox: "A", uid: 3, what: "part 1", octets: 26)) {
      try await Self.part(replica, 3, [1])
    }
    #expect(world.server.withState { $0.connections } == connections)
  }

  @Test("A part of a message that is at home costs nothing")
  func partOfWhole() async throws {
    let world = try await HeaderReplicaTests.world()
    let replica = try Self.open(world)
    defer { replica.close() }
    #expect(try await Self.body(replica, 3) == mail(3))
    let offline = replica.connecting(nil)
    #expect(try await Self.part(offline, 3, [1]) == "line 0 of 3\r\nline 1 of 3\r\n")
    // A part that the message does not have is not made up.
    await #expect(throws: ReplicaError.self) { try await Self.part(offline, 3, [2]) }
  }

  @Test("A new UIDVALIDITY is told in words, and no octet of another message comes")
  func renumbered() async throws {
    let world = try await HeaderReplicaTests.world()
    world.server.renumber("A")
    let replica = try Self.open(world)
    defer { replica.close() }
    await #expect(throws: ReplicaError.renumbered(mailbox: "A")) { try await Self.body(replica, 2) }
    #expect(world.server.withState { $0.bodyOctets } == 0)
    #expect("\(ReplicaError.renumbered(mailbox: "A"))".contains("pull imap --mode headers"))
    try await world.sync()
    #expect(try await Self.body(replica, 502) == mail(2))
    await #expect(throws: ReplicaError.noSuchMessage(mailbox: "A", uid: 2)) { try await Self.body(replica, 2) }
  }

  @Test("A message and a mailbox that are gone on the server are told so")
  func gone() async throws {
    let world = try await HeaderReplicaTests.world()
    let replica = try Self.open(world)
    defer { replica.close() }
    world.server.expunge("A", [4])
    await #expect(throws: ReplicaError.gone(mailbox: "A", uid: 4, what: "the whole message")) {
      try await Self.body(replica, 4)
    }
    // It is still in the table, which is that of the last pull.
    #expect(try await replica.message("A", 4).uid == 4)
    world.server.delete("A")
    await #expect(throws: ReplicaError.mailboxGone(mailbox: "A", "no")) { try await Self.body(replica, 5) }
  }

  @Test("A server that was restored and gave a UID again does not pass off the other message")
  func replaced() async throws {
    let world = try await HeaderReplicaTests.world()
    let replica = try Self.open(world)
    defer { replica.close() }
    world.server.withState { state in
      guard let index = state.boxes["A"]?.messages.firstIndex(where: { $0.uid == 6 }) else { return }
      state.boxes["A"]?.messages[index].bytes = ByteBuffer(string: mail(6, lines: 9))
    }
    await #expect(throws: ReplicaError.replaced(mailbox: "A", uid: 6)) { try await Self.body(replica, 6) }
    world.server.withState { state in
      guard let index = state.boxes["A"]?.messages.firstIndex(where: { $0.uid == 8 }) else { return }
      state.boxes["A"]?.messages[index].seconds += 1
    }
    await #expect(throws: ReplicaError.replaced(mailbox: "A", uid: 8)) { try await Self.body(replica, 8) }
    #expect(world.server.withState { $0.bodyOctets } == 0)
  }

  @Test("Two readers of one part do not spoil it", arguments: [1, 2, 3])
  func twoReaders(_ piece: Int) async throws {
    let world = try await HeaderReplicaTests.world()
    let big = mail(50, lines: 60_000)
    let uid = world.server.deliver(big, to: "A")
    try await world.sync()
    let second = try Self.open(world)
    defer { second.close() }
    // The other reader takes the whole of it while the first one waits for its piece.
    let count = Pieces()
    let slow = SlowRemote.factory(world.server) {
      guard count.next() == piece else { return }
      let other = try await Self.body(second, uid)
      #expect(other == big)
    }
    let first = try HeaderReplica.open(folder: world.stateFolder, connect: slow)
    defer { first.close() }
    #expect(try await Self.body(first, uid) == big)
    #expect(try await Self.body(second, uid) == big)
  }

  @Test("Rows that a pull gave to another message meanwhile are not taken for the old one")
  func rowsGivenAgain() async throws {
    let world = try await HeaderReplicaTests.world()
    let big = mail(50, lines: 60_000)
    let uid = world.server.deliver(big, to: "A")
    try await world.sync()
    let count = Pieces()
    let (server, folder, tree, settings) = (world.server, world.stateFolder, world.tree, world.settings)
    @Sendable func pull() async throws {
      let engine = try SyncEngine(
        account: "budi", tree: tree, stateFolder: folder, settings: settings, threads: .singleton,
        connect: { FakeRemote(server, Faults()) }, report: nil)
      defer { engine.close() }
      let report = try await engine.run()
      #expect(report.isComplete)
    }
    let slow = SlowRemote.factory(server) {
      guard count.next() == 2 else { return }
      // It is expunged; the highest row is free then, and the next message gets it.
      server.expunge("A", [uid])
      try await pull()
      server.deliver(mail(51, lines: 60_000), to: "A")
      try await pull()
    }
    let replica = try HeaderReplica.open(folder: folder, connect: slow)
    defer { replica.close() }
    await #expect(throws: ReplicaError.changedMeanwhile(mailbox: "A", uid: uid)) { try await Self.body(replica, uid) }
    #expect(try await Self.body(replica, uid + 1) == mail(51, lines: 60_000))
  }

  @Test("A server that sends less than it was asked for is asked for the rest, one that sends more is refused")
  func pieces() async throws {
    let world = try await HeaderReplicaTests.world()
    let big = mail(50, lines: 30_000)
    let uid = world.server.deliver(big, to: "A")
    try await world.sync()
    let short = try HeaderReplica.open(
      folder: world.stateFolder, connect: SlowRemote.factory(world.server, factor: 0.4) {})
    defer { short.close() }
    #expect(try await Self.body(short, uid) == big)
    let long = try HeaderReplica.open(
      folder: world.stateFolder, connect: SlowRemote.factory(world.server, factor: 1.5) {})
    defer { long.close() }
    let other = world.server.deliver(mail(52, lines: 30_000), to: "A")
    try await world.sync()
    await #expect(throws: ReplicaError.wrongAnswer(mailbox: "A", uid: other, what: "the whole message")) {
      try await Self.body(long, other)
    }
    #expect(try await Self.body(short, other) == mail(52, lines: 30_000))
  }

  @Test("A folder without headers says what to do")
  func nothingHere() async throws {
    let world = try World(mode: .mirror)
    #expect(throws: ReplicaError.noReplica(path: world.stateFolder)) { try Self.open(world) }
    #expect(Files.list(world.stateFolder).isEmpty)
    world.server.deliver(mail(1))
    try await world.sync()
    let replica = try Self.open(world)
    defer { replica.close() }
    await #expect(throws: ReplicaError.noHeaders(path: world.stateFolder)) { try await replica.list("INBOX") }
  }

  @Test("Counts, the time of the last pass and where it came from are kept")
  func facts() async throws {
    let world = try await HeaderReplicaTests.world()
    world.server.deliver(mail(30), to: "A")
    world.now += 500
    try await world.sync()
    let engine = try world.engine()
    let pinned = TransportSecurity.Trust.fingerprint(Array(0..<32))
    let server = RemoteServer(
      mailProtocol: .imap, host: "mail.example.org", port: 1143, user: "a@b/c",
      security: TransportSecurity(encryption: .startTLS, trust: pinned, allowsCleartextLogin: true))
    try await engine.remember(server)
    engine.close()
    let replica = try Self.open(world, nil)
    defer { replica.close() }
    let box = try #require(try await replica.mailboxes().first { $0.name == "A" })
    #expect(box.messages == 21 && box.headers == 21 && box.unseen == 1 && box.replicatedAt == world.now)
    #expect(box.octets == Int64((1...20).map { mail($0).utf8.count }.reduce(0, +) + mail(30).utf8.count))
    #expect(try await replica.account() == "budi")
    let kept = try #require(try await replica.server()).server(allowsCleartextLogin: false)
    var expected = server
    expected.security.allowsCleartextLogin = false
    #expect(kept == expected)
    // Where others may write to the file, they could name a server of theirs.
    #expect(chmod(world.stateFolder + "/.merpati-sync.sqlite", 0o620) == 0)
    #expect(try await replica.server() == nil)
  }

  @Test("After a run that was cut short the missing headers are counted, not hidden")
  func cutShort() async throws {
    let world = try World(mode: .headers)
    for number in 1...20 { world.server.deliver(mail(number)) }
    let faults = Faults(at: 0)
    faults.condition.withLock { $0 = { faults.count > 14 } }
    _ = try? await world.sync(faults)
    let replica = try Self.open(world, nil)
    defer { replica.close() }
    let box = try await replica.mailbox("inbox")
    #expect(box.messages == 20 && box.headers == 0 && box.replicatedAt == nil)
  }
}

/// Numbers the pieces from 1.
private final class Pieces: Sendable {
  private let count = Mutex(0)
  func next() -> Int {
    count.withLock {
      $0 += 1
      return $0
    }
  }
}

/// A connection whose pieces are late, or of another length than was asked for.
private final class SlowRemote: SyncRemote {
  let real: FakeRemote
  let factor: Double
  let meanwhile: @Sendable () async throws -> Void

  static func factory(
    _ server: FakeServer, factor: Double = 1, meanwhile: @escaping @Sendable () async throws -> Void
  ) -> RemoteFactory {
    { SlowRemote(FakeRemote(server, Faults()), factor: factor, meanwhile: meanwhile) }
  }

  private init(_ real: FakeRemote, factor: Double, meanwhile: @escaping @Sendable () async throws -> Void) {
    self.real = real
    self.factor = factor
    self.meanwhile = meanwhile
  }

  var traits: RemoteTraits { real.traits }
  var octetsReceived: Int64 { 0 }
  func piece(_ uid: UInt32, _ section: BodySection, offset: Int64, count: Int) async throws -> ByteBuffer? {
    let bytes = try await real.piece(uid, section, offset: offset, count: Int(Double(count) * factor))
    try await meanwhile()
    return bytes
  }
  func select(_ mailbox: String, readOnly: Bool, resync: ResyncPoint?) async throws -> SelectedMailbox {
    try await real.select(mailbox, readOnly: readOnly, resync: resync)
  }
  func messages(_ set: MessageSet, _ facts: RemoteFacts, changedSince: UInt64?) async throws -> [RemoteMessage] {
    try await real.messages(set, facts, changedSince: changedSince)
  }
  func mailboxes() async throws -> [RemoteMailbox] { try await real.mailboxes() }
  func status(_ mailbox: String) async throws -> RemoteStatus { try await real.status(mailbox) }
  func unselect() async throws {}
  func create(_ mailbox: String) async throws {}
  func delete(_ mailbox: String) async throws {}
  func rename(_ mailbox: String, to newName: String) async throws {}
  func subscribe(_ mailbox: String, _ subscribed: Bool) async throws {}
  func uids() async throws -> [UInt32] { try await real.uids() }
  func bodies(_: [[UInt32]], window: Int, _ handle: (UInt32, ByteBuffer) async throws -> Void) async throws {}
  func headers(_: [[UInt32]], window: Int, _ handle: (RemoteHeader) async throws -> Void) async throws {}
  func store(_ changes: [FlagStore]) async throws {}
  func append(_ items: [AppendItem], to mailbox: String) async throws -> [Result<UInt32?, any Error>] { [] }
  func move(_ uids: [UInt32], to mailbox: String) async throws -> [UInt32: UInt32] { [:] }
  func expunge(_ uids: [UInt32]) async throws {}
  func idle(limit: Duration) async throws -> Bool { false }
  func watchAll() async throws -> Bool { false }
  func close() async {}
}
