import IMAPCore
import LocalMail
import MailTestKit
import NIOCore
import Testing

@testable import MailSync

@Suite("Random histories")
struct HistoryTests {
  @Test(
    "After any history both sides are equal, and what nobody deleted is there once", arguments: FakeServer.Kind.all,
    [UInt64(1), 2, 3])
  func histories(kind: FakeServer.Kind, seed: UInt64) async throws {
    var history = try History(kind, seed: seed, faults: false)
    try await history.run(rounds: 6)
  }

  @Test("The same with a kill or a cut in every second run", arguments: FakeServer.Kind.all, [UInt64(11), 12, 13])
  func interrupted(kind: FakeServer.Kind, seed: UInt64) async throws {
    var history = try History(kind, seed: seed, faults: true)
    try await history.run(rounds: 6)
  }
}

/// Two hands that change two sides as they like.
struct History {
  let world: World
  let seed: UInt64
  let faults: Bool
  private var random: SeededRandom
  private var next = 1
  private var texts: Set<String> = []
  private var deleted: Set<String> = []
  private var log: [String] = []
  static let boxes = [["INBOX"], ["A"], ["A", "Sub"], ["B"]]

  init(_ kind: FakeServer.Kind, seed: UInt64, faults: Bool) throws {
    world = try World(FakeServer(kind))
    world.settings.brake.allowance = .all
    world.settings.bigMessage = 600
    world.settings.piece = 256
    self.seed = seed
    self.faults = faults
    random = SeededRandom(seed: seed)
    for path in Self.boxes.dropFirst() { world.server.create(path.joined(separator: "/")) }
  }

  mutating func run(rounds: Int) async throws {
    for round in 0..<rounds {
      for _ in 0..<Int.random(in: 2...12, using: &random) { try await act() }
      if faults, Bool.random(using: &random) {
        let at = Int.random(in: 1...150, using: &random)
        let kind: Faults.Kind = Bool.random(using: &random) ? .crash : .cut
        log.append("sync with \(kind) at \(at)")
        _ = try? await world.sync(Faults(at: at, kind))
        for _ in 0..<Int.random(in: 0...3, using: &random) { try await act() }
      }
      log.append("sync")
      try await world.settle()
      try check(round)
    }
  }

  private func check(_ round: Int) throws {
    let comment: Comment = "seed \(seed), round \(round), \(world.server.kind): \(log.joined(separator: "; "))"
    try world.expectSame(comment)
    let remote = world.remoteContents()
    let local = try world.localContents()
    try #require(remote.sorted == local.sorted)
    for text in texts {
      let count = remote.count(text)
      try #require(deleted.contains(text) ? count <= 1 : count == 1, "\(text.prefix(30)) \(count) times; \(comment)")
    }
  }

  private mutating func text() -> String {
    defer { next += 1 }
    let text = next.isMultiple(of: 5) ? nameless(next) : mail(next, lines: next.isMultiple(of: 7) ? 60 : 2)
    texts.insert(text)
    return text
  }

  private mutating func flags() -> SyncFlags {
    SyncFlags(
      FlagSet(rawValue: UInt8.random(in: 0...31, using: &random)).subtracting(.deleted),
      keywords: Set(["one", "two"].filter { _ in Bool.random(using: &random) }.map { KeywordName($0) }))
  }

  private mutating func act() async throws {
    let path = Self.boxes.randomElement(using: &random) ?? ["INBOX"]
    let other = Self.boxes.randomElement(using: &random) ?? ["INBOX"]
    if Bool.random(using: &random) { actRemotely(path, other) } else { try await actLocally(path, other) }
  }

  private mutating func actRemotely(_ path: [String], _ other: [String]) {
    let (name, target) = (path.joined(separator: "/"), other.joined(separator: "/"))
    let message = world.server.messages(name).randomElement(using: &random)
    switch (Int.random(in: 0..<6, using: &random), message) {
    case (0, let message?):
      deleted.insert(String(buffer: message.bytes))
      world.server.expunge(name, [message.uid])
      log.append("remote expunge \(name) \(message.uid)")
    case (1, let message?), (2, let message?):
      world.server.setFlags(name, message.uid, flags())
      log.append("remote flags \(name) \(message.uid)")
    case (3, let message?) where name != target:
      world.server.move(name, message.uid, to: target)
      log.append("remote move \(name) \(message.uid) \(target)")
    default:
      let uid = world.server.deliver(text(), to: name, flags(), seconds: 1_700_000_000 + Int64(next))
      log.append("remote deliver \(name) \(uid)")
    }
  }

  private mutating func actLocally(_ path: [String], _ other: [String]) async throws {
    try world.tree.create()
    _ = try world.tree.createFolder(path)
    _ = try world.tree.createFolder(other)
    let entry = try world.entries(path).sorted { $0.base < $1.base }.randomElement(using: &random)
    switch (Int.random(in: 0..<6, using: &random), entry) {
    case (0, let entry?):
      deleted.insert(try world.text(entry, in: path))
      log.append("local remove \(path) \(try world.text(entry, in: path).prefix(20))")
      try world.folder(path).remove(entry)
    case (1, let entry?), (2, let entry?):
      log.append("local flags \(path) \(try world.text(entry, in: path).prefix(20))")
      _ = try world.folder(path).setFlags(flags().maildir, of: entry)
    case (3, let entry?) where path != other:
      log.append("local move \(path) \(other) \(try world.text(entry, in: path).prefix(20))")
      _ = try world.folder(path).move(entry, to: world.folder(other))
    default:
      let text = text()
      log.append("local deliver \(path) \(text.prefix(20))")
      try await world.deliver(text, to: path, flags(), date: 1_700_000_000 + Int64(next))
    }
  }
}
