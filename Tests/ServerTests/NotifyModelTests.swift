import MailStore
import MailTestKit
import Testing

@testable import IMAPServer

@Suite struct NotifyModelTests {
  struct Different: Error, CustomStringConvertible { var description: String }

  @Test(arguments: ModelStore.allCases)
  func `A client that hears NOTIFY alone knows the account, whatever four do at once`(kind: ModelStore) async throws {
    let (store, remove) = try kind.open()
    defer { remove() }
    let account = try await ModelRun.addAccount(to: store)
    let server = try await TestServer.start(.imap, store: store, settings: ["tls": "off"], clock: TestClock())
    let seed = ModelRun.seed
    let operations = ModelRun.operations(600)
    ModelRun.announce("NOTIFY over \(kind)", operations)
    var players: [NotifyPlayer] = []
    for number in 0..<4 {
      let player = try await NotifyPlayer(server, "c\(number)x", seed: seed &* 31 &+ UInt64(number))
      try await player.start(store, account.id)
      players.append(player)
    }
    var random = SeededRandom(seed: seed)
    var left = operations
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
        for player in players { try await player.reconsider(store, account.id) }
      } catch {
        for player in players where await player.isWrong { print(await player.story.joined(separator: "\n"), "\n---") }
        throw Different(description: "MODEL_SEED=\(seed), \(left) operations left: \(error)")
      }
    }
    for player in players { await player.close() }
    await server.stop()
    await store.close()
  }
}
