import IMAPCore
import NIOCore
import Testing

@testable import IMAPServer

@Suite struct ProgressTests {
  private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

  @Test func `The time that counts is that of the whole command`() {
    var progress = Progress("Searching", since: start)
    for _ in 0..<3 {
      progress.begin("Searching", done: 0, of: 9)
      #expect(progress.isOpen)
      progress.end()
      #expect(!progress.isOpen)
    }
    #expect(progress.since == start)
    _ = progress.tell(at: start + .seconds(10))
    progress.begin("Sorting", done: nil, of: nil)
    #expect(progress.since == start + .seconds(10))
  }

  @Test func `Through several steps the numbers neither fall nor change their goal`() {
    var progress = Progress("Searching", since: start)
    progress.begin("Searching", done: 0, of: 9)
    progress.advance(by: 5)
    expect(&progress, 5, 9)
    progress.advance(by: 4)
    expect(&progress, 8, 9)
    // The same messages again, fewer of them.
    progress.begin("Searching", done: 2, of: 4)
    expect(&progress, 8, 9)
    progress.begin("Sorting", done: nil, of: nil)
    progress.advance(by: 7)
    expect(&progress, 8, 9)
  }

  @Test func `Parts add up to what was announced`() {
    var progress = Progress("Searching", of: 10, since: start)
    progress.begin("Searching", done: 1, of: 3)
    expect(&progress, 1, 10)
    progress.endPart(of: 3)
    progress.begin("Searching", done: 0, of: 7)
    expect(&progress, 3, 10)
    progress.advance(by: 6)
    expect(&progress, 9, 10)
    // More has come meanwhile.
    progress.advance(by: 6)
    expect(&progress, 9, 10)
  }

  @Test func `What nobody counts has no numbers`() {
    var progress = Progress("Copying", since: start)
    progress.begin("Copying", done: nil, of: nil)
    progress.advance(by: 3)
    let nothing = progress.tell(at: start)
    #expect(nothing == nil)
    progress.begin("Searching", done: 3, of: nil)
    expect(&progress, 3, nil)
    // A goal that is none.
    var empty = Progress("Searching", of: 0, since: start)
    empty.begin("Searching", done: 0, of: 0)
    expect(&empty, 0, nil)
  }

  private func expect(_ progress: inout Progress, _ done: Int, _ goal: Int?) {
    let told = progress.tell(at: start)
    #expect(told?.done == done)
    #expect(told?.goal == goal)
  }
}
