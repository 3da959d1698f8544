import IMAPCore
import LocalMail
import Testing

@testable import MailSync

@Suite("A new UIDVALIDITY")
struct RepairTests {
  @Test(
    "Messages are found again by content: nothing travels, is doubled or deleted", arguments: FakeServer.Kind.all,
    [SyncMode.sync, .mirror])
  func repair(kind: FakeServer.Kind, mode: SyncMode) async throws {
    let world = try World(FakeServer(kind), mode: mode)
    for number in 1...20 { world.server.deliver(mail(number), number.isMultiple(of: 3) ? .seen : SyncFlags()) }
    try await world.sync()
    let octets = world.server.withState { $0.bodyOctets }
    let bases = Set(try world.entries().map(\.base))
    world.server.renumber("INBOX")
    world.server.setFlags("INBOX", 500, .flagged)
    world.server.deliver(mail(30))
    if mode == .sync { try world.setFlags(mail(2), .flagged) }
    let report = try await world.sync()
    #expect(report.total.downloaded == 1 && report.total.deletedLocally == 0 && report.total.uploaded == 0)
    #expect(world.server.withState { $0.bodyOctets } == octets + mail(30).utf8.count)
    #expect(Set(try world.entries().map(\.base)).isSuperset(of: bases))
    try world.expectSame()
    #expect(try await !world.settle().hasChanges)
    try world.expectSame()
  }

  @Test("Where Message-ID and dates are missing, the bytes decide")
  func withoutNames() async throws {
    let world = try World()
    // All of one size.
    for number in 1...6 { world.server.deliver(nameless(number), number == 2 ? .flagged : SyncFlags()) }
    try await world.sync()
    let bases = Set(try world.entries().map(\.base))
    world.server.renumber("INBOX")
    let report = try await world.sync()
    #expect(report.total.downloaded == 0 && report.total.uploaded == 0 && report.total.deletedLocally == 0)
    #expect(Set(try world.entries().map(\.base)) == bases)
    try world.expectSame()
  }

  @Test("Copies of one message find one place each")
  func copies() async throws {
    let world = try World()
    for _ in 1...3 { world.server.deliver(mail(1)) }
    for _ in 1...3 { world.server.deliver(nameless(1)) }
    try await world.sync()
    world.server.renumber("INBOX")
    world.server.setFlags("INBOX", 500, .flagged)
    let report = try await world.sync()
    #expect(report.total.downloaded == 0 && report.total.uploaded == 0)
    #expect(try world.entries().count == 6)
    try await world.settle()
    try world.expectSame()
  }

  @Test(
    "What is missing after the change is kept and sent again; in a mirror left alone",
    arguments: [SyncMode.sync, .mirror])
  func missing(mode: SyncMode) async throws {
    let world = try World(mode: mode)
    for number in 1...4 { world.server.deliver(mail(number)) }
    try await world.sync()
    world.server.renumber("INBOX")
    world.server.expunge("INBOX", [502])
    let report = try await world.sync()
    #expect(try world.entries().count == 4)
    #expect(report.total.deletedLocally == 0 && report.total.quarantined == 0)
    if mode == .sync {
      try await world.settle()
      try world.expectSame()
      #expect(world.server.messages().count == 4)
    } else {
      #expect(report.total.onlyLocal == 1)
      #expect(try await world.sync().total.onlyLocal == 1)
    }
  }

  @Test("What was deleted here before the change is still deleted there")
  func deletedBefore() async throws {
    let world = try World()
    for number in 1...4 { world.server.deliver(mail(number)) }
    try await world.sync()
    try world.remove(mail(3))
    world.server.renumber("INBOX")
    let report = try await world.sync()
    #expect(report.total.deletedRemotely == 1)
    try world.expectSame()
    #expect(world.server.messages().count == 3)
  }

  @Test("Two mailboxes that exchanged their names keep their messages")
  func exchanged() async throws {
    let world = try World()
    world.server.create("A")
    world.server.create("B")
    for number in 1...3 { world.server.deliver(mail(number), to: "A") }
    for number in 4...9 { world.server.deliver(mail(number), to: "B") }
    try await world.sync()
    let octets = world.server.withState { $0.bodyOctets + $0.appendOctets }
    world.server.rename("A", to: "X")
    world.server.rename("B", to: "A")
    world.server.rename("X", to: "B")
    #expect(try await world.sync().total.movedLocally == 9)
    try await world.settle()
    try world.expectSame()
    #expect(world.server.messages("A").count == 6 && world.server.messages("B").count == 3)
    #expect(world.server.withState { $0.bodyOctets + $0.appendOctets } == octets)
  }

  @Test("The matcher pairs by EMAILID, by size, name and date, and leaves doubts open")
  func matcher() {
    func known(_ uid: UInt32, size: Int64 = 10, id: String?, seconds: Int64 = 1, email: String? = nil, print: UInt8?)
      -> KnownMessage
    {
      var message = KnownMessage(uid: uid, remote: SyncFlags(), size: size)
      message.messageID = id
      message.date = IMAPDateTime(seconds: seconds)
      message.emailID = email
      message.fingerprint = print.map { Fingerprint(bytes: [$0]) }
      return message
    }
    func found(_ uid: UInt32, size: Int64 = 10, id: String?, seconds: Int64 = 1, email: String? = nil) -> RemoteMessage
    {
      var message = RemoteMessage(uid: uid)
      message.size = size
      message.messageID = id
      message.date = IMAPDateTime(seconds: seconds)
      message.emailID = email
      return message
    }
    func pairs(_ known: [KnownMessage], _ found: [RemoteMessage]) -> [[Int]] {
      ContentMatcher.match(known: known, found: found).pairs.map { [$0.known, $0.found] }.sorted { $0[0] < $1[0] }
    }
    #expect(pairs([known(1, id: "a", print: 1)], [found(9, id: "a")]) == [[0, 0]])
    #expect(pairs([known(1, id: "a", print: 1)], [found(9, id: "a", seconds: 5)]) == [[0, 0]])
    #expect(pairs([known(1, id: "a", print: 1)], [found(9, size: 11, id: "a")]) == [])
    #expect(pairs([known(1, id: "x", email: "E", print: 1)], [found(9, size: 11, id: "y", email: "E")]) == [[0, 0]])
    // Same name, same size, other bytes.
    let twins = [known(1, id: "a", print: 1), known(2, id: "a", print: 2)]
    let result = ContentMatcher.match(known: twins, found: [found(8, id: "a"), found(9, id: "a")])
    #expect(result.pairs.isEmpty && result.doubtful == [0, 1])
    let copies = [known(1, id: "a", print: 1), known(2, id: "a", print: 1)]
    #expect(pairs(copies, [found(8, id: "a"), found(9, id: "a")]) == [[0, 0], [1, 1]])
  }
}
@Test(
  "A server that was restored from a backup: new mail under used UIDs comes, what it lost goes back",
  arguments: FakeServer.Kind.all)
func restoredServer(kind: FakeServer.Kind) async throws {
  let world = try World(FakeServer(kind))
  for number in 1...5 { world.server.deliver(mail(number)) }
  world.server.deliver(nameless(1))
  try await world.sync()
  let backup = try #require(world.server.withState { $0.boxes["INBOX"] })
  for number in 6...8 { world.server.deliver(mail(number)) }
  try await world.sync()
  world.server.withState { $0.boxes["INBOX"] = backup }
  world.server.deliver(mail(9))
  try await world.sync()
  try await world.settle()
  try world.expectSame()
  let contents = try world.localContents()
  for number in 1...9 { #expect(contents.count(mail(number)) == 1, "message \(number)") }
  #expect(contents.messages.count == 10)
}

@Test("A server whose MODSEQ fell is asked for all its flags", arguments: FakeServer.Kind.all)
func fallenModSeq(kind: FakeServer.Kind) async throws {
  let world = try World(FakeServer(kind))
  for number in 1...3 { world.server.deliver(mail(number)) }
  try await world.sync()
  let backup = try #require(world.server.withState { $0.boxes["INBOX"] })
  world.server.setFlags("INBOX", 1, .seen)
  world.server.setFlags("INBOX", 2, .flagged)
  try await world.sync()
  world.server.withState { $0.boxes["INBOX"] = backup }
  world.server.setFlags("INBOX", 3, .seen)
  try await world.sync()
  try world.expectSame()
  #expect(world.server.messages().map(\.flags) == [SyncFlags(), SyncFlags(), .seen])
}
