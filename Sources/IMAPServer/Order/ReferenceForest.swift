/// Step 1 of THREAD=REFERENCES (RFC 5256 §3): who answers whom, by the identifiers alone.
///
/// Messages are the nodes below `messages`; nodes beyond stand for identifiers that no message has.
struct ReferenceForest {
  let messages: Int
  /// Of each node; -1: none.
  private(set) var parents: [Int32]
  private var children: [Int32]
  private var steps = OrderLimits.ancestrySteps
  private var ancestry: AncestryTree?
  private var nodes: HashTable

  /// - rows: of each message where its hashes stand in `hashes`: its identifier, its subject, then its references.
  init(_ hashes: [UInt64], _ rows: [Range<Int>]) {
    messages = rows.count
    parents = Array(repeating: -1, count: rows.count)
    children = Array(repeating: 0, count: rows.count)
    nodes = HashTable(capacity: rows.count)
    // An identifier that several messages have is that of the first; one without any is nobody's parent.
    for (index, row) in rows.enumerated() {
      let identifier = hashes[row.lowerBound]
      if identifier != 0 { _ = nodes.value(for: identifier) { Int32(truncatingIfNeeded: index) } }
    }
    for (index, row) in rows.enumerated() {
      thread(Int32(truncatingIfNeeded: index), hashes, row.dropFirst(2))
    }
  }

  private mutating func thread(_ message: Int32, _ hashes: [UInt64], _ references: Range<Int>) {
    var last: Int32 = -1
    for place in references {
      let node = self.node(hashes[place])
      // (A): a link that is there stays; none that would close a loop is made.
      if last >= 0, parents[Int(node)] < 0, !isAncestor(node, of: last) { link(node, to: last) }
      last = node
    }
    // (B): what the message itself says is better than what others said of it.
    guard parents[Int(message)] != last else { return }
    cut(message)
    if last >= 0, !isAncestor(message, of: last) { link(message, to: last) }
  }

  private mutating func node(_ identifier: UInt64) -> Int32 {
    let next = Int32(truncatingIfNeeded: parents.count)
    let node = nodes.value(for: identifier) { next }
    if node == next {
      parents.append(-1)
      children.append(0)
      // The slow way knows its nodes from its beginning; it is made anew, a few times in all.
      if ancestry != nil, parents.count > ancestryNodes { prepareAncestry() }
    }
    return node
  }

  private mutating func link(_ node: Int32, to parent: Int32) {
    parents[Int(node)] = parent
    children[Int(parent)] += 1
    ancestry?.link(node, to: parent)
  }

  private mutating func cut(_ node: Int32) {
    let parent = parents[Int(node)]
    guard parent >= 0 else { return }
    parents[Int(node)] = -1
    children[Int(parent)] -= 1
    ancestry?.cut(node)
  }

  // MARK: Loops

  private var ancestryNodes = 0

  /// `node` counts as its own ancestor.
  private mutating func isAncestor(_ node: Int32, of other: Int32) -> Bool {
    if node == other { return true }
    if children[Int(node)] == 0 || parents[Int(other)] < 0 { return false }
    if ancestry != nil { return ancestry?.isAncestor(node, of: other) == true }
    // Threads are some ten messages deep: going up is quick, unless somebody sends mail to make it slow.
    var above = parents[Int(other)]
    while above >= 0 {
      if above == node { return true }
      above = parents[Int(above)]
      steps -= 1
      if steps < 0 {
        prepareAncestry()
        return ancestry?.isAncestor(node, of: other) == true
      }
    }
    return false
  }

  private mutating func prepareAncestry() {
    ancestryNodes = max(parents.count * 2, 1024)
    ancestry = AncestryTree(parents: parents + Array(repeating: -1, count: ancestryNodes - parents.count))
  }
}

/// Numbers by hash: open addressing, nothing is ever removed. 0 is no hash.
struct HashTable {
  private var hashes: [UInt64]
  private var values: [Int32]
  private var count = 0

  init(capacity: Int) {
    var slots = 64
    while slots < capacity * 2 { slots *= 2 }
    hashes = Array(repeating: 0, count: slots)
    values = Array(repeating: 0, count: slots)
  }

  /// What stands there, or, where nothing does, what is put there now.
  mutating func value(for hash: UInt64, orInsert make: () -> Int32) -> Int32 {
    var slot = find(hash)
    if hashes[slot] == hash { return values[slot] }
    if count * 4 >= hashes.count * 3 {
      grow()
      slot = find(hash)
    }
    let value = make()
    hashes[slot] = hash
    values[slot] = value
    count += 1
    return value
  }

  subscript(hash: UInt64) -> Int32? {
    get {
      let slot = find(hash)
      return hashes[slot] == hash ? values[slot] : nil
    }
    set {
      guard let newValue else { return }
      _ = value(for: hash) { newValue }
      values[find(hash)] = newValue
    }
  }

  private func find(_ hash: UInt64) -> Int {
    let mask = hashes.count - 1
    // The lowest bit of a subject says something else.
    var slot = Int(truncatingIfNeeded: hash >> 1) & mask
    while hashes[slot] != 0, hashes[slot] != hash { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    let old = self
    hashes = Array(repeating: 0, count: old.hashes.count * 2)
    values = Array(repeating: 0, count: old.values.count * 2)
    for slot in old.hashes.indices where old.hashes[slot] != 0 {
      let place = find(old.hashes[slot])
      hashes[place] = old.hashes[slot]
      values[place] = old.values[slot]
    }
  }
}
