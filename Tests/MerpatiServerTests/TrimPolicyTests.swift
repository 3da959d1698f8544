import Testing

@testable import MerpatiServer

/// When memory is given back to the system.
@Suite struct TrimPolicyTests {
  private let aSecond: Int64 = 1_000_000_000
  private let mib = 1 << 20

  @Test func `A process that rests is trimmed once for the work that it has done`() {
    var policy = TrimPolicy()
    var processor = 2 * aSecond
    let looks = (0..<2).map { _ in policy.isDue(processor: processor, resident: 40 * mib) }
    #expect(looks == [false, true])
    policy.trimmed(processor: processor + 1000, resident: 30 * mib)
    let idle = (0..<100).map { _ in policy.isDue(processor: processor + 1000, resident: 30 * mib) }
    #expect(!idle.contains(true))
    // Small work adds up.
    var trims = 0
    for _ in 0..<200 {
      processor += TrimPolicy.worthwhile / 10
      if policy.isDue(processor: processor, resident: 30 * mib) {
        trims += 1
        policy.trimmed(processor: processor, resident: 30 * mib)
      }
    }
    #expect((15...20).contains(trims), "\(trims)")
  }

  @Test func `A process that works is trimmed when it has grown`() {
    var policy = TrimPolicy()
    var processor: Int64 = 0
    func due(_ mebibytes: Int...) -> [Bool] {
      mebibytes.map { size in
        processor += aSecond
        return policy.isDue(processor: processor, resident: size * mib)
      }
    }
    let first = due(40, 40, 40, 50, 56)
    #expect(first == [false, false, false, false, true])
    policy.trimmed(processor: processor, resident: 50 * mib)
    let second = due(60, 45, 61)
    #expect(second == [false, false, true])
    // What is large already has to grow by a quarter.
    policy.trimmed(processor: processor, resident: 1000 * mib)
    let third = due(1200, 1250)
    #expect(third == [false, true])
  }

  #if canImport(Glibc)
    @Test func `What is resident grows with what is touched`() {
      let before = MemoryTrimmer.resident()
      #expect(before > 0)
      let touched = [UInt8](repeating: 1, count: 64 * mib)
      #expect(MemoryTrimmer.resident() >= before + 32 * mib)
      #expect(touched.last == 1)
      #expect(MemoryTrimmer.processorTime() > 0)
    }
  #endif
}
