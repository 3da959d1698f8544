import IMAPCore
import LocalMail
import NIOCore
import Testing

@testable import MailSync

@Suite("Two-way sync")
struct SyncTests {
  @Test("A first sync brings both sides together, a second one does nothing", arguments: FakeServer.Kind.all)
  func firstSync(kind: FakeServer.Kind) async throws {
    let world = try World(FakeServer(kind))
    world.server.create("Archive/2024")
    for number in 1...5 { world.server.deliver(mail(number), number > 3 ? .seen : SyncFlags()) }
    world.server.deliver(nameless(1), to: "Archive/2024", .flagged)
    try await world.deliver(mail(10), .seen)
    try await world.deliver(mail(11), to: ["Drafts"], SyncFlags(.draft))
    let report = try await world.sync()
    #expect(report.total.downloaded == 6)
    #expect(report.total.uploaded == 2)
    #expect(report.isComplete, "\(report)")
    try world.expectSame()
    #expect(world.server.messages().map(\.seconds).contains(1_700_000_500))
    let octets = world.server.withState { $0.bodyOctets + $0.appendOctets }
    let second = try await world.settle()
    #expect(!second.hasChanges)
    #expect(world.server.withState { $0.bodyOctets + $0.appendOctets } == octets)
    try world.expectSame()
  }

  @Test("A run in which nothing changed selects no mailbox where the server counts changes")
  func idleRun() async throws {
    let world = try World()
    world.server.create("A")
    world.server.deliver(mail(1), .seen)
    world.server.deliver(mail(2), to: "A")
    try await world.sync()
    let before = world.server.withState { ($0.selects, $0.connections) }
    let report = try await world.sync()
    #expect(!report.hasChanges)
    let after = world.server.withState { ($0.selects, $0.connections) }
    #expect(after.0 == before.0)
    #expect(after.1 == before.1 + 1)
  }

  @Test("Flags and keywords go both ways", arguments: FakeServer.Kind.all)
  func flags(kind: FakeServer.Kind) async throws {
    let world = try World(FakeServer(kind))
    let uids = (1...3).map { world.server.deliver(mail($0)) }
    try await world.sync()
    world.server.setFlags("INBOX", uids[0], SyncFlags([.seen], keywords: [KeywordName("Work")]))
    try world.setFlags(mail(1), .flagged)
    try world.setFlags(mail(2), SyncFlags([.answered], keywords: [KeywordName("$Forwarded"), KeywordName("home")]))
    let report = try await world.sync()
    #expect(report.total.flagsToLocal == 1)
    #expect(report.total.flagsToRemote == 2)
    try world.expectSame()
    #expect(world.server.messages()[0].flags == SyncFlags([.seen, .flagged], keywords: [KeywordName("work")]))
    #expect(world.server.messages()[1].flags.keywords == [KeywordName("$Forwarded"), KeywordName("home")])
    #expect(try world.entry(of: mail(2))?.flags.passed == true)
    try await world.settle()
    try world.expectSame()
  }

  @Test("The 27th keyword stays on the server, and no run takes it away")
  func tooManyKeywords() async throws {
    let world = try World()
    for number in 1...30 { world.server.deliver(mail(number), .keyword("k\(number)")) }
    try await world.sync()
    try await world.settle()
    #expect(world.server.messages().allSatisfy { $0.flags.keywords.count == 1 })
    #expect(try world.entries().count { !$0.flags.keywords.isEmpty } == 26)
  }

  @Test("Keywords that the server refuses stay local")
  func refusedKeywords() async throws {
    let world = try World()
    world.server.withState {
      $0.boxes["INBOX"]?.acceptsNewKeywords = false
      $0.boxes["INBOX"]?.permanent = FlagList([.seen, .flagged])
    }
    world.server.deliver(mail(1))
    try await world.sync()
    try world.setFlags(mail(1), SyncFlags([.seen, .answered], keywords: [KeywordName("Work")]))
    try await world.deliver(mail(2), SyncFlags([.flagged, .answered], keywords: [KeywordName("Home")]))
    try await world.settle()
    #expect(world.server.messages().map(\.flags) == [.seen, .flagged])
    #expect(try world.entry(of: mail(1))?.flags.keywords == ["Work"])
    #expect(try world.entry(of: mail(1))?.flags.replied == true)
    #expect(try world.entry(of: mail(2))?.flags.keywords == ["Home"])
  }

  @Test("Deletions go both ways, and a copy is kept", arguments: FakeServer.Kind.all)
  func deletions(kind: FakeServer.Kind) async throws {
    let world = try World(FakeServer(kind))
    let uids = (1...6).map { world.server.deliver(mail($0)) }
    try await world.sync()
    world.server.expunge("INBOX", [uids[0]])
    try world.remove(mail(2))
    let report = try await world.sync()
    #expect(report.total.deletedLocally == 1 && report.total.deletedRemotely == 1)
    #expect(report.total.quarantined == 2)
    try world.expectSame()
    #expect(world.remoteContents().messages.count == 4)
    let kept = try await world.quarantine()
    #expect(Set(kept.compactMap(\.uid)) == [uids[0], uids[1]])
    #expect(kept.allSatisfy { $0.day == "2026-09-21" && $0.folder == ["INBOX"] })
  }

  @Test("What is deleted on one side and changed on the other is kept")
  func deletionAgainstChange() async throws {
    let world = try World()
    let uids = (1...2).map { world.server.deliver(mail($0)) }
    try await world.sync()
    world.server.expunge("INBOX", [uids[0]])
    try world.setFlags(mail(1), .flagged)
    world.server.setFlags("INBOX", uids[1], .flagged)
    try world.remove(mail(2))
    let report = try await world.sync()
    #expect(report.total.kept == 2)
    try await world.settle()
    try world.expectSame()
    #expect(world.remoteContents().count(mail(1)) == 1)
    #expect(world.remoteContents().count(mail(2)) == 1)
    #expect(try await world.quarantine().isEmpty)
  }

  @Test("After the state is lost nothing is transferred or doubled", arguments: [FakeServer.Kind.full, .bare])
  func lostState(kind: FakeServer.Kind) async throws {
    let world = try World(FakeServer(kind))
    for number in 1...4 { world.server.deliver(mail(number), number.isMultiple(of: 2) ? .seen : SyncFlags()) }
    world.server.deliver(nameless(1))
    try await world.sync()
    let octets = world.server.withState { $0.bodyOctets }
    try removeState(world)
    let report = try await world.sync()
    #expect(report.total.adopted == 5 && report.total.uploaded == 0 && report.total.downloaded == 0)
    // Only the one that has no name had to be looked at.
    #expect(world.server.withState { $0.bodyOctets } == octets + nameless(1).utf8.count)
    try await world.settle()
    try world.expectSame()
    #expect(world.remoteContents().messages.count == 5)
  }

  @Test("A message that the server cannot give does not keep the others")
  func spoiledMessage() async throws {
    let world = try World()
    let uids = (1...5).map { world.server.deliver(mail($0)) }
    world.server.withState { $0.spoiled = [uids[2]] }
    let report = try await world.sync()
    #expect(report.total.downloaded == 4)
    #expect(report.total.failed == 1)
    #expect(!report.isComplete)
    world.server.withState { $0.spoiled = [] }
    #expect(try await world.sync().total.downloaded == 1)
    try world.expectSame()
  }

  @Test("A read-only mailbox is mirrored")
  func readOnly() async throws {
    let world = try World()
    world.server.deliver(mail(1))
    world.server.withState { $0.boxes["INBOX"]?.isReadOnly = true }
    try await world.sync()
    try await world.deliver(mail(2))
    try world.setFlags(mail(1), .flagged)
    let report = try await world.sync()
    #expect(report.total.onlyLocal == 1 && report.total.uploaded == 0 && report.total.flagsToRemote == 0)
    #expect(world.server.messages().count == 1)
    #expect(try world.entry(of: mail(1))?.flags.flagged == false)
    #expect(try world.entries().count == 2)
  }

  @Test("Several connections do the same as one")
  func manyConnections() async throws {
    let world = try World()
    world.settings.connections = 3
    for box in 1...8 {
      world.server.create("box\(box)")
      for number in 1...20 { world.server.deliver(mail(box * 100 + number), to: "box\(box)") }
    }
    let report = try await world.sync()
    #expect(report.total.downloaded == 160)
    #expect(world.server.withState { $0.connections } == 3)
    try world.expectSame()
  }
}

func removeState(_ world: World) throws {
  for suffix in ["", "-wal", "-shm"] {
    try? Files.remove("\(world.stateFolder)/\(SyncState.fileName)\(suffix)")
  }
}
