import MailStore
import MailTestKit
import Testing

@testable import IMAPServer

/// One of four clients at once, each with its own model of everything there is.
private actor NotifyPlayer {
  private static let fixed = ["INBOX", "Archive", "Sent", "Drafts"]
  private static let loose = ["A", "B", "C", "A/x", "A/y", "A/x/1", "B/x", "C/y", "D/z"]
  private static let flags = ["\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "kerja", "rumah"]

  private let session: ModelSession
  private let model = NotifyModel()
  private var random: SeededRandom

  init(_ server: TestServer, _ name: String, seed: UInt64) async throws {
    session = try await ModelSession.connect(to: server, name: name)
    random = SeededRandom(seed: seed)
  }

  func start() async throws {
    let model = model
    session.hear = { line in
      if line.hasPrefix("* OK [CLOSED]") { model.left() }
      try model.hear(line)
    }
    try await session.must(
      "NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) "
        + "(personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))")
    try await session.must("LIST \"\" * RETURN (SUBSCRIBED)")
  }

  func play(_ operations: Int) async throws {
    isWrong = true
    for _ in 0..<operations { try await step() }
    isWrong = false
  }

  /// All that others did before is heard after this: a session is woken before their commands are answered.
  func settle() async throws {
    try await session.must("NOOP")
    try await session.must("NOOP")
  }

  func close() async { await session.close() }
  var story: [String] { session.story }
  private(set) var isWrong = false

  private func step() async throws {
    switch random.int(0...19) {
    case 0...3: try await append()
    case 4...7: try await store()
    case 8, 9: try await copyOrMove()
    case 10: try await expunge()
    case 11: try await select()
    case 12: try await unselect()
    case 13, 14: try await create()
    case 15: try await delete()
    case 16, 17: try await rename()
    case 18: try await subscribe()
    default: try await session.must("NOOP")
    }
  }

  private var someFlags: [String] { Self.flags.filter { _ in random.int(0...2) == 0 } }

  private func append() async throws {
    let name = random.pick(Self.fixed + Self.loose)
    let flags = someFlags
    let answer = try await session.run("APPEND \(name) (\(flags.joined(separator: " "))) {3+}\r\nisi")
    guard answer.hasPrefix("OK") else { return }
    model.didPut(into: name, answer)
    try await look(into: name, answer)
  }

  /// Nothing is sent of messages that this client has put into its own mailbox; others may have changed them since.
  private func look(into name: String, _ answer: String) async throws {
    guard name == model.selected, let close = answer.firstIndex(of: "]") else { return }
    let set = answer[..<close].split(separator: " ").last ?? ""
    try await session.must("UID FETCH \(set) (UID FLAGS)")
  }

  private func someUIDs() -> [UInt32] {
    guard model.selected != nil else { return [] }
    let known = model.messages.compactMap(\.uid)
    return known.filter { _ in random.int(0...max(1, known.count / 3)) == 0 }
  }

  private func store() async throws {
    let uids = someUIDs()
    guard !uids.isEmpty else { return try await select() }
    let mode = random.pick(["+FLAGS", "-FLAGS", "FLAGS"])
    let silent = random.flip()
    let flags = someFlags
    let set = uids.map(String.init).joined(separator: ",")
    let answer = try await session.run(
      "UID STORE \(set) \(mode)\(silent ? ".SILENT" : "") (\(flags.joined(separator: " ")))")
    guard silent, answer.hasPrefix("OK") else { return }
    // FETCH lines of others' changes may tell of the time before the STORE, or after: then the client has to look.
    if !session.told.isDisjoint(with: uids) { return try await session.must("UID FETCH \(set) (UID FLAGS)") }
    for index in model.messages.indices {
      guard let uid = model.messages[index].uid, uids.contains(uid) else { continue }
      switch mode {
      case "+FLAGS": model.messages[index].flags.formUnion(flags)
      case "-FLAGS": model.messages[index].flags.subtract(flags)
      default: model.messages[index].flags = Set(flags)
      }
    }
  }

  private func copyOrMove() async throws {
    let uids = someUIDs()
    guard !uids.isEmpty else { return }
    let name = random.pick(Self.fixed + Self.loose)
    let set = uids.map(String.init).joined(separator: ",")
    if name != model.selected, random.flip() {
      session.moved = nil
      let answer = try await session.run("UID MOVE \(set) \(name)")
      if answer.hasPrefix("OK"), let moved = session.moved { model.didPut(into: name, moved) }
    } else {
      let answer = try await session.run("UID COPY \(set) \(name)")
      guard answer.hasPrefix("OK") else { return }
      model.didPut(into: name, answer)
      try await look(into: name, answer)
    }
  }

  private func expunge() async throws {
    guard model.selected != nil else { return }
    try await session.must("EXPUNGE")
  }

  private func select() async throws {
    let name = random.pick(Self.fixed)
    if model.selected == nil { model.select(name) } else { model.next = name }
    try await session.must("SELECT \(name)")
    try await session.must("UID FETCH 1:* (UID FLAGS)")
  }

  private func unselect() async throws {
    guard model.selected != nil else { return }
    try await session.must("UNSELECT")
    model.left()
  }

  private func create() async throws {
    let name = random.pick(Self.loose)
    if try await session.run("CREATE \(name)").hasPrefix("OK") { model.didCreate(name) }
  }

  private func delete() async throws {
    let name = random.pick(Self.loose)
    if try await session.run("DELETE \(name)").hasPrefix("OK") { model.didDelete(name) }
  }

  private func rename() async throws {
    let old = random.int(0...9) == 0 ? "INBOX" : random.pick(Self.loose)
    let new = random.pick(Self.loose)
    if try await session.run("RENAME \(old) \(new)").hasPrefix("OK") { model.didRename(old, to: new) }
  }

  private func subscribe() async throws {
    let name = random.pick(Self.fixed + Self.loose)
    let isOn = random.flip()
    guard try await session.run("\(isOn ? "" : "UN")SUBSCRIBE \(name)").hasPrefix("OK") else { return }
    if isOn { model.subscribed.insert(name) } else { model.subscribed.remove(name) }
  }

  // MARK: Comparing

  func compare(with store: any MailStore, _ account: AccountID) async throws {
    isWrong = true
    let listing = try await store.mailboxes(of: account)
    let selectable = listing.mailboxes.filter(\.isSelectable)
    try check(model.names, Set(selectable.map(\.name)), "names")
    var subscribed = Set(listing.subscribedWithoutMailbox)
    for info in listing.mailboxes where info.isSubscribed { subscribed.insert(info.name) }
    try check(model.subscribed, subscribed, "subscriptions")
    for info in selectable where info.name != model.selected {
      let counters = NotifyModel.Counters(messages: info.messages, uidNext: info.uidNext, unseen: info.unseen)
      try check(model.counters[info.name], counters, info.name)
    }
    guard let selected = model.selected else {
      isWrong = false
      return
    }
    let mailbox = try await store.openMailbox(selected, of: account, onChange: {})
    defer { mailbox.close() }
    let snapshot = try #require(mailbox.current)
    var messages: [NotifyModel.Message] = []
    snapshot.forEach(in: 0..<snapshot.count) { _, entry in
      messages.append(.init(uid: entry.uid, flags: entry.names(snapshot.keywords)))
    }
    try check(model.messages, messages, selected)
    isWrong = false
  }

  private func check<Value: Equatable>(_ believed: Value, _ truth: Value, _ what: String) throws {
    guard believed != truth else { return }
    throw NotifyModel.Wrong(description: "\(what): \(believed) is believed, \(truth) is so")
  }
}

extension MessageEntry {
  func names(_ keywords: [String]) -> Set<String> {
    var names: Set<String> = []
    let system: [(SystemFlags, String)] = [
      (.seen, "\\Seen"), (.answered, "\\Answered"), (.flagged, "\\Flagged"), (.deleted, "\\Deleted"),
      (.draft, "\\Draft"),
    ]
    for (flag, name) in system where flags.contains(flag) { names.insert(name) }
    for (bit, name) in keywords.enumerated() where self.keywords & (1 << UInt64(bit)) != 0 { names.insert(name) }
    return names
  }
}

@Suite struct NotifyModelTests {
  struct Different: Error, CustomStringConvertible { var description: String }

  @Test(arguments: ModelStore.allCases)
  func `A client that hears NOTIFY alone knows the account, whatever four do at once`(kind: ModelStore) async throws {
    let (store, remove) = try kind.open()
    defer { remove() }
    let account = try await ModelRun.addAccount(to: store)
    let server = try await TestServer.start(.imap, store: store, settings: ["tls": "off"], clock: TestClock())
    let seed = ModelRun.seed
    print("NOTIFY over \(kind): seed \(seed)")
    var players: [NotifyPlayer] = []
    for number in 0..<4 {
      let player = try await NotifyPlayer(server, "c\(number)x", seed: seed &* 31 &+ UInt64(number))
      try await player.start()
      players.append(player)
    }
    var random = SeededRandom(seed: seed)
    var left = ModelRun.operations(600)
    while left > 0 {
      let each = random.int(1...5)
      left -= 4 * each
      do {
        try await withThrowingTaskGroup { group in
          for player in players { group.addTask { try await player.play(each) } }
          try await group.waitForAll()
        }
        for player in players { try await player.settle() }
        for player in players { try await player.compare(with: store, account.id) }
      } catch {
        for player in players where await player.isWrong { print(await player.story.joined(separator: "\n"), "\n---") }
        throw Different(description: "seed \(seed), \(left) left: \(error)")
      }
    }
    for player in players { await player.close() }
    await server.stop()
    await store.close()
  }
}
