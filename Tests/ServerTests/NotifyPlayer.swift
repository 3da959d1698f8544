import MailStore
import MailTestKit

@testable import IMAPServer

/// One of four clients at once, each with its own model of everything there is.
actor NotifyPlayer {
  static let fixed = ["INBOX", "Archive", "Sent", "Drafts"]
  private static let loose = ["A", "B", "C", "A/x", "A/y", "A/x/1", "B/x", "C/y", "D/z"]
  private static let flags = ["\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "kerja", "rumah"]
  private static let extensions = ["CONDSTORE", "QRESYNC", "UIDONLY", "IMAP4rev2", "METADATA"]

  private let session: ModelSession
  private let model = NotifyModel()
  private var random: SeededRandom

  init(_ server: TestServer, _ name: String, seed: UInt64) async throws {
    session = try await ModelSession.connect(to: server, name: name)
    random = SeededRandom(seed: seed)
  }

  func start(_ store: any MailStore, _ account: AccountID) async throws {
    let model = model
    session.hear = { [unowned session] line in
      model.command = session.command
      if line.hasPrefix("* OK [CLOSED]") { model.left() }
      try model.hear(line)
    }
    for name in Self.extensions where random.int(0...3) == 0 { try await enable(name) }
    if random.flip() { model.wish = .draw(Self.fixed + Self.loose, &random) }
    try await ask(model.wish, isQuiet: true)
    try await list()
    try await model.compare(with: store, account, mustKnow: model.wish.wantsStatus)
  }

  func play(_ operations: Int) async throws {
    isWrong = true
    for _ in 0..<operations { try await step() }
    isWrong = false
  }

  /// All that others did before is heard after this: a session is woken before their commands are answered.
  func settle() async throws {
    isWrong = true
    try await session.must("NOOP")
    try await session.must("NOOP")
    if model.needsList { try await list() }
    if model.selected != nil, model.wish.picture != .still,
      let unknown = model.messages.firstIndex(where: { $0.uid == nil || $0.flags == nil })
    {
      let first = model.isUIDOnly ? 1 : (model.messages[..<unknown].last?.uid ?? 0) + 1
      try await session.must("UID FETCH \(first):* (UID FLAGS)")
    }
    isWrong = false
  }

  func close() async { await session.close() }
  var story: [String] { ["\(model.enabled.sorted()), \(model.wish)"] + session.story }
  private(set) var isWrong = false

  private func step() async throws {
    switch random.int(0...62) {
    case 0...11: try await append()
    case 12...23: try await store()
    case 24...29: try await copyOrMove()
    case 30...32: try await expunge()
    case 33...35: try await select()
    case 36...38: try await unselect()
    case 39...44: try await create()
    case 45...47: try await delete()
    case 48...53: try await rename()
    case 54...56: try await subscribe()
    case 57, 58: try await annotate()
    case 59 where random.flip(): try await ask(.draw(Self.fixed + Self.loose, &random), isQuiet: false)
    case 60: try await byNumber()
    default: try await session.must("NOOP")
    }
  }

  // MARK: What is asked for

  /// With nobody else at work.
  func reconsider(_ store: any MailStore, _ account: AccountID) async throws {
    guard random.int(0...7) == 0 else { return }
    isWrong = true
    if random.int(0...5) == 0 { try await enable(random.pick(Self.extensions)) }
    let wish = NotifyWish.draw(Self.fixed + Self.loose, &random)
    try await ask(wish, isQuiet: true)
    try await list()
    // What it did not ask for before has not been told.
    try await settle()
    isWrong = true
    try await model.compare(with: store, account, mustKnow: wish.wantsStatus)
    isWrong = false
  }

  private func ask(_ wish: NotifyWish, isQuiet: Bool) async throws {
    model.nextWish = wish
    try await session.must("\(wish)")
    model.didAsk(wish, isQuiet: isQuiet)
  }

  private func list() async throws {
    model.needsList = false
    (model.names, model.subscribed, model.unsure) = ([], [], [])
    try await session.must("LIST \"\" * RETURN (SUBSCRIBED)")
    // Names without a mailbox can be subscribed too.
    try await session.must("LIST (SUBSCRIBED) \"\" *")
    for name in model.counters.keys where !model.names.contains(name) { model.counters[name] = nil }
    model.restrict()
  }

  private func enable(_ name: String) async throws {
    try await session.must("ENABLE \(name)")
    // Nothing was told of them before.
    for name in model.counters.keys { model.counters[name]?.modSeq = nil }
    for index in model.messages.indices { model.messages[index].modSeq = nil }
  }

  // MARK: Messages

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
      case "+FLAGS": model.messages[index].flags?.formUnion(flags)
      case "-FLAGS": model.messages[index].flags?.subtract(flags)
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

  /// Numbers hold as long as no EXPUNGE comes of itself.
  private func byNumber() async throws {
    guard model.wish.picture != .immediate, !model.isUIDOnly, !model.messages.isEmpty else { return }
    let index = random.int(0...model.messages.count - 1)
    let command =
      random.flip() ? "FETCH \(index + 1) (UID FLAGS)" : "STORE \(index + 1) +FLAGS (\(random.pick(Self.flags)))"
    _ = try await session.run(command)
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

  // MARK: Names

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
    model.didSubscribe(name, isOn)
  }

  private func annotate() async throws {
    let name = random.int(0...4) == 0 ? "" : random.pick(Self.fixed)
    let entry =
      name.isEmpty ? "/private/comment" : random.pick(["/private/comment", "/shared/comment", "/private/warna"])
    let value = random.int(0...3) == 0 ? nil : "v\(random.int(1...99))"
    let shown = name.isEmpty ? "\"\"" : name
    try await session.must("SETMETADATA \(shown) (\(entry) \(value.map { "\"\($0)\"" } ?? "NIL"))")
    model.notes[name]?[entry] = value
  }

  func compare(with store: any MailStore, _ account: AccountID) async throws {
    isWrong = true
    try await model.compare(with: store, account, mustKnow: false)
    isWrong = false
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
