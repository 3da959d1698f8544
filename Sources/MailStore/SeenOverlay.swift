/// What a viewer has made of `\Seen` of one message in a mailbox of somebody else.
public struct SeenMark: Sendable, Hashable {
  public var modSeq: ModSeq
  public var isSeen: Bool
  public init(modSeq: ModSeq, isSeen: Bool) {
    self.modSeq = modSeq
    self.isSeen = isSeen
  }

  /// The message as its viewer sees it.
  @inlinable
  public static func apply(_ mark: SeenMark?, to entry: MessageEntry) -> MessageEntry {
    var entry = entry
    guard let mark else {
      entry.flags.remove(.seen)
      return entry
    }
    if mark.isSeen { entry.flags.insert(.seen) } else { entry.flags.remove(.seen) }
    entry.modSeq = max(entry.modSeq, mark.modSeq)
    return entry
  }
}

/// A viewer's marks in a mailbox that is open, and the mailbox as they make it look. Chunks of the owner's snapshot that
/// have not changed, and in which no mark has, are not made again.
public struct SeenOverlay: Sendable {
  private var marks: [UID: SeenMark]
  private var highest: ModSeq
  /// Changed since `result` was made.
  private var fresh: [UID] = []
  private var base: MailboxSnapshot?
  private var result: MailboxSnapshot?

  /// `highest`: the MODSEQ of the last change of a mark.
  public init(_ marks: [UID: SeenMark], highest: ModSeq) {
    self.marks = marks
    self.highest = highest
  }

  public mutating func take(_ changed: [UID: SeenMark]) {
    for (uid, mark) in changed {
      marks[uid] = mark
      highest = max(highest, mark.modSeq)
      fresh.append(uid)
    }
  }

  /// The messages are gone.
  public mutating func forget(_ uids: [UID]) {
    for uid in uids { marks[uid] = nil }
  }

  public mutating func snapshot(over current: MailboxSnapshot) -> MailboxSnapshot {
    if let result, base === current, fresh.isEmpty { return result }
    var known: [ObjectIdentifier: MailboxSnapshot.Chunk] = [:]
    if let base, let result, base.chunks.count == result.chunks.count {
      for (old, made) in zip(base.chunks, result.chunks) { known[ObjectIdentifier(old)] = made }
    }
    fresh.sort()
    let chunks = current.chunks.map { chunk in
      if let made = known[ObjectIdentifier(chunk)], !touches(chunk) { return made }
      return MailboxSnapshot.Chunk(chunk.entries.map { SeenMark.apply(marks[$0.uid], to: $0) })
    }
    let next = MailboxSnapshot(
      chunks: chunks, uidNext: current.uidNext, highestModSeq: max(current.highestModSeq, highest),
      keywords: current.keywords)
    fresh = []
    base = current
    result = next
    return next
  }

  private func touches(_ chunk: MailboxSnapshot.Chunk) -> Bool {
    guard !fresh.isEmpty, let first = chunk.entries.first?.uid, let last = chunk.entries.last?.uid else { return false }
    var low = 0
    var high = fresh.count
    while low < high {
      let middle = (low + high) / 2
      if fresh[middle] < first { low = middle + 1 } else { high = middle }
    }
    return low < fresh.count && fresh[low] <= last
  }
}
