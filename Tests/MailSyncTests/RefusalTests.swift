import IMAPClient
import IMAPCore
import LocalMail
import MailNet
import Synchronization
import Testing

@testable import MailSync

@Suite("What a server refuses, and what it lets pass in silence")
struct RefusalTests {
  @Test("A flag goes along with a message that was moved here, whichever connection carries it")
  func moveAndFlag() async throws {
    for round in 1...12 {
      let world = try World()
      world.settings.connections = 3
      for name in ["A", "B", "C"] { world.server.create(name) }
      for number in 1...9 { world.server.deliver(mail(number), to: ["A", "B", "C"][number % 3]) }
      try await world.sync()
      // Work for every connection.
      for name in ["A", "B", "C"] { world.server.deliver(mail(20), to: name) }
      try world.move(mail(3), from: ["A"], to: ["B"])
      try world.move(mail(1), from: ["B"], to: ["C"])
      try world.setFlags(mail(3), in: ["B"], .seen)
      try world.setFlags(mail(1), in: ["C"], .flagged)
      try await world.sync()
      try world.expectSame("round \(round)")
    }
  }

  @Test("A message that came into the selected mailbox is not passed over by STORE")
  func staleSelection() async throws {
    let world = try World()
    world.server.deliver(mail(1))
    let engine = try world.engine()
    defer { engine.close() }
    let workers = engine.makeWorkers(engine.job())
    _ = try await SyncPass(job: engine.job(), workers: workers).run()
    let job = engine.job()
    let view = try #require(try await job.state.mailboxes().first)
    world.server.deliver(mail(2))
    let change = FlagStore(uids: MessageSet([.init(2)]), mode: .add, flags: FlagList(.seen))
    await workers[0].expire()
    try await workers[0].store([change], in: view)
    #expect(world.server.messages().map(\.flags) == [SyncFlags(), .seen])
  }

  @Test("A keyword that is refused keeps neither other flags nor mail")
  func refusedKeyword() async throws {
    let world = try World()
    for number in 1...3 { world.server.deliver(mail(number)) }
    try await world.sync()
    world.server.withState { $0.refusesKeywords = true }
    world.server.deliver(mail(4))
    try world.setFlags(mail(1), SyncFlags(.seen, keywords: [KeywordName("Odd")]))
    try world.setFlags(mail(2), .flagged)
    try await world.deliver(mail(5))
    let report = try await world.sync()
    #expect(report.total.failed == 1 && report.total.downloaded == 1 && report.total.uploaded == 1)
    #expect(world.server.messages().prefix(3).map(\.flags) == [.seen, .flagged, SyncFlags()])
    // Later it is taken.
    world.server.withState { $0.refusesKeywords = false }
    try await world.sync()
    try await world.settle()
    try world.expectSame()
  }

  @Test("A move that is refused half-way leaves one copy of each message")
  func halfMoved() async throws {
    let world = try World()
    for name in ["A", "B"] { world.server.create(name) }
    let count = 2 * SyncLimits.setElements + 3
    for number in 1...count { world.server.deliver(mail(number, lines: 1), to: "A") }
    try await world.sync()
    for entry in try world.entries(["A"]).sorted(by: { $0.base < $1.base }) {
      _ = try world.folder(["A"]).move(entry, to: world.folder(["B"]))
    }
    world.server.withState { $0.movesLeft = 1 }
    world.settings.brake.allowance = .all
    try await world.sync()
    try await world.settle()
    try world.expectSame()
    #expect(world.server.messages("A").isEmpty && world.server.messages("B").count == count)
  }

  @Test(
    "Over quota: what is smaller still goes, the rest is told and kept, and a daemon does not send it again at once")
  func overQuota() async throws {
    let world = try World()
    try await world.sync()
    let small = mail(1)
    world.server.withState { $0.room = small.utf8.count }
    for number in 2...80 { try await world.deliver(mail(number, lines: 20)) }
    try await world.deliver(small)
    let engine = try world.engine()
    defer { engine.close() }
    let job = engine.job()
    let workers = engine.makeWorkers(job)
    let report = try await SyncPass(job: job, workers: workers).run()
    #expect(report.total.uploaded == 1 && report.total.failed == 79)
    #expect(report.mailboxes[0].reasons.contains { $0.contains("full") })
    let octets = world.server.withState { $0.appendOctets }
    #expect(octets < SyncLimits.appendMessages * 2 * 500)
    // Each is tried once, some with every pass, and then not again for a while.
    for _ in 0..<3 { _ = try await SyncPass(job: job, workers: workers).run() }
    let tried = world.server.withState { $0.appendOctets }
    let last = try await SyncPass(job: job, workers: workers).run()
    #expect(last.total.failed == 79)
    #expect(world.server.withState { $0.appendOctets } == tried)
    engine.close()
    world.server.withState { $0.room = .max }
    try await world.sync()
    try await world.settle()
    try world.expectSame()
  }

  @Test("A mailbox that keeps no flags takes none away here")
  func nothingPermanent() async throws {
    let world = try World(FakeServer(.plain))
    for number in 1...3 { world.server.deliver(mail(number)) }
    world.server.withState {
      $0.boxes["INBOX"]?.permanent = FlagList()
      $0.boxes["INBOX"]?.acceptsNewKeywords = false
    }
    try await world.sync()
    try world.setFlags(mail(1), SyncFlags(.seen, keywords: [KeywordName("Work")]))
    for _ in 0..<2 { try await world.sync() }
    #expect(world.server.messages().map(\.flags) == [SyncFlags(), SyncFlags(), SyncFlags()])
    let entry = try #require(try world.entry(of: mail(1)))
    #expect(SyncFlags(entry.flags).system == .seen)
  }

  @Test("A name that this disk cannot hold keeps no other mailbox from coming")
  func longName() async throws {
    for mode in [SyncMode.sync, .mirror] {
      let world = try World(mode: mode)
      let long = (1...200).map { "level\($0)" }.joined(separator: "/")
      for name in [long, "Other"] {
        world.server.create(name)
        world.server.deliver(mail(1), to: name)
      }
      world.server.deliver(mail(2))
      for _ in 0..<2 {
        let report = try await world.sync()
        #expect(report.problems.count == 1 && report.problems[0].contains("level200"))
      }
      #expect(try world.entries(["Other"]).count == 1)
      #expect(try world.entries().count == 1)
      #expect(world.server.messages(long).count == 1)
    }
  }

  @Test("A mailbox that was asked for and is nowhere is told of")
  func nowhere() async throws {
    let world = try World()
    world.server.deliver(mail(1))
    world.settings.mailboxes = ["inbox", "Nope", "No*"]
    let report = try await world.sync()
    #expect(report.problems == ["Nope: no such mailbox on the server"])
    #expect(try world.entries().count == 1)
    // One that is to be made there is no problem.
    world.settings.mailboxes = ["Own"]
    try await world.deliver(mail(2), to: ["Own"])
    let second = try await world.sync()
    #expect(second.problems.isEmpty && world.server.messages("Own").count == 1)
  }

  @Test("A mailbox with the name of the quarantine is a mailbox, and the quarantine is none")
  func quarantineName() async throws {
    let world = try World()
    world.server.create("merpati-quarantine")
    for number in 1...2 { world.server.deliver(mail(number), to: "merpati-quarantine") }
    try await world.sync()
    try world.remove(mail(1), in: ["merpati-quarantine"])
    for _ in 0..<2 { try await world.sync() }
    try world.expectSame()
    #expect(world.server.names == ["INBOX", "merpati-quarantine"])
    #expect(try await world.quarantine().count == 1)
  }

  @Test("Files of one name from two folders come back from the quarantine each to its own")
  func twins() async throws {
    let world = try World()
    for name in ["A", "B"] { world.server.create(name) }
    try await world.sync()
    for (number, name) in ["A", "B"].enumerated() {
      let path = world.folder([name]).directory + "/new/1700000000.1.same"
      try Files.write(mail(number), to: path)
    }
    try await world.settle()
    for name in ["A", "B"] { world.server.expunge(name, world.server.messages(name).map(\.uid)) }
    try await world.sync()
    #expect(try world.entries(["A"]).isEmpty)
    let engine = try world.engine()
    #expect(try await engine.quarantine.list().map(\.base).count == 2)
    _ = try await engine.quarantine.undo(since: 0)
    engine.close()
    #expect(try world.entries(["A"]).map { try world.text($0, in: ["A"]) } == [mail(0)])
    #expect(try world.entries(["B"]).map { try world.text($0, in: ["B"]) } == [mail(1)])
  }

  @Test("What the server deleted between two syncs does not come back because headers were looked at meanwhile")
  func headersBetween() async throws {
    let world = try World()
    world.server.create("A")
    for number in 1...3 { world.server.deliver(mail(number)) }
    world.server.deliver(mail(4), to: "A")
    try await world.sync()
    world.server.expunge("INBOX", [1])
    world.server.delete("A")
    world.settings.mode = .headers
    world.settings.brake.allowance = .all
    for _ in 0..<2 { try await world.sync() }
    world.settings.mode = .sync
    try await world.sync()
    try await world.settle()
    try world.expectSame()
    #expect(world.server.messages().map(\.uid) == [2, 3] && world.server.names == ["INBOX"])
  }

  @Test("What another program does to a file while its flags come from the server stays")
  func flagsMeanwhile() async throws {
    let world = try World()
    world.server.deliver(mail(1))
    try await world.sync()
    world.server.setFlags("INBOX", 1, .seen)
    let faults = Faults()
    let folder = world.folder()
    let before = try #require(try world.entry(of: mail(1)))
    faults.onStep.withLock {
      $0 = { step in
        guard step == "before set flags", let entry = try? folder.find(base: before.base) else { return }
        var flags = entry.flags
        flags.flagged = true
        _ = try? folder.setFlags(flags, of: entry)
      }
    }
    try await world.sync(faults)
    let after = try #require(try world.entry(of: mail(1)))
    #expect(SyncFlags(after.flags) == SyncFlags([.seen, .flagged]))
    try await world.sync()
    try world.expectSame()
  }
}

extension RemoteWorker {
  fileprivate func store(_ changes: [FlagStore], in mailbox: KnownMailbox) async throws {
    try await open(mailbox).store(changes)
  }
}
