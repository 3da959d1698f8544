import IMAPCore
import LocalMail
import NIOPosix
import Testing

@testable import MailSync

@Suite("Brake, quarantine and the root's mark")
struct SafetyTests {
  static func filled(_ count: Int, mode: SyncMode = .sync) async throws -> World {
    let world = try World(mode: mode)
    for number in 1...count { world.server.deliver(mail(number)) }
    try await world.sync()
    return world
  }

  @Test("The brake stops at more than 50 messages and more than a quarter, at everything, and at whole mailboxes")
  func brakeTable() {
    func stops(_ deletions: Int, of total: Int, _ presence: Presence = .both, _ allowance: DeletionAllowance = .none)
      -> Bool
    {
      var survey = MailboxSurvey(
        mailbox: KnownMailbox(remote: "A", local: ["A"]), presence: presence, rows: [], local: [])
      survey.pairsBefore = total
      var settings = BrakeSettings()
      settings.allowance = allowance
      return Brake.check(survey, deletesLocally: deletions, deletesRemotely: 0, settings: settings) != nil
    }
    #expect(!stops(50, of: 100))
    #expect(stops(51, of: 100))
    #expect(!stops(51, of: 204))
    #expect(stops(52, of: 204))
    #expect(!stops(5, of: 5))
    #expect(stops(6, of: 6))
    #expect(!stops(6, of: 7))
    #expect(stops(1, of: 1, .remoteGone))
    #expect(stops(1, of: 9, .localGone))
    #expect(!stops(0, of: 9, .localGone))
    #expect(!stops(60, of: 60, .both, .all))
    #expect(!stops(60, of: 60, .both, .upTo(60)))
    #expect(stops(60, of: 60, .both, .upTo(59)))
  }

  @Test(
    "A server that shows no messages deletes nothing here", arguments: [SyncMode.sync, .mirror], FakeServer.Kind.all)
  func emptyServer(mode: SyncMode, kind: FakeServer.Kind) async throws {
    let world = try World(FakeServer(kind), mode: mode)
    for number in 1...20 { world.server.deliver(mail(number)) }
    try await world.sync()
    world.server.withState { $0.showsNothing = true }
    for _ in 0..<2 {
      let report = try await world.sync()
      #expect(report.brakes.map(\.deletions) == [20])
      #expect(report.brakes.first?.side == .local)
      #expect("\(report.brakes[0])".contains("--allow-delete 20"))
      #expect(try world.entries().count == 20)
    }
    // When it has come to itself, nothing has happened.
    world.server.withState { $0.showsNothing = false }
    let report = try await world.sync()
    #expect(report.isComplete && !report.hasChanges)
    try world.expectSame()
  }

  @Test("A local folder that lost its files deletes nothing on the server")
  func emptyFolder() async throws {
    let world = try await Self.filled(20)
    for entry in try world.entries() { try world.folder().remove(entry) }
    let report = try await world.sync()
    #expect(report.brakes.map(\.side) == [.remote])
    #expect(world.server.messages().count == 20)
    world.settings.brake.allowance = .upTo(20)
    #expect(try await world.sync().total.deletedRemotely == 20)
    #expect(try await world.quarantine().count == 20)
  }

  @Test("A folder that is gone here stays on the server until that is allowed")
  func folderGone() async throws {
    let world = try World()
    world.server.create("Old")
    for number in 1...3 { world.server.deliver(mail(number), to: "Old") }
    try await world.sync()
    try world.tree.deleteFolder(["Old"], withMail: true)
    var report = try await world.sync()
    #expect(report.brakes.first?.isWholeMailbox == true)
    #expect(world.server.messages("Old").count == 3)
    world.settings.brake.allowance = .all
    report = try await world.sync()
    #expect(report.foldersDeletedRemotely == ["Old"])
    #expect(world.server.names == ["INBOX"])
    #expect(try await world.quarantine().count == 3)
  }

  @Test("A mailbox that is gone from the server stays here until that is allowed", arguments: [SyncMode.sync, .mirror])
  func mailboxGone(mode: SyncMode) async throws {
    let world = try World(mode: mode)
    world.server.create("Old")
    for number in 1...3 { world.server.deliver(mail(number), to: "Old") }
    try await world.sync()
    world.server.delete("Old")
    var report = try await world.sync()
    #expect(report.brakes.first?.isWholeMailbox == true)
    #expect(try world.entries(["Old"]).count == 3)
    world.settings.brake.allowance = .all
    report = try await world.sync()
    #expect(report.foldersDeletedLocally == ["Old"])
    #expect(try world.localContents().boxes == [["INBOX"]])
    #expect(try await world.quarantine().count == 3)
  }

  @Test("A root without its mark is not touched")
  func lostRoot() async throws {
    let world = try await Self.filled(3)
    try Files.rename(world.root, to: world.root + ".elsewhere")
    await #expect(throws: SyncError.rootLost(path: world.root)) { try await world.sync() }
    #expect(world.server.messages().count == 3)
    try world.tree.create()
    await #expect(throws: SyncError.rootLost(path: world.root)) { try await world.sync() }
    #expect(world.server.messages().count == 3)
    try Files.remove(world.root)
    try Files.rename(world.root + ".elsewhere", to: world.root)
    #expect(try await !world.sync().hasChanges)
  }

  @Test("Undo brings back what either side deleted, with its flags, to both")
  func undo() async throws {
    let world = try World()
    let uids = (1...4).map { world.server.deliver(mail($0), .flagged) }
    try await world.sync()
    world.server.expunge("INBOX", [uids[0]])
    try world.remove(mail(2))
    world.now += 1000
    try await world.sync()
    do {
      let engine = try world.engine()
      defer { engine.close() }
      #expect(try await engine.quarantine.undo(since: world.now + 1).isEmpty)
      #expect(try await engine.quarantine.undo(since: world.now).count == 2)
      #expect(try await engine.quarantine.list().isEmpty)
    }
    let report = try await world.sync()
    #expect(report.total.uploaded == 2)
    try world.expectSame()
    #expect(world.remoteContents().messages.count == 4)
    #expect(world.remoteContents().messages.allSatisfy { $0.flags == .flagged })
  }

  @Test("One message can be restored by its number")
  func restoreOne() async throws {
    let world = try await Self.filled(3)
    try world.remove(mail(1))
    try world.remove(mail(2))
    try await world.sync()
    let engine = try world.engine()
    defer { engine.close() }
    let list = try await engine.quarantine.list()
    #expect(list.count == 2)
    let restored = try await engine.quarantine.restore(ids: [list[0].id])
    #expect(restored.map(\.id) == [list[0].id])
    #expect(try world.entries().count == 2)
    await #expect(throws: SyncError.self) { try await engine.quarantine.restore(ids: [999]) }
  }

  @Test("The quarantine is emptied after its days")
  func purge() async throws {
    let world = try await Self.filled(3)
    try world.remove(mail(1))
    try await world.sync()
    world.now += 29 * 86_400
    try await world.sync()
    #expect(try await world.quarantine().count == 1)
    world.now += 2 * 86_400
    try await world.sync()
    #expect(try await world.quarantine().count == 1, "a day of grace")
    world.now += 86_400
    try await world.sync()
    #expect(try await world.quarantine().isEmpty)
    #expect(Files.list("\(world.root)/merpati-quarantine").isEmpty)
  }

  @Test("A clock that is wrong for a while does not empty the quarantine")
  func clockJumps() async throws {
    let world = try await Self.filled(3)
    try world.remove(mail(1))
    try await world.sync()
    let right = world.now
    for wrong in [right + 400 * 86_400, right + 400 * 86_400 + 3600, right - 400 * 86_400, right + 3600] {
      world.now = wrong
      try await world.sync()
      #expect(try await world.quarantine().count == 1)
    }
    #expect(try await world.quarantine().count == 1)
    // An old note of a time to come counts for nothing.
    world.now = right + 31 * 86_400
    try await world.sync()
    #expect(try await world.quarantine().count == 1)
    world.now += 86_400
    try await world.sync()
    #expect(try await world.quarantine().isEmpty)
  }

  @Test("Without quarantine a deletion on the server costs no download")
  func noQuarantine() async throws {
    let world = try await Self.filled(3)
    world.settings.quarantinesRemoteDeletions = false
    let octets = world.server.withState { $0.bodyOctets }
    try world.remove(mail(1))
    #expect(try await world.sync().total.deletedRemotely == 1)
    #expect(world.server.withState { $0.bodyOctets } == octets)
    #expect(try await world.quarantine().isEmpty)
  }

  @Test("A mirror brings back what is deleted here and leaves additions alone")
  func mirror() async throws {
    let world = try await Self.filled(3, mode: .mirror)
    try world.remove(mail(1))
    try await world.deliver(mail(9))
    try await world.deliver(mail(8), to: ["Mine"])
    try world.setFlags(mail(2), .flagged)
    let report = try await world.sync()
    #expect(report.total.downloaded == 1 && report.total.onlyLocal == 1 && report.total.uploaded == 0)
    #expect(report.onlyLocalFolders == ["Mine"])
    #expect(try world.entries().count == 4)
    #expect(try world.entry(of: mail(2))?.flags.flagged == false)
    #expect(world.server.messages().count == 3)
    #expect(world.server.names == ["INBOX"])
  }

  @Test("Two runs cannot hold one state, nor two accounts one folder")
  func lock() async throws {
    let world = try World()
    let engine = try world.engine()
    #expect(throws: SyncError.self) { _ = try world.engine() }
    engine.close()
    let state = try SyncState(folder: world.stateFolder, account: "budi")
    state.close()
    #expect(throws: SyncError.otherAccount(path: state.path, account: "budi")) {
      _ = try SyncState(folder: world.stateFolder, account: "wati")
    }
    // Nor may another state of another account take over the root.
    try await world.sync()
    let other = try World()
    let foreign = try SyncState(folder: other.stateFolder, account: "wati")
    defer { foreign.close() }
    let local = MaildirLocal(tree: world.tree, settings: LandingSettings(), threads: .singleton)
    await #expect(throws: SyncError.otherAccount(path: world.root, account: "budi")) {
      try await RootMark.check(local, foreign, account: "wati")
    }
  }
}
