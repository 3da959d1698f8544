import Testing

@testable import MailNet

/// Times in microseconds; nothing here looks at a clock.
struct PromptPeerTests {
  private var peer = PromptPeer()
  private var time: UInt64 = 1_000_000
  private var sent = 0

  /// The peer says something so long after it was answered, and is answered. True: it is to be waited for.
  private mutating func exchange(_ id: UInt64 = 1, after delay: UInt64) -> Bool {
    time += delay * 1000
    peer.heard(id, sent: sent, at: time)
    sent += 10
    return peer.answered(id, sent: sent, at: time)
  }

  /// How often it was waited for in so many exchanges, if each wait ends like this.
  private mutating func waits(in count: Int, after delay: UInt64, paid: (Int) -> Bool) -> Int {
    var waits = 0
    for _ in 0..<count where exchange(after: delay) {
      peer.waited(paid: paid(waits))
      waits += 1
    }
    return waits
  }

  @Test mutating func `A peer is waited for when it was prompt four times running`() {
    let waits = (0..<7).map { _ in exchange(after: 200) }
    #expect(waits == [false, false, false, false, true, true, true])
    #expect(peer.end(for: 1) == time + 100_000)
  }

  @Test mutating func `A peer that thinks is not waited for, and begins from nothing`() {
    for _ in 0..<10 { _ = exchange(after: 10) }
    let after = exchange(after: 201)
    #expect(!after)
    let waits = (0..<4).map { _ in exchange(after: 10) }
    #expect(waits == [false, false, false, true])
  }

  @Test mutating func `Peers that take turns are not waited for`() {
    for round in 0..<200 {
      let isAwaited = exchange(UInt64(round % 2) + 1, after: 10)
      #expect(!isAwaited)
    }
  }

  @Test mutating func `Another peer's burst ends the wait before it began`() {
    for _ in 0..<10 { _ = exchange(after: 10) }
    peer.seen(2)
    #expect(peer.end(for: 1) == nil)
    let after = exchange(after: 10)
    #expect(!after)
  }

  @Test mutating func `One answer is waited for once`() {
    for _ in 0..<10 { _ = exchange(after: 10) }
    peer.waited(paid: true)
    #expect(peer.end(for: 1) == nil)
    let again = peer.answered(1, sent: sent + 10, at: time)
    #expect(!again)
  }

  @Test mutating func `Nothing is waited for where nothing was answered`() {
    for _ in 0..<10 { _ = exchange(after: 10) }
    peer.heard(1, sent: sent, at: time)
    let isAwaited = peer.answered(1, sent: sent, at: time)
    #expect(!isAwaited)
    #expect(peer.end(for: 1) == nil)
  }

  @Test mutating func `Octets of one long command neither count for a peer nor against it`() {
    for _ in 0..<10 { _ = exchange(after: 10) }
    let score = peer.score
    for _ in 0..<5 {
      time += 1_000_000
      peer.heard(1, sent: sent, at: time)
    }
    // The first of them came late after the answer.
    #expect(peer.score == 0)
    _ = (0..<20).map { _ in exchange(after: 10) }
    _ = exchange(after: 10)
    peer.heard(1, sent: sent, at: time)
    for _ in 0..<5 {
      time += 1_000_000
      peer.heard(1, sent: sent, at: time)
    }
    #expect(peer.score >= score)
  }

  @Test mutating func `A peer that comes just after the wait is hardly ever waited for`() {
    let waits = waits(in: 100_000, after: 150) { _ in false }
    #expect(waits <= 110)
    #expect(waits > 0)
  }

  @Test mutating func `Of a peer that lets every second wait be in vain few waits are left`() {
    let waits = waits(in: 10_000, after: 90) { $0 % 2 == 0 }
    #expect(waits < 200)
  }

  @Test mutating func `A peer that is nearly always prompt is nearly always waited for`() {
    let waits = waits(in: 10_000, after: 30) { $0 % 20 != 19 }
    #expect(waits > 9000)
  }

  @Test mutating func `Somebody else who had something to say during a wait makes waits dear`() {
    var waits = 0
    for _ in 0..<10_000 {
      // Another peer after every tenth exchange.
      for _ in 0..<10 where exchange(after: 30) {
        peer.waited(paid: true)
        waits += 1
      }
      peer.seen(2)
    }
    #expect(waits < 1000)
  }

  @Test mutating func `What waits in vain have cost is not forgiven to the next connection`() {
    peer = PromptPeer(connection: 1, score: 4, loss: 512)
    _ = waits(in: 2, after: 150) { _ in false }
    let debt = peer.score
    #expect(debt < -500)
    _ = exchange(2, after: 10)
    #expect(peer.score == debt)
    for _ in 0..<100 {
      let isAwaited = exchange(2, after: 10)
      #expect(!isAwaited)
    }
  }

  @Test mutating func `Waits that pay make the next one in vain cheap again`() {
    peer = PromptPeer(connection: 1, score: 4, loss: PromptPeer.mostLoss)
    _ = waits(in: 100, after: 30) { _ in true }
    #expect(peer.loss == PromptPeer.leastLoss)
  }

  @Test mutating func `A peer that has gone after a wait costs nothing`() {
    for _ in 0..<10 { _ = exchange(after: 10) }
    peer.waited(paid: true)
    peer.gone(1)
    peer.seen(2)
    #expect(peer.score == 0)
    #expect(peer.loss == PromptPeer.leastLoss)
  }
}
