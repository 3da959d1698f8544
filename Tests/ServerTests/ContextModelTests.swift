import IMAPCore
import MailStore
import MailTestKit
import Testing

@testable import IMAPServer

private actor ContextPlayer {
  private static let flags = ["\\Seen", "\\Flagged", "\\Deleted", "kerja"]
  private static let mailboxes = ["INBOX", "INBOX", "Work"]

  private let session: ModelSession
  private let model = ContextModel()
  private var random: SeededRandom

  init(_ server: TestServer, _ name: String, seed: UInt64) async throws {
    session = try await ModelSession.connect(to: server, name: name)
    random = SeededRandom(seed: seed)
  }

  func start() async throws {
    isWrong = true
    let model = model
    session.hear = { line in
      if line.hasPrefix("* OK [CLOSED]") { model.left() }
      try model.hear(line)
    }
    for name in ["CONDSTORE", "QRESYNC", "UIDONLY", "IMAP4rev2"] where random.int(0...3) == 0 { try await enable(name) }
    let flags = random.pick([" FlagChange", " FlagChange", ""])
    switch random.int(0...5) {
    case 0, 1: break
    case 2: try await session.must("NOTIFY SET (selected-delayed (MessageNew (UID) MessageExpunge\(flags)))")
    case 3: try await session.must("NOTIFY SET (selected (MessageNew MessageExpunge\(flags)))")
    default: try await session.must("NOTIFY SET (selected (MessageNew (UID) MessageExpunge\(flags)))")
    }
    try await select()
    for _ in 0..<4 { try await begin() }
  }

  func play(_ operations: Int) async throws {
    isWrong = true
    for _ in 0..<operations {
      try await step()
      try await tidy()
    }
    isWrong = false
  }

  private func step() async throws {
    switch random.int(0...31) {
    case 0...9: try await append()
    case 10...18:
      let mode = random.pick(["+FLAGS", "-FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT"])
      guard let set = someUIDs() else { return }
      try await session.must("UID STORE \(set) \(mode) (\(random.pick(Self.flags)))")
    case 19, 20:
      // So that the mailbox stays small.
      if model.messages > 40, !model.isUIDOnly { _ = try await session.run("STORE 1:20 +FLAGS.SILENT (\\Deleted)") }
      try await session.must("EXPUNGE")
    case 21, 22: try await begin()
    case 23:
      guard model.results.count > 2, let tag = model.results.keys.sorted().first else { return }
      try await cancel([tag])
    case 24:
      guard let set = someUIDs() else { return }
      _ = try await session.run("UID COPY \(set) \(random.pick(Self.mailboxes))")
    case 25, 26:
      guard let set = someUIDs() else { return }
      _ = try await session.run("UID MOVE \(set) \(random.pick(Self.mailboxes))")
    case 27 where random.int(0...2) == 0: try await select()
    case 28 where random.int(0...9) == 0:
      try await enable(random.pick(["CONDSTORE", "QRESYNC", "UIDONLY", "IMAP4rev2"]))
    default: try await session.must("NOOP")
    }
  }

  private func append() async throws {
    let subject = random.pick(["a", "bb", "ab", "c", "ba"])
    let text = "Subject: \(subject)\r\n\r\n\(String(repeating: "x", count: random.int(0...20)))"
    let flags = Self.flags.filter { _ in random.int(0...3) == 0 }.joined(separator: " ")
    try await session.must("APPEND \(random.pick(Self.mailboxes)) (\(flags)) {\(text.utf8.count)+}\r\n\(text)")
  }

  private func someUIDs() -> String? {
    guard model.messages > 0 else { return nil }
    return (0...random.int(0...3)).map { _ in "\(random.int(1...max(1, model.messages * 2)))" }.joined(separator: ",")
  }

  /// With VANISHED a client that counts has to know who stands where.
  private func tidy() async throws {
    if !model.abandoned.isEmpty { try await cancel(model.abandoned.sorted()) }
    guard model.tellsVanished, !model.isUIDOnly, let first = model.firstUnknown else { return }
    try await session.must("UID FETCH \(first):* (UID)")
  }

  private func cancel(_ tags: [String]) async throws {
    // Until the command is done its updates may come, or not.
    for tag in tags { model.results[tag] = nil }
    model.abandoned.subtract(tags)
    model.cancelled.formUnion(tags)
    try await session.must("CANCELUPDATE \(tags.map { "\"\($0)\"" }.joined(separator: " "))")
    model.cancelled.subtract(tags)
  }

  private func select() async throws {
    let name = random.pick(Self.mailboxes)
    model.next = name
    if model.selected.isEmpty {
      model.left()
    } else if random.flip() {
      try await session.must("UNSELECT")
      model.left()
    }
    try await session.must("SELECT \(name)")
    // RFC 5267 §4.3: updates end with the mailbox.
    model.cancelled = []
    try await tidy()
  }

  private func enable(_ name: String) async throws {
    try await session.must("ENABLE \(name)")
    guard name == "UIDONLY" else { return }
    let left = model.results.filter { !$0.value.search.isUID }.keys.sorted()
    guard left.isEmpty, model.abandoned.isEmpty else {
      throw ContextModel.Wrong(description: "\(left) are told by number")
    }
  }

  private func begin() async throws {
    guard model.results.count + model.abandoned.count < 8 else { return }
    let search = random.pick(ContextSearch.all)
    guard search.isUID || !model.isUIDOnly else { return }
    let isWhole = random.int(0...3) > 0
    let update = random.pick(["UPDATE", "UPDATE", "UPDATE (UID FLAGS)"])
    let tag = session.nextTag
    model.ask()
    model.results[tag] = .init(search: search, list: isWhole ? ResultList(numbers: []) : nil)
    try await session.must(search.command("\(update) \(isWhole ? "ALL" : "PARTIAL 2:4 COUNT")"))
  }

  func compare() async throws {
    isWrong = true
    try await session.must("NOOP")
    try await session.must("NOOP")
    try await tidy()
    for tag in model.results.keys.sorted() {
      guard let search = model.results[tag]?.search else { continue }
      model.ask()
      try await session.must(search.command("ALL COUNT"))
      let truth = model.last
      guard let believed = model.results[tag] else { continue }
      guard believed.list?.numbers ?? truth.all == truth.all, believed.count == truth.all.count,
        truth.count == believed.count
      else {
        throw ContextModel.Wrong(
          description: "\(tag), \(search): \(believed.count), \(believed.list?.numbers ?? []) for \(truth.all)")
      }
      if random.int(0...2) == 0 { try await comparePart(search, truth.all) }
    }
    isWrong = false
  }

  /// RFC 9394: parts from either end.
  private func comparePart(_ search: ContextSearch, _ all: [UInt32]) async throws {
    let (first, last) = (random.int(1...6), random.int(1...6))
    let isFromEnd = random.flip()
    model.ask()
    try await session.must(
      search.command("PARTIAL \(isFromEnd ? "-\(first):-\(last)" : "\(first):\(last)") MIN MAX COUNT"))
    let counted = isFromEnd ? all.reversed() : all
    let part = counted.dropFirst(min(first, last) - 1).prefix(abs(first - last) + 1)
    let wanted = isFromEnd ? Array(part.reversed()) : Array(part)
    let answer = model.last
    guard answer.part ?? [] == wanted, answer.count == all.count, answer.min == all.first, answer.max == all.last else {
      throw ContextModel.Wrong(description: "\(search): \(answer) of \(all), \(isFromEnd ? "-" : "")\(first):\(last)")
    }
  }

  func close() async { await session.close() }
  var story: [String] { ["\(model.enabled.sorted()) in \(model.selected)"] + session.story }
  private(set) var isWrong = false
}

@Suite struct ContextModelTests {
  struct Different: Error, CustomStringConvertible { var description: String }

  @Test(arguments: ModelStore.allCases)
  func `A client that follows ADDTO and REMOVEFROM has the results, whatever four do at once`(kind: ModelStore)
    async throws
  {
    let (store, remove) = try kind.open()
    defer { remove() }
    let account = try await ModelRun.addAccount(to: store)
    _ = try await store.createMailbox("Work", of: account.id, specialUse: nil)
    let server = try await TestServer.start(.imap, store: store, settings: ["tls": "off"], clock: TestClock())
    let seed = ModelRun.seed
    let operations = ModelRun.operations(400)
    ModelRun.announce("CONTEXT over \(kind)", operations)
    var players: [ContextPlayer] = []
    for number in 0..<4 {
      let player = try await ContextPlayer(server, "c\(number)x", seed: seed &* 37 &+ UInt64(number))
      players.append(player)
    }
    var random = SeededRandom(seed: seed)
    var rounds = 0
    var left = operations
    do {
      for player in players { try await player.start() }
      while left > 0 {
        let each = random.int(1...5)
        left -= 4 * each
        try await withThrowingTaskGroup { group in
          for player in players { group.addTask { try await player.play(each) } }
          try await group.waitForAll()
        }
        // Searching anew is most of the work.
        rounds += 1
        if rounds.isMultiple(of: left > 1000 ? 20 : 1) || left <= 0 {
          for player in players { try await player.compare() }
        }
      }
    } catch {
      for player in players where await player.isWrong { print(await player.story.joined(separator: "\n"), "\n---") }
      throw Different(description: "MODEL_SEED=\(seed), \(left) operations left: \(error)")
    }
    for player in players { await player.close() }
    await server.stop()
    await store.close()
  }
}
