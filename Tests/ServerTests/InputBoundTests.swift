import IMAPCore
import MailStore
import MailTestKit
import Synchronization
import Testing

@testable import IMAPServer
@testable import MailNet

/// Sessions that a test looks into.
private final class SeenSessions: Sendable {
  private let sessions = Mutex<[IMAPSession]>([])
  var last: IMAPSession? { sessions.withLock { $0.last } }
  func add(_ session: IMAPSession) { sessions.withLock { $0.append(session) } }
}

extension IMAPSession {
  fileprivate var octetsHeld: Int { framer.bufferedByteCount }
  /// The socket is left unread.
  fileprivate var isStopped: Bool { connection.flags.contains(.autoReadOff) }
}

@Suite struct InputBoundTests {
  /// Every command of these ends at once, in a task of its own; the answer to one of them finds the socket full.
  @Test func `What a client sends that reads no answers stays on its side`() async throws {
    let seen = SeenSessions()
    let kind = TestServer.Kind(name: "imap") { parts in
      let makeSession = try TestServer.Kind.imap.makeSessions(parts)
      return { connection in
        let session = makeSession(connection)
        if let session = session as? IMAPSession { seen.add(session) }
        return session
      }
    }
    let store = FakeStore()
    _ = try await ModelRun.addAccount(to: store)
    let server = try await TestServer.start(kind, store: store, settings: ["output-chunk": "512"], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    _ = try await peer.line()
    try await peer.send(Array("a LOGIN budi rahasia\r\n".utf8))
    _ = try await peer.line()
    try await peer.setReading(false)
    let tag = String(repeating: "a", count: 60)
    let flood = Array(String(repeating: "\(tag) NOTIFY NONE\r\n", count: 10_000).utf8)
    let sending = Task { for _ in 0..<64 { try await peer.send(flood) } }
    let session = try #require(seen.last)
    var held = 0
    while await !session.isStopped, await !session.isOver, held < 4 << 20 {
      held = await session.octetsHeld
      await Task.yield()
    }
    #expect(held < 4 << 20)
    #expect(await !session.isOver)
    await peer.abort()
    _ = try? await sending.value
    await server.stop()
  }
}
