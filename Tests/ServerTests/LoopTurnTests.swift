import MailNet
import MailStore
import MailTestKit
import NIOCore
import Synchronization
import Testing

@testable import IMAPServer

/// Looks at a store at each turn of an event loop. By a timer: a loop with work that calls for more work never looks at its
/// sockets.
private final class LoopWatch: Sendable {
  private let loops = Mutex<[any EventLoop]>([])
  private let state = Mutex((last: 0, most: 0, isOver: false))

  func add(_ loop: any EventLoop) { loops.withLock { $0.append(loop) } }

  /// Watches the loop of the last session.
  func begin(_ store: FakeStore) {
    guard let loop = loops.withLock({ $0.last }) else { return }
    state.withLock { $0 = (store.reads, 0, false) }
    look(store, loop)
  }

  /// The most reads between two turns, those behind the last one too.
  func end(_ store: FakeStore) -> Int {
    state.withLock { state in
      state.isOver = true
      return max(state.most, store.reads - state.last)
    }
  }

  private func look(_ store: FakeStore, _ loop: any EventLoop) {
    loop.scheduleTask(in: .microseconds(20)) {
      let goesOn = self.state.withLock { state in
        let reads = store.reads
        state.most = max(state.most, reads - state.last)
        state.last = reads
        return !state.isOver
      }
      if goesOn { self.look(store, loop) }
    }
  }
}

@Suite struct LoopTurnTests {
  /// The store has each piece at hand, as it mostly has of mail that shrinks well.
  @Test(arguments: [
    "FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (Subject)]<0.9>", "FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]",
    "FETCH 1 BINARY.SIZE[1]", "FETCH 1 BINARY.PEEK[1]<0.9>", "SEARCH HEADER X-Lain tidakada",
    "APPEND INBOX CATENATE (URL \"/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)\")",
  ])
  func `Between two pieces of a large message the others of the loop have their turn`(command: String) async throws {
    let watch = LoopWatch()
    let kind = TestServer.Kind(name: "imap") { parts in
      let makeSession = try TestServer.Kind.imap.makeSessions(parts)
      return { connection in
        watch.add(connection.eventLoop)
        return makeSession(connection)
      }
    }
    let store = FakeStore()
    _ = try await ModelRun.addAccount(to: store)
    let server = try await TestServer.start(
      kind, store: store, settings: ["search-whole-message-limit": "65536"], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    _ = try await peer.line()
    let message =
      "Subject: a\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
      + String(repeating: "X-Penuh: a\r\n", count: 200_000) + "\r\n"
      + String(repeating: "\(String(repeating: "QUFB", count: 18))\r\n", count: 30_000)
    let append = "b APPEND INBOX {\(message.utf8.count)+}\r\n\(message)\r\n"
    for line in ["a LOGIN budi rahasia\r\n", append, "c SELECT INBOX\r\n"] {
      try await peer.send(Array(line.utf8))
      while try await !peer.line().hasPrefix(line.prefix(2)) {}
    }
    let before = store.reads
    watch.begin(store)
    try await peer.send(Array("d \(command)\r\n".utf8))
    var answer = ""
    while !answer.hasPrefix("d ") { answer = try await peer.line() }
    let most = watch.end(store)
    #expect(answer.hasPrefix("d OK"), "\(answer)")
    let all = store.reads - before
    #expect(all >= 16, "so few pieces prove nothing")
    #expect(most <= all / 4, "\(most) of \(all) pieces in one turn")
    await peer.abort()
    await server.stop()
  }
}
