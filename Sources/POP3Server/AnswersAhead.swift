import NIOCore
import Synchronization

/// Answers to RETR that were written before they were asked for: whoever has retrieved two messages in a row will ask for
/// the next, and then it is answered at once, without a hop to the store.
struct AnswersAhead {
  /// Answers of one visit, in the order of the messages.
  struct Answers: Sendable {
    /// What is left, one behind the other.
    var bytes: ByteBuffer
    var sent: ArraySlice<Burst.Sent>
  }

  private var ready: [Answers] = []
  /// Reads the answers behind those that are ready.
  private(set) var task: Task<Void, Never>?
  /// Messages whose answers are ready or on their way end before this one.
  private(set) var end = 0
  /// The message that would come next in a row.
  private var expected = -1
  private(set) var isInRow = false
  private var hasSlot = false
  private var hasLongSlot = false
  /// Reads whose answers were all wanted, one after the other.
  private var reads = 0

  /// Octets that the next read may bring.
  var limit: Int { hasLongSlot ? POP3Sizes.aheadLong : POP3Sizes.ahead }

  var octets: Int { ready.reduce(0) { $0 + $1.bytes.readableBytes } }

  /// Another since what is under way was begun: its answers come to nothing.
  private(set) var generation = 0

  /// A whole message is being sent. Messages that are left out, marked as deleted perhaps, do not break a row.
  mutating func note(_ index: Int) {
    isInRow = index >= expected && index <= max(end, expected)
    if !isInRow { forget(upTo: index + 1) }
    expected = index + 1
    end = max(end, expected)
  }

  /// The answer for this message, if it is ready; those before it are let go.
  mutating func take(_ index: Int) -> (bytes: ByteBuffer, sent: Burst.Sent)? {
    while !ready.isEmpty {
      guard let next = ready[0].sent.first else {
        ready.removeFirst()
        continue
      }
      if next.index > index { return nil }
      ready[0].sent.removeFirst()
      guard let bytes = ready[0].bytes.readSlice(length: next.length) else {
        ready.removeFirst()
        continue
      }
      if next.index == index { return (bytes, next) }
    }
    return nil
  }

  mutating func begin(_ task: Task<Void, Never>, upTo end: Int) {
    self.task = task
    self.end = end
    reads += 1
  }

  /// False: enough is held for others.
  mutating func reserve() -> Bool {
    if !hasSlot { hasSlot = AheadSlots.few.take() }
    if hasSlot, !hasLongSlot, reads >= 2 { hasLongSlot = AheadSlots.long.take() }
    return hasSlot
  }

  mutating func finish(_ answers: Answers?, of begun: Int) {
    task = nil
    if begun == generation, let answers, !answers.sent.isEmpty { ready.append(answers) }
    if ready.isEmpty { giveBack() }
  }

  /// Nothing more is begun now: a session that holds nothing keeps no place.
  mutating func settle() {
    guard task == nil, octets == 0 else { return }
    ready = []
    giveBack()
  }

  /// Lets go of everything but the task under way.
  mutating func discard() {
    forget(upTo: 0)
    expected = -1
    isInRow = false
    if task == nil { giveBack() }
  }

  private mutating func forget(upTo end: Int) {
    ready = []
    generation += 1
    reads = 0
    self.end = end
  }

  private mutating func giveBack() {
    if hasSlot { AheadSlots.few.giveBack() }
    if hasLongSlot { AheadSlots.long.giveBack() }
    hasSlot = false
    hasLongSlot = false
  }
}

/// Sessions that may hold answers nobody has asked for yet, in the whole process.
private final class AheadSlots: Sendable {
  static let few = AheadSlots(POP3Sizes.sessionsAhead)
  static let long = AheadSlots(POP3Sizes.sessionsAheadLong)

  private let taken = Atomic(0)
  private let most: Int

  init(_ most: Int) { self.most = most }

  func take() -> Bool {
    if taken.wrappingAdd(1, ordering: .relaxed).newValue <= most { return true }
    giveBack()
    return false
  }

  func giveBack() { taken.wrappingSubtract(1, ordering: .relaxed) }
}
