import IMAPCore
import MailStore
import NIOCore

/// Searches of the selected mailbox whose client is told how the results change (RFC 5267 §4.3). A session without any has
/// none of this.
final class SearchContexts {
  struct Context {
    let tag: String
    /// Its criteria do not mean messages by number any more: what they meant when the command came stands in their place.
    let search: SearchCommand
    /// Of ESEARCH (RFC 7377 §2.1).
    var correlator: ByteBuffer?
    /// Nil: in the order of the mailbox.
    let sort: SortCommand?
    /// What was active when the command came.
    let comparator: Comparator
    /// UIDs, in the order that the client has them in.
    var members: [UID]
    /// The same, ascending.
    var byUID: [UID]
  }

  private(set) var list: [Context] = []
  /// Messages that the next EXPUNGE responses are about: their indexes as the client counts them, ascending.
  var gone: [(index: Int, uid: UID)] = []
  /// Messages that are new or have other flags, and have not been looked at.
  private(set) var changed: Set<UID> = []
  /// Of these, the new ones.
  private(set) var new: Set<UID> = []
  /// New messages that this session has put there itself.
  var own: Set<UID> = []

  var hasChanges: Bool { !changed.isEmpty }
  var results: Int { list.reduce(0) { $0 + $1.members.count } }

  func contains(_ tag: String) -> Bool { list.contains { $0.tag == tag } }
  func add(_ context: Context) { list.append(context) }
  func set(_ members: [UID], byUID: [UID], of tag: String) {
    guard let index = list.firstIndex(where: { $0.tag == tag }) else { return }
    (list[index].members, list[index].byUID) = (members, byUID)
  }

  /// False: there is none of that tag.
  func remove(_ tag: String) -> Bool {
    let count = list.count
    list.removeAll { $0.tag == tag }
    return list.count < count
  }

  func note(_ difference: MailboxSnapshot.Difference, from before: MailboxSnapshot) {
    gone += difference.expunged.map { ($0, before[$0].uid) }
    for (_, entry) in difference.updated { changed.insert(entry.uid) }
    for entry in difference.added {
      changed.insert(entry.uid)
      new.insert(entry.uid)
    }
    for (_, uid) in gone { changed.remove(uid) }
  }

  func takeChanges() -> (changed: [UID], new: Set<UID>) {
    defer {
      changed = []
      new = []
      own = []
    }
    return (changed.sorted(), new.subtracting(own))
  }
}

/// How the results of one search change. Pure.
struct ContextUpdate: Sendable {
  private(set) var removed: [ContextChange] = []
  private(set) var added: [ContextChange] = []
  private(set) var members: [UID]

  /// - Parameters:
  ///   - members: as the client has them.
  ///   - isSorted: they have places; otherwise they stand by UID.
  ///   - gone: members that are results no more.
  init(_ members: [UID], isSorted: Bool, without gone: Set<UID>, number: (UID) -> UInt32) {
    self.members = members
    guard !gone.isEmpty else { return }
    guard isSorted else {
      let sorted = gone.sorted()
      self.members = members.removing(ascending: sorted)
      removed = [ContextChange(0, sorted.map(number))]
      return
    }
    self.members.removeAll { gone.contains($0) }
    // From the end on, so that each place is the one that the client has it at. Neighbours go together.
    var index = members.count
    while index > 0 {
      index -= 1
      guard gone.contains(members[index]) else { continue }
      let end = index + 1
      while index > 0, gone.contains(members[index - 1]) { index -= 1 }
      removed.append(ContextChange(index + 1, members[index..<end].map(number)))
    }
  }

  /// New results of a search that is not sorted, ascending.
  mutating func insert(_ fresh: [UID], number: (UID) -> UInt32) {
    guard !fresh.isEmpty else { return }
    members = members.merging(ascending: fresh)
    added = [ContextChange(0, fresh.map(number))]
  }

  /// New results of a sorted search. `order`: all results that are still there, in the order asked for. Members that are
  /// not in it keep their place among the others.
  mutating func insert(_ fresh: Set<UID>, in order: [UID], number: (UID) -> UInt32) {
    guard !fresh.isEmpty else { return }
    var merged: [UID] = []
    merged.reserveCapacity(members.count + fresh.count)
    var old = members[...]
    let known = Set(order)
    for uid in order {
      if fresh.contains(uid) {
        merged.append(uid)
        if let last = added.last, last.position + last.numbers.count == merged.count {
          added[added.count - 1].numbers.append(number(uid))
        } else {
          added.append(ContextChange(merged.count, [number(uid)]))
        }
      } else {
        // What is not in the order goes with what stands behind it.
        while let next = old.first, !known.contains(next) {
          merged.append(next)
          old = old.dropFirst()
        }
        if old.first == uid {
          merged.append(uid)
          old = old.dropFirst()
        }
      }
    }
    merged += old
    members = merged
  }
}

/// Ascending UIDs, each once: one walk instead of a table of all.
extension [UID] {
  func holds(ascending uid: UID) -> Bool {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < uid { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == uid
  }

  func removing(ascending others: [UID]) -> [UID] {
    guard !others.isEmpty else { return self }
    var left: [UID] = []
    left.reserveCapacity(count)
    var next = 0
    for uid in self {
      while next < others.count, others[next] < uid { next += 1 }
      if next == others.count || others[next] != uid { left.append(uid) }
    }
    return left
  }

  func merging(ascending others: [UID]) -> [UID] {
    guard let first = others.first else { return self }
    if last.map({ $0 < first }) ?? true { return self + others }
    var merged: [UID] = []
    merged.reserveCapacity(count + others.count)
    var next = 0
    for uid in self {
      while next < others.count, others[next] < uid {
        merged.append(others[next])
        next += 1
      }
      merged.append(uid)
    }
    return merged + others[next...]
  }
}
