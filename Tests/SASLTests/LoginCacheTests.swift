import Synchronization
import Testing

@testable import SASL

/// A clock that stands still until it is moved.
private final class TestClock: Sendable {
  private let time = Mutex(ContinuousClock.now)
  var now: ContinuousClock.Instant { time.withLock { $0 } }
  func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}

@Suite struct LoginCacheTests {
  private let password = Array("rahasia".utf8)

  @Test func `It knows the very password of the very account at the very generation`() {
    let cache = LoginCache()
    #expect(!cache.contains(account: 1, generation: 1, password: password))
    cache.remember(account: 1, generation: 1, password: password)
    #expect(cache.contains(account: 1, generation: 1, password: password))
    #expect(!cache.contains(account: 2, generation: 1, password: password))
    #expect(!cache.contains(account: 1, generation: 1, password: Array("rahasi".utf8)))
    #expect(!cache.contains(account: 1, generation: 1, password: []))
    // A wrong guess does not throw the owner's entry out.
    #expect(cache.contains(account: 1, generation: 1, password: password))
  }

  @Test func `A new generation of credentials drops the entry`() {
    let cache = LoginCache()
    cache.remember(account: 1, generation: 1, password: password)
    #expect(!cache.contains(account: 1, generation: 2, password: password))
    #expect(!cache.contains(account: 1, generation: 1, password: password))
  }

  @Test func `An invalidated account is forgotten, others are not`() {
    let cache = LoginCache()
    cache.remember(account: 1, generation: 1, password: password)
    cache.remember(account: 2, generation: 1, password: password)
    cache.invalidate(account: 1)
    #expect(!cache.contains(account: 1, generation: 1, password: password))
    #expect(cache.contains(account: 2, generation: 1, password: password))
    cache.removeAll()
    #expect(cache.count == 0)
  }

  @Test func `Entries expire, used or not`() {
    let clock = TestClock()
    let cache = LoginCache(lifetime: .seconds(60), now: { clock.now })
    cache.remember(account: 1, generation: 1, password: password)
    clock.advance(by: .seconds(59))
    #expect(cache.contains(account: 1, generation: 1, password: password))
    clock.advance(by: .seconds(1))
    #expect(!cache.contains(account: 1, generation: 1, password: password))
    #expect(cache.count == 0)
  }

  @Test func `It stays within its capacity and keeps what is used`() {
    let cache = LoginCache(capacity: 100)
    for account in 0..<1000 as Range<Int64> {
      cache.remember(account: account, generation: 1, password: password)
      #expect(cache.contains(account: 0, generation: 1, password: password))
      #expect(cache.count <= 100)
    }
    #expect(cache.contains(account: 999, generation: 1, password: password))
    #expect(!cache.contains(account: 500, generation: 1, password: password))
  }
}
