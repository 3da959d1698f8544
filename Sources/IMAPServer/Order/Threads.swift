import IMAPCore

/// The messages that THREAD threads, and the two algorithms (RFC 5256 §3). Everything is done in time that grows as the
/// messages and their references do, and nothing recursively: threads may be as deep as there are messages.
struct Threads {
  /// What the answer calls them; ascending by sequence number, like everything here.
  let numbers: [UInt32]
  /// Messages by sent date, then sequence number.
  let order: [UInt32]
  let hashes: [UInt64]
  /// Where each message's hashes stand: identifier, subject, references.
  let rows: [Range<Int>]

  private func subject(_ message: Int) -> UInt64 { SubjectHash.subject(hashes[rows[message].lowerBound + 1]) }
  private func isReply(_ message: Int) -> Bool { SubjectHash.isReply(hashes[rows[message].lowerBound + 1]) }

  // MARK: ORDEREDSUBJECT

  /// Messages of one base subject are one thread; its first has all the others as children.
  func byOrderedSubject() -> [ThreadMember] {
    var heads = HashTable(capacity: 0)
    var tree = ThreadTree(nodes: numbers.count)
    for message in order {
      let node = Int32(bitPattern: message)
      // The empty subject is one as well; no hash of a subject is 1.
      let head = heads.value(for: max(subject(Int(message)), 1)) { node }
      if head == node { tree.roots.append(node) } else { tree.append(node, to: head) }
    }
    return tree.members(numbers)
  }

  // MARK: REFERENCES

  func byReferences() -> [ThreadMember] {
    let forest = ReferenceForest(hashes, rows)
    var owners = Owners(forest)
    // Step 4: the first of a dummy's children stands for it.
    var roots: [Int32] = []
    for message in order {
      let node = Int32(bitPattern: message)
      let owner = owners.owner(of: node)
      if owner < 0 {
        roots.append(node)
      } else if owners.isDummy(owner), owners.takeHead(owner, node) {
        roots.append(owner)
      }
    }
    mergeSubjects(roots, &owners)
    // Step 6. Messages come by their date, so all sets of siblings do, and each dummy comes with its first child.
    var tree = ThreadTree(nodes: owners.count)
    for message in order {
      let node = Int32(bitPattern: message)
      let owner = owners.owner(of: node)
      guard owner >= 0 else {
        tree.roots.append(node)
        continue
      }
      if owners.isDummy(owner), tree.isChildless(owner) { tree.roots.append(owner) }
      tree.append(node, to: owner)
    }
    return tree.members(numbers)
  }

  /// Step 5.
  private func mergeSubjects(_ roots: [Int32], _ owners: inout Owners) {
    var table = HashTable(capacity: roots.count)
    // (B)
    for root in roots {
      let first = owners.head(of: root)
      let subject = self.subject(first)
      guard subject != 0 else { continue }
      let there = table.value(for: subject) { root }
      guard there != root, !owners.isDummy(there) else { continue }
      if owners.isDummy(root) || (isReply(Int(there)) && !isReply(first)) { table[subject] = root }
    }
    // (C)
    for root in roots {
      let first = owners.head(of: root)
      let subject = self.subject(first)
      // A message that was merged with an earlier one is no child of the root any more.
      guard subject != 0, owners.isRoot(root), let there = table[subject], there != root else { continue }
      if owners.isDummy(there) {
        // Both are dummies: their children become siblings. Else it becomes one of the dummy's children itself.
        owners.setOwner(of: root, there)
      } else if isReply(first), !isReply(Int(there)) {
        owners.setOwner(of: root, there)
      } else {
        let dummy = owners.makeDummy()
        owners.setOwner(of: root, dummy)
        owners.setOwner(of: there, dummy)
        table[subject] = dummy
      }
    }
  }
}

/// Steps 2 and 3: each message's parent once dummies are pruned. Dummies are left at the top only, with two children or
/// more.
private struct Owners {
  private let messages: Int
  /// Of messages: a message, a dummy, or -1. Of dummies: the dummy that they were merged with, or -1.
  private var owners: [Int32]
  /// Of dummies: the child that comes first.
  private var heads: [Int32]

  var count: Int { owners.count }
  func isDummy(_ node: Int32) -> Bool { node >= messages }
  func isRoot(_ node: Int32) -> Bool { owners[Int(node)] < 0 }

  init(_ forest: ReferenceForest) {
    messages = forest.messages
    owners = forest.parents
    heads = Array(repeating: -1, count: owners.count)
    // Of each message the nearest ancestor that is one, else the dummy at the top.
    var children = [Int32](repeating: 0, count: owners.count)
    for message in 0..<messages {
      var owner = owners[message]
      guard isDummy(owner) else { continue }
      while isDummy(owner), owners[Int(owner)] >= 0 { owner = owners[Int(owner)] }
      // The dummies on the way are not climbed again.
      var passed = Int32(truncatingIfNeeded: message)
      while passed != owner {
        let next = owners[Int(passed)]
        owners[Int(passed)] = owner
        passed = next
      }
      if isDummy(owner) { children[Int(owner)] += 1 }
    }
    // Step 3: children of a dummy at the top stay with it, unless there is only one.
    for message in 0..<messages {
      let owner = owners[message]
      if isDummy(owner), children[Int(owner)] == 1 { owners[message] = -1 }
    }
  }

  func owner(of message: Int32) -> Int32 {
    let owner = owners[Int(message)]
    guard isDummy(owner), owners[Int(owner)] >= 0 else { return owner }
    return owners[Int(owner)]
  }

  mutating func setOwner(of node: Int32, _ owner: Int32) { owners[Int(node)] = owner }

  mutating func makeDummy() -> Int32 {
    owners.append(-1)
    heads.append(-1)
    return Int32(truncatingIfNeeded: owners.count - 1)
  }

  /// True if `node` is the dummy's first child.
  mutating func takeHead(_ dummy: Int32, _ node: Int32) -> Bool {
    guard heads[Int(dummy)] < 0 else { return false }
    heads[Int(dummy)] = node
    return true
  }

  /// The message, or the dummy's first child.
  func head(of node: Int32) -> Int { Int(isDummy(node) ? heads[Int(node)] : node) }
}

/// Threads being put together: children in the order in which they are appended.
private struct ThreadTree {
  var roots: [Int32] = []
  private var first: [Int32]
  private var last: [Int32]
  private var next: [Int32]
  private var children: [UInt32]

  init(nodes: Int) {
    first = Array(repeating: -1, count: nodes)
    last = first
    next = first
    children = Array(repeating: 0, count: nodes)
  }

  func isChildless(_ node: Int32) -> Bool { first[Int(node)] < 0 }

  mutating func append(_ node: Int32, to parent: Int32) {
    let place = Int(parent)
    if first[place] < 0 { first[place] = node } else { next[Int(last[place])] = node }
    last[place] = node
    children[place] += 1
  }

  /// Parents first. `numbers` are those of messages; nodes beyond have none.
  func members(_ numbers: [UInt32]) -> [ThreadMember] {
    var members: [ThreadMember] = []
    members.reserveCapacity(numbers.count + numbers.count / 8)
    // Siblings that come once all below the one before them is written.
    var waiting: [Int32] = []
    for root in roots {
      var node = root
      while true {
        let place = Int(node)
        members.append(
          ThreadMember(place < numbers.count ? numbers[place] : 0, children: children[place]))
        if first[place] >= 0 {
          node = first[place]
        } else if let sibling = waiting.popLast() {
          node = sibling
        } else {
          break
        }
        if next[Int(node)] >= 0 { waiting.append(next[Int(node)]) }
      }
    }
    return members
  }
}
