import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// A client that keeps what it was told and asks for changes only, as QRESYNC has it (RFC 7162 §3.2.5), against a store
/// that is restored under it, from any generation, with its marks and without them. It is never told a lie:
///
/// - a (mailbox, UIDVALIDITY, UID) names the same bytes for ever;
/// - a UID that was told to be gone does not come back;
/// - after asking for changes it has exactly what the server has.
@Suite struct ToldClientTests {
  private struct Known: Equatable {
    var flags: UInt8
    var body: String
  }

  private struct Client {
    var validity: [String: UInt32] = [:]
    var modSeq: [String: ModSeq] = [:]
    var known: [String: [UID: Known]] = [:]
    /// `name validity uid` that were told to be gone, and all bytes ever seen.
    var gone: Set<String> = []
    var seen: [String: String] = [:]
  }

  private final class World {
    let bed: StoreBed
    var store: SQLStore
    var random: SeededRandom
    var clients = [Client(), Client()]
    var number = 0
    var restores = 0
    let account: Account

    init(seed: UInt64) async throws {
      bed = try StoreBed()
      random = SeededRandom(seed: seed)
      store = try bed.openSQL(BedSettings(retentionDays: 1, packBytes: 20_000))
      account = try await store.add("ana")
    }

    func mailbox() async throws -> MailboxInfo {
      try #require(
        try await store.mailboxes(of: account.id).mailboxes.filter(\.isSelectable).randomElement(using: &random))
    }

    func some(_ info: MailboxInfo) async throws -> [UID] {
      let all = try await store.state(info.name, of: account).map(\.uid)
      return all.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
    }
  }

  @Test(arguments: Array(1...10)) func `A client that was ahead of the backup is never told a lie`(_ seed: Int)
    async throws
  {
    let world = try await World(seed: UInt64(seed))
    do {
      for step in 0..<140 {
        world.bed.clock.advance(Int.random(in: 0..<40, using: &world.random))
        try await act(world)
        for index in world.clients.indices where Int.random(in: 0..<(4 + index * 8), using: &world.random) == 0 {
          try await ask(world, index, "seed \(seed), step \(step)")
        }
      }
      for index in world.clients.indices { try await ask(world, index, "seed \(seed), end") }
      #expect(try await world.store.check().problems == [])
    } catch {
      Issue.record("seed \(seed): \(error)")
    }
    await world.store.close()
    #expect(world.restores > 0 || seed > 4)
  }

  private func act(_ world: World) async throws {
    let store = world.store
    let info = try await world.mailbox()
    let ref = MailboxRef(account: world.account.id, mailbox: info.id)
    switch Int.random(in: 0..<24, using: &world.random) {
    case 0...8:
      world.number += 1
      try await store.put(Mail.text("Number \(world.number)"), in: info.name, of: world.account)
    case 9...11:
      let flags: SystemFlags = [.seen, .flagged, .answered].randomElement(using: &world.random) ?? .seen
      _ = try await store.changeFlags(FlagChange(.add, flags), of: try await world.some(info), in: ref)
    case 12...13:
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: try await world.some(info), in: ref)
      _ = try await store.expunge(nil, in: ref)
    case 14:
      let other = try await world.mailbox()
      _ = try await store.move(try await world.some(info), from: ref, to: other.name)
    case 15: _ = try await store.copy(try await world.some(info), from: ref, to: "INBOX")
    case 16: if info.name != "INBOX" { try await store.deleteMailbox(info.name, of: world.account.id) }
    case 17:
      let name = "Box\(Int.random(in: 0..<4, using: &world.random))"
      if try await store.mailbox(named: name, of: world.account.id) == nil {
        _ = try await store.createMailbox(name, of: world.account.id, specialUse: nil)
      }
    case 18:
      let name = "Box\(Int.random(in: 0..<4, using: &world.random))"
      if info.name != "INBOX", try await store.mailbox(named: name, of: world.account.id) == nil {
        try await store.renameMailbox(info.name, to: name, of: world.account.id)
      }
    case 19: _ = try await store.undelete(of: world.account.id, DeletedFilter(), ignoringQuota: true)
    case 20...21: try await world.bed.backup(store)
    case 22: _ = try await store.compact()
    default: try await restore(world)
    }
  }

  private func restore(_ world: World) async throws {
    guard FileSizes.exists(world.bed.backups),
      let generation = try BackupFolder(world.bed.backups).generations().randomElement(using: &world.random)
    else { return }
    await world.store.close()
    world.bed.clock.advance(1)
    // The disk with the marks is lost now and then.
    if Int.random(in: 0..<4, using: &world.random) == 0 { try BackupFiles().removeTree(world.bed.data) }
    try world.bed.restore(generation)
    world.store = try world.bed.openSQL(BedSettings(retentionDays: 1, packBytes: 20_000))
    world.restores += 1
  }

  /// What SELECT with QRESYNC says, and what the client makes of it.
  private func ask(_ world: World, _ index: Int, _ label: String) async throws {
    let store = world.store
    let mailboxes = try await store.mailboxes(of: world.account.id).mailboxes.filter(\.isSelectable)
    var client = world.clients[index]
    for name in client.known.keys where !mailboxes.contains(where: { $0.name == name }) {
      client.known[name] = nil
      client.validity[name] = nil
    }
    for info in mailboxes {
      let ref = MailboxRef(account: world.account.id, mailbox: info.id)
      if client.validity[info.name] != info.uidValidity {
        client.validity[info.name] = info.uidValidity
        client.known[info.name] = [:]
        client.modSeq[info.name] = 0
      }
      let since = client.modSeq[info.name] ?? 0
      var known = client.known[info.name] ?? [:]
      let state = try await store.openMailbox(info.name, of: world.account.id) {}
      let snapshot = try #require(state.current)
      state.close()
      for uid in try await vanished(store, ref, since, known.keys.sorted(), snapshot) {
        known[uid] = nil
        client.gone.insert("\(info.name) \(info.uidValidity) \(uid)")
      }
      for position in 0..<snapshot.count where snapshot[position].modSeq > since {
        let entry = snapshot[position]
        let key = "\(info.name) \(info.uidValidity) \(entry.uid)"
        #expect(!client.gone.contains(key), "\(label): \(key) was gone and is back")
        var body = known[entry.uid]?.body
        if body == nil { body = try await store.body(entry.uid, in: ref) }
        known[entry.uid] = Known(flags: entry.flags.rawValue, body: try #require(body))
      }
      var real: [UID: Known] = [:]
      for position in 0..<snapshot.count {
        let entry = snapshot[position]
        let body = try #require(try await store.body(entry.uid, in: ref))
        real[entry.uid] = Known(flags: entry.flags.rawValue, body: body)
        let key = "\(info.name) \(info.uidValidity) \(entry.uid)"
        #expect(client.seen[key, default: body] == body, "\(label): \(key) names other bytes")
        client.seen[key] = body
      }
      #expect(known == real, "\(label): \(info.name) since \(since)")
      client.known[info.name] = known
      client.modSeq[info.name] = snapshot.highestModSeq
    }
    world.clients[index] = client
  }

  /// RFC 7162 §3.2.5.1: from the log where it reaches back so far, else every UID the client names that is not there.
  private func vanished(
    _ store: SQLStore, _ ref: MailboxRef, _ since: ModSeq, _ known: [UID], _ snapshot: MailboxSnapshot
  ) async throws -> [UID] {
    if let logged = try await store.vanished(1...UID.max, since: since, in: ref) {
      return logged.filter(known.contains)
    }
    return known.filter { snapshot.index(of: $0) == nil }
  }
}
