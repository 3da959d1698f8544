/// What one commit did to one mailbox.
public struct MailboxChange: Sendable {
  public var ref: MailboxRef
  public var modSeq: ModSeq
  public var uidNext: UID
  /// New messages, ascending, above every UID that was there.
  public var added: [MessageEntry]
  /// Messages whose flags changed, ascending by UID, with their new state.
  public var updated: [MessageEntry]
  /// Ascending.
  public var expunged: [UID]
  /// All keyword names, when this commit gave a new one its bit.
  public var keywords: [String]?
  /// The mailbox was deleted.
  public var isDeletion: Bool

  public init(
    ref: MailboxRef, modSeq: ModSeq, uidNext: UID, added: [MessageEntry] = [], updated: [MessageEntry] = [],
    expunged: [UID] = [], keywords: [String]? = nil, isDeletion: Bool = false
  ) {
    self.ref = ref
    self.modSeq = modSeq
    self.uidNext = uidNext
    self.added = added
    self.updated = updated
    self.expunged = expunged
    self.keywords = keywords
    self.isDeletion = isDeletion
  }
}

extension MailboxSnapshot {
  /// The mailbox after `change`: chunks it does not touch are shared with `self`.
  public func applying(_ change: MailboxChange) -> MailboxSnapshot {
    var next = chunks
    if !change.updated.isEmpty || !change.expunged.isEmpty {
      var updates = change.updated[...]
      var gone = change.expunged[...]
      for (index, chunk) in chunks.enumerated() {
        guard let last = chunk.entries.last?.uid else { continue }
        let updatesHere = updates.prefix { $0.uid <= last }
        let goneHere = gone.prefix { $0 <= last }
        updates = updates.dropFirst(updatesHere.count)
        gone = gone.dropFirst(goneHere.count)
        if updatesHere.isEmpty && goneHere.isEmpty { continue }
        next[index] = Chunk(Self.merge(chunk.entries, updatesHere, goneHere))
      }
    }
    var fresh = change.added[...]
    if !fresh.isEmpty, let tail = next.last, tail.count < Self.chunkCapacity {
      let room = fresh.prefix(Self.chunkCapacity - tail.count)
      next[next.count - 1] = Chunk(tail.entries + room)
      fresh = fresh.dropFirst(room.count)
    }
    while !fresh.isEmpty {
      let part = fresh.prefix(Self.chunkCapacity)
      next.append(Chunk(Array(part)))
      fresh = fresh.dropFirst(part.count)
    }
    return MailboxSnapshot(
      chunks: next, uidNext: change.uidNext, highestModSeq: max(highestModSeq, change.modSeq),
      keywords: change.keywords ?? keywords)
  }

  private static func merge(
    _ entries: [MessageEntry], _ updates: ArraySlice<MessageEntry>, _ gone: ArraySlice<UID>
  ) -> [MessageEntry] {
    var result: [MessageEntry] = []
    result.reserveCapacity(entries.count)
    var updates = updates
    var gone = gone
    for entry in entries {
      while let first = gone.first, first < entry.uid { gone = gone.dropFirst() }
      if gone.first == entry.uid { continue }
      while let first = updates.first, first.uid < entry.uid { updates = updates.dropFirst() }
      if let update = updates.first, update.uid == entry.uid { result.append(update) } else { result.append(entry) }
    }
    return result
  }

  /// What a client that knows `self` must hear to know `newer`, in index terms of `self`.
  public struct Difference: Sendable {
    /// Indexes in `self` of messages that are gone, ascending.
    public var expunged: [Int] = []
    /// Indexes in `self` of messages whose entry changed, with the new entry, ascending.
    public var updated: [(index: Int, entry: MessageEntry)] = []
    /// Entries above every UID of `self`, ascending.
    public var added: [MessageEntry] = []
    public init() {}
    public var isEmpty: Bool { expunged.isEmpty && updated.isEmpty && added.isEmpty }
  }

  public func difference(to newer: MailboxSnapshot) -> Difference {
    var result = Difference()
    if self === newer { return result }
    var old = Walker(self)
    var new = Walker(newer)
    while !old.isAtEnd {
      if old.isAtChunkStart, new.isAtChunkStart, let chunk = old.chunk, chunk === new.chunk {
        old.skipChunk()
        new.skipChunk()
        continue
      }
      guard let mine = old.entry() else { break }
      guard let theirs = new.entry() else {
        result.expunged.append(old.index)
        old.advance()
        continue
      }
      if mine.uid == theirs.uid {
        if mine != theirs { result.updated.append((old.index, theirs)) }
        old.advance()
        new.advance()
      } else if mine.uid < theirs.uid {
        result.expunged.append(old.index)
        old.advance()
      } else {
        // A UID below the last known one never appears later; passed over rather than believed.
        new.advance()
      }
    }
    while let theirs = new.entry() {
      result.added.append(theirs)
      new.advance()
    }
    return result
  }

  private struct Walker {
    let snapshot: MailboxSnapshot
    var chunkNumber = 0
    var offset = 0
    /// Of the chunk; looked up when the walk enters it, so that chunks passed over stay at rest.
    private var entries: [MessageEntry]?
    init(_ snapshot: MailboxSnapshot) { self.snapshot = snapshot }
    var chunk: Chunk? { chunkNumber < snapshot.chunks.count ? snapshot.chunks[chunkNumber] : nil }
    var isAtChunkStart: Bool { offset == 0 }
    var isAtEnd: Bool { chunkNumber >= snapshot.chunks.count }
    var index: Int { snapshot.starts[chunkNumber] + offset }
    /// The entry the walk stands at; nil at the end.
    mutating func entry() -> MessageEntry? {
      if let entries { return entries[offset] }
      entries = chunk?.entries
      return entries?[offset]
    }
    mutating func skipChunk() {
      chunkNumber += 1
      offset = 0
      entries = nil
    }
    mutating func advance() {
      offset += 1
      if let chunk, offset >= chunk.count { skipChunk() }
    }
  }
}
