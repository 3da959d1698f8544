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

  /// A read of the store, under way or waiting for one that was begun before it.
  private struct Read {
    let number: Int
    let task: Task<Void, Never>
    /// Of the messages it reads.
    let octets: Int
    let generation: Int
    var isDone = false
    var answers: Answers?
  }

  private var ready: [Answers] = []
  /// The answers behind those that are ready. The first of them is never done.
  private var reads: [Read] = []
  private var lastRead = 0
  /// Storage of answers that were taken to the last one.
  private var spare: ByteBuffer?
  /// Messages whose answers are ready or on their way end before this one.
  private(set) var end = 0
  /// The message that would come next in a row.
  private var expected = -1
  private(set) var isInRow = false
  private var hasSlot = false
  private var hasLongSlot = false
  /// Reads whose answers were all wanted, one after the other.
  private var readsInRow = 0

  /// Octets that the next read may bring, and of its largest message.
  var limit: Int { hasLongSlot ? POP3Sizes.aheadLong / 2 : POP3Sizes.ahead }
  var largest: Int { hasLongSlot ? limit : POP3Sizes.aheadMessage }

  var octets: Int { ready.reduce(0) { $0 + $1.bytes.readableBytes } }

  /// There is room for another read. Two go on at a time where the larger amount may wait: the store has threads for both.
  var hasRoom: Bool {
    guard hasLongSlot else { return reads.isEmpty && octets <= limit / 2 }
    return reads.count < 2 && reads.reduce(octets) { $0 + $1.octets } <= POP3Sizes.aheadLong
  }

  /// The read whose answers come first; nil: none is under way.
  var task: Task<Void, Never>? { reads.first?.task }

  /// This message's answer is among those that are ready, or will not come.
  func isDecided(_ index: Int) -> Bool { reads.isEmpty || ready.last?.sent.last.map { $0.index >= index } ?? false }

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
        // What was read out of it has been copied.
        spare = ready.removeFirst().bytes
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

  /// The number of the read that begins next.
  mutating func nextRead() -> Int {
    lastRead += 1
    return lastRead
  }

  mutating func begin(_ number: Int, _ task: Task<Void, Never>, octets: Int, upTo end: Int) {
    reads.append(Read(number: number, task: task, octets: octets, generation: generation))
    self.end = end
    readsInRow += 1
  }

  /// Storage for the next read.
  mutating func takeSpare() -> ByteBuffer {
    var buffer = spare ?? ByteBuffer()
    spare = nil
    buffer.clear()
    return buffer
  }

  /// False: enough is held for others.
  mutating func reserve() -> Bool {
    if !hasSlot { hasSlot = AheadSlots.few.take() }
    if hasSlot, !hasLongSlot, readsInRow >= 2 { hasLongSlot = AheadSlots.long.take() }
    return hasSlot
  }

  /// A read has come to its end. Its answers are ready when those of the reads before it are.
  mutating func finish(_ answers: Answers?, of number: Int) {
    guard let place = reads.firstIndex(where: { $0.number == number }) else { return }
    reads[place].isDone = true
    reads[place].answers = answers
    while let first = reads.first, first.isDone {
      reads.removeFirst()
      if first.generation == generation, let answers = first.answers, !answers.sent.isEmpty { ready.append(answers) }
    }
    if ready.isEmpty, reads.isEmpty { giveBack() }
  }

  /// Nothing more is begun now: a session that holds nothing keeps no place.
  mutating func settle() {
    guard reads.isEmpty, octets == 0 else { return }
    ready = []
    giveBack()
  }

  /// Lets go of everything but the reads under way.
  mutating func discard() {
    forget(upTo: 0)
    expected = -1
    isInRow = false
    if reads.isEmpty { giveBack() }
  }

  private mutating func forget(upTo end: Int) {
    ready = []
    generation += 1
    readsInRow = 0
    self.end = end
  }

  private mutating func giveBack() {
    if hasSlot { AheadSlots.few.giveBack() }
    if hasLongSlot { AheadSlots.long.giveBack() }
    hasSlot = false
    hasLongSlot = false
    spare = nil
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
