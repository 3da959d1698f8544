import Testing

@testable import MailStoreSQL

@Suite struct IndexPacingTests {
  @Test func `What comes slowly is indexed at once`() {
    var pacing = IndexPacing(pause: 1000)
    for _ in 0..<100 {
      let gaveWay = pacing.givesWay(waiting: 499)
      #expect(!gaveWay)
    }
  }

  @Test func `While many come the indexer waits, and goes on when no more do`() {
    var pacing = IndexPacing(pause: 1000)
    let answers = [600, 1200, 5000, 5400].map { pacing.givesWay(waiting: $0) }
    #expect(answers == [true, true, true, false])
  }

  @Test func `It does not wait for ever`() {
    var pacing = IndexPacing(pause: 1000)
    var waited = 0
    while pacing.givesWay(waiting: Int64(waited + 1) * 1000) { waited += 1 }
    #expect(waited == StoreLimits.searchIndexGivesWay)
    // It has worked meanwhile: what came since is counted from nothing.
    let gaveWay = pacing.givesWay(waiting: 700)
    #expect(gaveWay)
  }

  @Test func `Shorter pauses mean fewer messages`() {
    var pacing = IndexPacing(pause: 10)
    let answers = [4, 9, 13].map { pacing.givesWay(waiting: $0) }
    #expect(answers == [false, true, false])
  }
}
