import MailStore

/// Finds messages of a snapshot that are asked for in UID order, mostly one after the other.
struct SnapshotCursor {
  private let snapshot: MailboxSnapshot
  private var entries: [MessageEntry] = []
  /// The index of the first of `entries`.
  private var start = 0
  /// The entry that comes next.
  private var offset = 0

  init(_ snapshot: MailboxSnapshot) { self.snapshot = snapshot }

  /// Nil: the snapshot has no such message.
  mutating func find(_ uid: UID) -> (index: Int, entry: MessageEntry)? {
    if offset >= entries.count || entries[offset].uid != uid {
      guard let index = snapshot.index(of: uid) else { return nil }
      if index < start || index >= start + entries.count { load(index) }
      offset = index - start
    }
    defer { offset += 1 }
    return (start + offset, entries[offset])
  }

  private mutating func load(_ index: Int) {
    var low = 0
    var high = snapshot.starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if snapshot.starts[middle] <= index { low = middle } else { high = middle }
    }
    entries = snapshot.chunks[low].entries
    start = snapshot.starts[low]
  }
}
