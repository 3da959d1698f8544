import LocalMail
import MailPull
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A home with room for so many messages more.
final class FullHome: PullTarget {
  private let inner: FakeHome
  private let room: Mutex<Int>
  var name: String { inner.name }
  var traits: PullTargetTraits { inner.traits }

  init(_ inner: FakeHome, room: Int) {
    self.inner = inner
    self.room = Mutex(room)
  }

  func prepare() async throws { try await inner.prepare() }
  func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] { try await inner.recover(entries) }
  func openStream(octets: Int64) async throws -> any PullStream { try await inner.openStream(octets: octets) }
  func close() async {}

  func openBatch() async throws -> any PullBatch {
    guard
      room.withLock({ room in
        room -= 3
        return room >= 0
      })
    else { throw LocalMailError(.io(operation: "write", errno: ENOSPC), path: "/srv/tmp/1") }
    return try await inner.openBatch()
  }
}
