import LocalMail
import MailPull
import NIOCore
import Synchronization

/// A target in memory; what is in it survives a `Crash`.
final class FakeHome: PullTarget {
  struct State: Sendable {
    /// Receipt and text of what has landed.
    var messages: [(receipt: String, text: String)] = []
    var next = 0
    /// Messages with these texts in them.
    var refuses: Set<String> = []
    var defers: Set<String> = []
    var isUnknown: Set<String> = []
    /// The next so many batches find nobody there.
    var isAway = 0
    var batches: [Int] = []
  }

  let name = "fake:home"
  let traits: PullTargetTraits
  let faults: Faults
  private let state = Mutex(State())

  /// - recovers: as a Maildir; otherwise as LMTP: one after the other, nobody can tell afterwards.
  init(recovers: Bool = true, faults: Faults = Faults()) {
    traits = PullTargetTraits(verifies: recovers, recovers: recovers, acknowledgesEach: !recovers)
    self.faults = faults
  }

  var now: State { state.withLock { $0 } }
  var texts: [String] { now.messages.map(\.text).sorted() }
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  func prepare() async throws { try faults.step("prepare") }

  func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    try faults.step("recover")
    let have = Set(now.messages.map(\.receipt))
    return entries.enumerated().map { index, entry in
      if traits.recovers { return have.contains(entry.receipt) ? .landed(receipt: entry.receipt) : .absent }
      return index == 0 ? .unknown : .absent
    }
  }

  func openBatch() async throws -> any PullBatch {
    try faults.step("open batch")
    return FakeBatch(self)
  }

  func openStream(octets: Int64) async throws -> any PullStream { FakeStream(self) }
  func close() async {}
}

final class FakeBatch: PullBatch {
  private let home: FakeHome
  private let held = Mutex<[(receipt: String, text: String)]>([])

  init(_ home: FakeHome) { self.home = home }

  func add(_ messages: [PullContent]) async throws -> [Fingerprint] {
    try home.faults.step("stage")
    return messages.map { message in
      let bytes: ByteBuffer
      switch message {
      case .whole(let whole): bytes = whole
      case .stream(let stream): bytes = (stream as? FakeStream)?.bytes ?? ByteBuffer()
      }
      home.set { $0.next += 1 }
      held.withLock { $0.append(("r\(home.now.next)", String(buffer: bytes))) }
      return Fingerprint(of: bytes)
    }
  }

  func plan() async throws -> [String] { held.withLock { $0.map(\.receipt) } }

  func land(_ settled: (Int, PullOutcome) async throws -> Void) async throws -> [PullOutcome] {
    try home.faults.step("land")
    let state = home.now
    if state.isAway > 0 {
      home.set { $0.isAway -= 1 }
      throw PullUntouched(PullError(.targetUnavailable("fake", "nobody there"), account: ""))
    }
    let messages = held.withLock { $0 }
    home.set { $0.batches.append(messages.count) }
    var outcomes: [PullOutcome] = []
    for (index, message) in messages.enumerated() {
      try home.faults.step("before \(message.receipt)")
      func matches(_ texts: Set<String>) -> Bool { texts.contains { message.text.contains($0) } }
      var outcome = PullOutcome.landed(receipt: message.receipt)
      if matches(state.refuses) { outcome = .refused("not this one") }
      if matches(state.defers) { outcome = .deferred("not now") }
      if matches(state.isUnknown) { outcome = .unknown("cut in the middle") }
      if case .landed = outcome { home.set { $0.messages.append(message) } }
      try home.faults.step("after \(message.receipt)")
      try await settled(index, outcome)
      outcomes.append(outcome)
    }
    try home.faults.step("landed")
    return outcomes
  }

  func discard() async {}
}

final class FakeStream: PullStream {
  private let home: FakeHome
  private let state = Mutex(ByteBuffer())

  init(_ home: FakeHome) { self.home = home }

  var bytes: ByteBuffer { state.withLock { $0 } }

  func append(_ bytes: ByteBuffer) async throws {
    try home.faults.step("stream")
    state.withLock { _ = $0.writeImmutableBuffer(bytes) }
  }

  func finish() async throws -> Fingerprint { Fingerprint(of: bytes) }
  func discard() async {}
}
