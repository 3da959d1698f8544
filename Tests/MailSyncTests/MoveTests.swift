import IMAPCore
import LocalMail
import Testing

@testable import MailSync

@Suite("Moves and folders")
struct MoveTests {
  static func world(_ kind: FakeServer.Kind) async throws -> World {
    let world = try World(FakeServer(kind))
    world.server.create("A")
    world.server.create("B")
    for number in 1...4 { world.server.deliver(mail(number), to: "A", .seen) }
    try await world.sync()
    return world
  }

  @Test("A message moved here is moved on the server, without transfer", arguments: FakeServer.Kind.all)
  func localMove(kind: FakeServer.Kind) async throws {
    let world = try await Self.world(kind)
    let before = world.server.withState { ($0.bodyOctets, $0.appendOctets) }
    try world.move(mail(1), from: ["A"], to: ["B"])
    try world.setFlags(mail(1), in: ["B"], SyncFlags([.seen, .flagged]))
    try await world.sync()
    try await world.settle()
    try world.expectSame()
    #expect(world.server.messages("B").map(\.flags) == [SyncFlags([.seen, .flagged])])
    guard kind.hasMove || kind.hasUIDPlus else { return }
    let after = world.server.withState { ($0.bodyOctets, $0.appendOctets) }
    #expect(after == before)
    #expect(try await world.quarantine().isEmpty)
  }

  @Test(
    "A message moved on the server is moved here, without transfer", arguments: FakeServer.Kind.all,
    [SyncMode.sync, .mirror])
  func remoteMove(kind: FakeServer.Kind, mode: SyncMode) async throws {
    let world = try await Self.world(kind)
    world.settings.mode = mode
    let octets = world.server.withState { $0.bodyOctets }
    let base = try #require(try world.entry(of: mail(2), in: ["A"])?.base)
    world.server.move("A", try #require(world.server.uid(of: mail(2), in: "A")), to: "B")
    world.server.setFlags("B", 1, .flagged)
    let report = try await world.sync()
    #expect(report.total.movedLocally == 1 && report.total.deletedLocally == 0)
    try world.expectSame()
    #expect(try world.entries(["B"]).map(\.base) == [base])
    #expect(world.server.withState { $0.bodyOctets } == octets)
    #expect(try await !world.settle().hasChanges)
  }

  @Test("A file that got another name on its way is known by its bytes")
  func renamedMove() async throws {
    let world = try await Self.world(.full)
    let octets = world.server.withState { $0.appendOctets }
    try world.remove(mail(1), in: ["A"])
    try await world.deliver(mail(1), to: ["B"], .seen)
    try world.remove(mail(2), in: ["A"])
    try await world.deliver(mail(2), to: ["A"], .seen)
    let report = try await world.sync()
    #expect(report.total.movedRemotely == 1 && report.total.uploaded == 0 && report.total.deletedRemotely == 0)
    #expect(world.server.withState { $0.appendOctets } == octets)
    try world.expectSame()
  }

  @Test(
    "Moved to different places on both sides: the server is right, and there is one copy",
    arguments: FakeServer.Kind.all)
  func bothMoved(kind: FakeServer.Kind) async throws {
    let world = try await Self.world(kind)
    world.server.create("C")
    world.server.move("A", try #require(world.server.uid(of: mail(1), in: "A")), to: "C")
    try world.move(mail(1), from: ["A"], to: ["B"])
    try await world.sync()
    try await world.settle()
    try world.expectSame()
    #expect(world.remoteContents().messages.filter { $0.text == mail(1) }.map(\.path) == [["C"]])
  }

  @Test("Moved on one side, deleted on the other: kept", arguments: [true, false])
  func moveAgainstDeletion(movedHere: Bool) async throws {
    let world = try await Self.world(.full)
    let uid = try #require(world.server.uid(of: mail(1), in: "A"))
    if movedHere {
      try world.move(mail(1), from: ["A"], to: ["B"])
      world.server.expunge("A", [uid])
    } else {
      world.server.move("A", uid, to: "B")
      try world.remove(mail(1), in: ["A"])
    }
    try await world.sync()
    try await world.settle()
    try world.expectSame()
    #expect(world.remoteContents().messages.filter { $0.text == mail(1) }.map(\.path) == [["B"]])
  }

  @Test("A server that refuses to move gets the message anew")
  func refusedMove() async throws {
    let world = try await Self.world(.bare)
    try world.move(mail(1), from: ["A"], to: ["B"])
    let report = try await world.sync()
    #expect(report.total.uploaded == 1 && report.total.deletedRemotely == 1)
    try await world.settle()
    try world.expectSame()
  }

  @Test("Renamed mailboxes are followed with their children, without transfer", arguments: FakeServer.Kind.all)
  func remoteRename(kind: FakeServer.Kind) async throws {
    let world = try await Self.world(kind)
    world.server.create("A/Sub")
    world.server.deliver(mail(7), to: "A/Sub")
    try await world.sync()
    let octets = world.server.withState { $0.bodyOctets }
    world.server.rename("A", to: "New")
    let report = try await world.sync()
    #expect(!report.foldersRenamedLocally.isEmpty && report.total.deletedLocally == 0)
    try world.expectSame()
    #expect(try world.localContents().boxes.contains(["New", "Sub"]))
    #expect(world.server.withState { $0.bodyOctets } == octets)
    #expect(try await !world.settle().hasChanges)
  }

  @Test(
    "Renamed folders are renamed on the server with their children, without transfer", arguments: FakeServer.Kind.all)
  func localRename(kind: FakeServer.Kind) async throws {
    let world = try await Self.world(kind)
    world.server.create("A/Sub")
    world.server.deliver(mail(7), to: "A/Sub")
    try await world.sync()
    let before = world.server.withState { ($0.bodyOctets, $0.appendOctets) }
    try world.tree.renameFolder(["A"], to: ["New"])
    let report = try await world.sync()
    #expect(report.foldersRenamedRemotely == ["A → New"])
    try world.expectSame()
    #expect(world.server.names == ["B", "INBOX", "New", "New/Sub"])
    #expect(world.server.withState { ($0.bodyOctets, $0.appendOctets) } == before)
    #expect(try await !world.settle().hasChanges)
  }

  @Test("Empty folders are created and deleted both ways")
  func emptyFolders() async throws {
    let world = try World()
    world.server.create("There")
    try world.tree.create()
    _ = try world.tree.createFolder(["Here", "Deep"])
    let report = try await world.sync()
    #expect(report.foldersCreatedLocally.contains("There"))
    #expect(report.foldersCreatedRemotely == ["Here/Deep"])
    try world.expectSame()
    world.server.delete("Here/Deep")
    try world.tree.deleteFolder(["There"], withMail: false)
    try await world.sync()
    try world.expectSame()
    #expect(world.server.names == ["INBOX"])
  }

  @Test("New mail in a folder that was deleted here brings it back")
  func newMailInDeletedFolder() async throws {
    let world = try World()
    world.server.create("List")
    try await world.sync()
    try world.tree.deleteFolder(["List"], withMail: false)
    world.server.deliver(mail(1), to: "List")
    try await world.sync()
    try await world.settle()
    try world.expectSame()
    #expect(world.server.messages("List").count == 1)
  }

  @Test("Subscriptions go both ways")
  func subscriptions() async throws {
    let world = try World()
    for name in ["A", "B", "C"] { world.server.create(name) }
    world.server.withState { $0.boxes["A"]?.isSubscribed = true }
    try await world.sync()
    #expect(try world.tree.subscriptions() == [["A"]])
    try world.tree.setSubscriptions([["A"], ["B"]])
    world.server.withState {
      $0.boxes["A"]?.isSubscribed = false
      $0.boxes["C"]?.isSubscribed = true
    }
    try await world.sync()
    #expect(Set(try world.tree.subscriptions()) == [["B"], ["C"]])
    #expect(world.server.withState { state in state.boxes.filter(\.value.isSubscribed).keys.sorted() } == ["B", "C"])
    #expect(try await world.sync().subscriptionsChanged == 0)
  }

  @Test("Namespace prefix and delimiter are translated")
  func namespace() async throws {
    let world = try World(FakeServer(.full, prefix: "INBOX.", delimiter: "."))
    world.server.create("INBOX.Sent")
    world.server.create("INBOX.Work.2024")
    world.server.deliver(mail(1), to: "INBOX.Work.2024")
    try world.tree.create()
    try await world.deliver(mail(2), to: ["Mine", "Own"])
    try await world.sync()
    #expect(try world.localContents().boxes == [["INBOX"], ["Sent"], ["Work", "2024"], ["Mine", "Own"]])
    #expect(world.server.messages("INBOX.Mine.Own").count == 1)
    try world.expectSame()
  }

  @Test("Names that only one side can have are reported")
  func impossibleNames() async throws {
    let world = try World(FakeServer(.full, prefix: "", delimiter: "."))
    try world.tree.create()
    try await world.deliver(mail(1), to: ["a.b"])
    let report = try await world.sync()
    #expect(report.problems.count == 1 && report.problems[0].contains("a.b"))
    #expect(try world.entries(["a.b"]).count == 1)
  }

  @Test("Only the mailboxes asked for are touched")
  func chosenMailboxes() async throws {
    let world = try await Self.world(.full)
    world.server.create("Lists/one")
    world.server.deliver(mail(20), to: "Lists/one")
    world.server.deliver(mail(21), to: "B")
    world.settings.mailboxes = ["Lists/*", "A"]
    world.server.delete("B")
    let report = try await world.sync()
    #expect(report.mailboxes.map(\.mailbox) == ["A", "Lists/one"])
    #expect(report.total.downloaded == 1)
    #expect(try world.localContents().boxes.contains(["B"]))
  }
}
