import Foundation
import Logging
import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

/// Four clients on one account, each of another kind, which do ten thousand things at random, lose their connections in the
/// middle of answers, and come back. In the end, and now and then, each has exactly what the server has.
@Suite struct SyncRandomTests {
  enum Engine: String, Sendable, CaseIterable { case memory, sqlite }

  private static let operations = ModelRun.operations(600)
  private static let mailboxes = ["INBOX", "Work", "Arsip"]

  @Test(arguments: Engine.allCases, [false, true])
  func `A client that applies only what it is told has what the server has`(
    _ engine: Engine, _ inSlices: Bool
  ) async throws {
    let seed = ModelRun.seed
    ModelRun.announce("QRESYNC and UIDONLY over \(engine.rawValue)\(inSlices ? " in slices" : "")", Self.operations)
    let bed = try await SyncBed(engine, inSlices: inSlices, seed: seed)
    do {
      for step in 0..<Self.operations {
        try await bed.step()
        if step % 200 == 199 { try await bed.compareAll("after \(step + 1) operations") }
      }
      try await bed.compareAll("at the end")
    } catch {
      Issue.record("\(engine.rawValue), MODEL_SEED=\(seed): \(error)")
    }
    print("sync: seed \(seed): \(bed.tally.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
    // A test in which nobody ever came back would prove little.
    if Self.operations >= 600 { #expect((bed.tally["resynchronised"] ?? 0) > 0 && (bed.tally["cut"] ?? 0) > 0) }
    await bed.close()
  }

  private final class SyncBed {
    let store: any MailStore
    let clock = TestClock()
    let server: TestServer
    let account: Account
    let clients: [SyncClient]
    let folder: String?
    var random: SeededRandom
    var tally: [String: Int] = [:]
    private var number = 0

    init(_ engine: Engine, inSlices: Bool, seed: UInt64) async throws {
      random = SeededRandom(seed: seed)
      let clock = clock
      switch engine {
      case .memory:
        store = FakeStore(now: { clock.now })
        folder = nil
      case .sqlite:
        let root = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        let folder = "\(root)/merpati-sync-\(ProcessInfo.processInfo.processIdentifier)-\(seed)-\(inSlices)"
        var settings = StoreSettings(now: { clock.now })
        settings.upkeepInterval = 0
        settings.cachedViewEntries = 0
        settings.flagChunks = FlagChunkSizes(capacity: 5, loose: 8, least: 3)
        var logger = Logger(label: "sync")
        logger.logLevel = .critical
        store = try SQLStore.open(directory: folder, settings: settings, logger: logger)
        self.folder = folder
      }
      account = try await store.addAccount(
        NewAccount(name: "budi", credentials: try TestServer.credentials(password: "rahasia")))
      for name in SyncRandomTests.mailboxes.dropFirst() {
        _ = try await store.createMailbox(name, of: account.id, specialUse: nil)
      }
      let settings = inSlices ? ["messages-on-loop": "4", "output-chunk": "512", "whole-message-limit": "40"] : [:]
      server = try await TestServer.start(
        .imap, store: store, settings: settings.merging(["tls": "off"]) { $1 }, clock: clock)
      clients = SyncClient.Kind.allCases.map { [address = server.address] in SyncClient($0, address) }
    }

    func close() async {
      for client in clients { await client.disconnect() }
      await server.stop()
      await store.close()
      if let folder { try? FileManager.default.removeItem(atPath: folder) }
    }

    // MARK: Chance

    func upTo(_ most: Int) -> Int { Int.random(in: 0...most, using: &random) }
    func chance(_ oneIn: Int) -> Bool { upTo(oneIn - 1) == 0 }
    func pick<Value>(_ list: [Value]) -> Value { list[upTo(list.count - 1)] }
    func count(_ what: String) { tally[what, default: 0] += 1 }

    func some(_ cache: ModelCache) -> [UInt32] {
      let uids = cache.uids
      guard !uids.isEmpty else { return [] }
      switch upTo(3) {
      case 0: return [pick(uids)]
      case 1: return Array(uids.suffix(1 + upTo(4)))
      default: return uids.filter { _ in chance(3) }
      }
    }

    // MARK: Steps

    func step() async throws {
      let client = pick(clients)
      do {
        if await !client.isConnected { try await comeBack(client, cutAfter: chance(6) ? upTo(12) : nil) }
        guard await client.selected != nil, !chance(25) else {
          try await open(client, cutAfter: chance(8) ? upTo(12) : nil)
          return
        }
        try await act(client)
        if chance(3) { try await client.learn() }
        if chance(10) { try await compare(client, "by the way") }
      } catch is SyncClient.Cut {
        count("cut")
      }
    }

    private func comeBack(_ client: SyncClient, cutAfter: Int?) async throws {
      try await client.connect()
      try await open(client, cutAfter: cutAfter)
    }

    private func open(_ client: SyncClient, cutAfter: Int?) async throws {
      let name = chance(2) ? "INBOX" : pick(SyncRandomTests.mailboxes)
      if await (client.caches[name]?.highest ?? 0) > 0 { count("resynchronised") }
      try await client.open(name, form: upTo(3), cutAfter: cutAfter)
    }

    private static let flags = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Kerja", "nanti"]

    private func act(_ client: SyncClient) async throws {
      let cache = await client.cache
      let uids = some(cache)
      let cut = chance(25) ? upTo(4) : nil
      switch upTo(31) {
      case 0...3:
        number += 1
        count("APPEND")
        let flags = chance(2) ? " (\(pick(Self.flags)))" : ""
        try await client.run(
          "APPEND \(pick(SyncRandomTests.mailboxes))\(flags)", literal: "Subject: \(number)\r\n\r\nisi \(number)\r\n",
          cutAfter: cut)
      case 4...10:
        guard !uids.isEmpty else { return }
        count("STORE")
        let flags = (0...upTo(2)).map { _ in pick(Self.flags) }
        try await client.store(
          uids, pick(["+", "+", "-", ""]), Array(Set(flags)).sorted(), silent: chance(2),
          unchangedSince: client.kind.tellsModSeqs && chance(3), byNumber: chance(2))
      case 11...12:
        guard !uids.isEmpty else { return }
        count("STORE")
        try await client.run("UID STORE \(ServerWords.set(uids)) +FLAGS (\\Deleted)", cutAfter: cut)
      case 13...14:
        count("EXPUNGE")
        try await client.run("EXPUNGE", cutAfter: cut)
      case 15:
        guard !uids.isEmpty else { return }
        count("EXPUNGE")
        try await client.run("UID EXPUNGE \(ServerWords.set(uids))", cutAfter: cut)
      case 16...17:
        guard !uids.isEmpty else { return }
        count("COPY")
        try await client.run("UID COPY \(ServerWords.set(uids)) \(pick(SyncRandomTests.mailboxes))", cutAfter: cut)
      case 18...19:
        guard !uids.isEmpty else { return }
        count("MOVE")
        try await client.run("UID MOVE \(ServerWords.set(uids)) \(pick(SyncRandomTests.mailboxes))", cutAfter: cut)
      case 20...21:
        guard !uids.isEmpty else { return }
        count("FETCH")
        try await client.run("UID FETCH \(ServerWords.set(uids)) (BODY[TEXT])", cutAfter: cut)
      case 22:
        count("FETCH")
        guard client.kind != .uidOnly, !cache.messages.isEmpty else { return }
        try await client.run("FETCH 1:* (FLAGS\(client.kind.tellsModSeqs ? " MODSEQ" : ""))", cutAfter: cut)
      case 23:
        guard client.kind.tellsVanished else { return }
        count("VANISHED")
        try await client.run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE \(cache.highest) VANISHED)", cutAfter: cut)
      case 24:
        count("IDLE")
        try await client.run("IDLE")
      case 25...26:
        count("NOOP")
        try await client.run("NOOP", cutAfter: cut)
      case 27: try await search(client)
      case 28: try await together()
      case 29:
        count("lost")
        await client.disconnect()
      case 30:
        count("left")
        try await client.leave(pick(["CLOSE", "UNSELECT"]))
      default: try await upkeep()
      }
    }

    /// What the client has is what a search finds, when all has been told.
    private func search(_ client: SyncClient) async throws {
      guard client.kind.tellsModSeqs else { return }
      count("SEARCH")
      try await client.run("NOOP")
      try await client.learn()
      let cache = await client.cache
      let modSeq = cache.messages.values.compactMap(\.modSeq).sorted().dropFirst(upTo(5)).first ?? 1
      let wanted = cache.messages.filter { ($0.value.modSeq ?? 0) >= modSeq }.keys.sorted()
      let answer = try await client.search("MODSEQ \(modSeq)")
      #expect(answer == wanted)
    }

    /// Two at once: the answers of each are taken in as they come.
    private func together() async throws {
      var ready: [SyncClient] = []
      for client in clients where ready.count < 2 {
        guard await client.isConnected, await client.selected != nil else { continue }
        if await !client.cache.messages.isEmpty { ready.append(client) }
      }
      guard ready.count == 2 else { return }
      count("together")
      let (one, two) = (ready[0], ready[1])
      let (left, right) = (await order(one), await order(two))
      async let first: Void = Self.say(left, one)
      async let second: Void = Self.say(right, two)
      _ = try await (first, second)
    }

    private static func say(_ commands: [String], _ client: SyncClient) async throws {
      for command in commands { try await client.run(command) }
    }

    private func order(_ client: SyncClient) async -> [String] {
      let uids = await client.cache.uids
      return (0..<3).map { _ in
        let set = ServerWords.set(uids.filter { _ in chance(2) } + [uids[0]])
        return pick([
          "UID STORE \(set) \(pick(["+", "-"]))FLAGS (\(pick(Self.flags)))", "UID EXPUNGE \(set)", "NOOP",
          "UID FETCH \(set) (FLAGS\(client.kind.tellsModSeqs ? " MODSEQ" : ""))", "EXPUNGE",
          "UID STORE \(set) +FLAGS (\\Deleted)", "UID SEARCH ALL",
        ])
      }
    }

    /// Time goes by: bytes of expunged messages go, and in the end the memory of them.
    private func upkeep() async throws {
      guard chance(4) else { return }
      count("upkeep")
      clock.advance(pick([3600, 86_400 * 31]))
      _ = try await store.compact()
      try (store as? SQLStore)?.upkeep.trimExpungeLog()
    }

    // MARK: Comparing

    func compareAll(_ when: String) async throws {
      for client in clients {
        if await !client.isConnected { try await client.connect() }
        for name in SyncRandomTests.mailboxes {
          try await client.open(name, form: upTo(3))
          try await compare(client, when)
        }
      }
    }

    private func compare(_ client: SyncClient, _ when: String) async throws {
      guard let name = await client.selected else { return }
      try await client.run("NOOP")
      try await client.learn()
      count("compared")
      let open = try await store.openMailbox(name, of: account.id) {}
      defer { open.close() }
      guard let snapshot = open.current else { throw StoreError.mailboxGone }
      let cache = await client.cache
      var wanted = snapshot.truth
      for uid in wanted.keys {
        if client.kind == .plain { wanted[uid]?.modSeq = nil }
        wanted[uid]?.emailID = cache.messages[uid]?.emailID
      }
      var mine = cache.messages
      if client.kind == .plain { for uid in mine.keys { mine[uid]?.modSeq = nil } }
      let knowsAll = await client.knowsAll
      if mine != wanted || !knowsAll || cache.highest > snapshot.highestModSeq {
        let differing = Set(mine.keys).union(wanted.keys).filter { mine[$0] != wanted[$0] }.sorted()
        let story = differing.prefix(8).map { uid in
          "  \(uid): \(mine[uid].map { "\($0)" } ?? "-") but \(wanted[uid].map { "\($0)" } ?? "-")"
        }
        throw SyncClient.Violation(
          description: """
            \(client.kind.rawValue) differs in \(name) \(when), knows all \(knowsAll), \(cache.highest) of \
            \(snapshot.highestModSeq)
            \(story.joined(separator: "\n"))
            \(await client.dialogue.suffix(60).joined(separator: "\n"))
            """)
      }
      try await compareIdentifiers(cache, open.ref)
    }

    /// RFC 8474: what was called by a name once is called so for ever.
    private func compareIdentifiers(_ cache: ModelCache, _ ref: MailboxRef) async throws {
      let uids = cache.uids
      let ids = Names()
      _ = try await store.visit(ref, uids[...], needs: .identifiers) { row throws(StoreError) in
        ids.all[row.uid] = "(\(row.emailID))"
        return .next
      }
      // One that the client has heard of by its flags alone has no name yet.
      for uid in uids {
        guard let id = cache.messages[uid]?.emailID, id != ids.all[uid] else { continue }
        throw SyncClient.Violation(description: "\(uid) is \(id), then \(ids.all[uid] ?? "-")")
      }
    }
  }
}

/// `@unchecked Sendable`: written by the visit, read when it has returned.
private final class Names: @unchecked Sendable {
  var all: [UInt32: String] = [:]
}
