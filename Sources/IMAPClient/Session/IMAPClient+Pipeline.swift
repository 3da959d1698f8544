import IMAPCore
import MailNet

extension IMAPClient {
  /// Gives `count` commands in order, at most `window` of them on the way at a time.
  /// - Parameters:
  ///   - add: writes one.
  ///   - take: as in `finish`.
  ///   - done: is told how one ended. An error it gives back is thrown once what is on the way has ended; nothing new is
  ///     sent meanwhile.
  func pipeline(
    _ count: Int, window: Int, _ add: (Int, inout CommandBatch) -> SentCommand,
    _ take: (IMAPResponse) throws(ClientError) -> Bool, _ done: (Int, SentCommand, StatusLine) -> ClientError?
  ) async throws(ClientError) {
    var waiting: [(index: Int, command: SentCommand)] = []
    var next = 0
    var refusal: ClientError?
    while true {
      var batch = CommandBatch()
      while refusal == nil, next < count, waiting.count < window {
        waiting.append((next, add(next, &batch)))
        next += 1
      }
      try await send(batch)
      guard let first = waiting.first else { break }
      let line = try await finish(first.command, take)
      waiting.removeFirst()
      if let error = done(first.index, first.command, line) { refusal = refusal ?? error }
    }
    if let refusal { throw refusal }
  }
}

extension MessageSet {
  /// The same as several sets of at most `octets` octets each; none for an empty set.
  func split(octets: Int = IMAPClientLimits.commandLine) -> [MessageSet] {
    guard !elements.isEmpty else { return includesSavedResult ? [self] : [] }
    var sets: [MessageSet] = []
    var part: [Element] = []
    var length = 0
    func digits(_ number: UInt32) -> Int { number < 10_000 ? 4 : number < 10_000_000 ? 7 : 10 }
    for element in elements {
      let more = 1 + digits(element.first) + (element.first == element.last ? 0 : 1 + digits(element.last))
      if length + more > octets, !part.isEmpty {
        sets.append(MessageSet(part))
        part = []
        length = 0
      }
      part.append(element)
      length += more
    }
    sets.append(MessageSet(part, includesSavedResult: includesSavedResult))
    return sets
  }
}

/// Whether UIDs are in a set.
struct UIDFilter {
  /// Nil: the set has a `*` or `$`, and only the server knows.
  private let ranges: [ClosedRange<UInt32>]?

  init(_ sets: [MessageSet]) {
    if sets.contains(where: { $0.containsStar || $0.includesSavedResult }) {
      ranges = nil
    } else {
      ranges = MessageSet(sets.flatMap(\.elements)).resolvedUIDs(last: .max)
    }
  }

  func contains(_ uid: UInt32) -> Bool {
    guard let ranges else { return true }
    let index = Self.index(of: uid, in: ranges)
    return index < ranges.count && ranges[index].contains(uid)
  }

  /// The first range that does not end before `uid`.
  private static func index(of uid: UInt32, in ranges: [ClosedRange<UInt32>]) -> Int {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < uid { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// How many UIDs, at most.
  var count: Int { ranges.map { $0.reduce(0) { $0 + $1.count } } ?? .max }

  /// What is left of `vanished` without the UIDs of the set, and what is in it.
  func split(_ vanished: [ClosedRange<UInt32>]) -> (inside: [ClosedRange<UInt32>], outside: [ClosedRange<UInt32>]) {
    guard let ranges else { return (vanished, []) }
    var inside: [ClosedRange<UInt32>] = []
    var outside: [ClosedRange<UInt32>] = []
    for range in vanished {
      var from = UInt64(range.lowerBound)
      var index = Self.index(of: range.lowerBound, in: ranges)
      while index < ranges.count, ranges[index].lowerBound <= range.upperBound {
        let shared = ranges[index].clamped(to: range)
        index += 1
        if UInt64(shared.lowerBound) > from { outside.append(UInt32(from)...(shared.lowerBound - 1)) }
        inside.append(shared)
        from = UInt64(shared.upperBound) + 1
      }
      if from <= UInt64(range.upperBound) { outside.append(UInt32(from)...range.upperBound) }
    }
    return (inside, outside)
  }
}
