import LocalMail
import MailPull
import NIOCore

/// A real target whose process may end before and after each of its calls.
final class FaultyTarget: PullTarget {
  private let inner: any PullTarget
  private let faults: Faults
  var name: String { inner.name }
  var traits: PullTargetTraits { inner.traits }

  init(_ inner: any PullTarget, _ faults: Faults) {
    self.inner = inner
    self.faults = faults
  }

  func place() async throws -> PullPlace {
    try faults.step("place")
    return try await inner.place()
  }

  func setMark(_ mark: String) async throws -> String {
    try faults.step("set mark")
    let found = try await inner.setMark(mark)
    try faults.step("mark set")
    return found
  }

  func prepare() async throws {
    try faults.step("prepare")
    try await inner.prepare()
  }

  func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    try faults.step("recover")
    let answers = try await inner.recover(entries)
    try faults.step("recovered")
    return answers
  }

  func openBatch() async throws -> any PullBatch { FaultyBatch(try await inner.openBatch(), faults) }
  func openStream(octets: Int64) async throws -> any PullStream {
    try faults.step("stream")
    return try await inner.openStream(octets: octets)
  }
  func close() async { await inner.close() }
}

private final class FaultyBatch: PullBatch {
  private let inner: any PullBatch
  private let faults: Faults

  init(_ inner: any PullBatch, _ faults: Faults) {
    self.inner = inner
    self.faults = faults
  }

  func add(_ messages: [PullContent]) async throws -> [Fingerprint] {
    try faults.step("stage")
    let prints = try await inner.add(messages)
    try faults.step("staged")
    return prints
  }

  func plan() async throws -> [String] { try await inner.plan() }

  func land(_ settled: (Int, PullOutcome) async throws -> Void) async throws -> [PullOutcome] {
    try faults.step("land")
    let outcomes = try await inner.land(settled)
    try faults.step("landed")
    return outcomes
  }

  /// A process that has ended tidies nothing.
  func discard() async { if !faults.isDead { await inner.discard() } }
}
