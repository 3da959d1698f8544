/// Parents of a forest in a form in which any question and any change takes logarithmic time, however deep the trees are:
/// a link-cut tree (Sleator and Tarjan, 1983). Only threads made to be slow need it; see `ReferenceForest`.
struct AncestryTree {
  private var left: [Int32]
  private var right: [Int32]
  /// The parent within a splay tree or, at its root, the parent of the path it stands for.
  private var up: [Int32]

  init(parents: [Int32]) {
    up = parents
    left = Array(repeating: -1, count: parents.count)
    right = left
  }

  /// `node` counts as its own ancestor.
  mutating func isAncestor(_ node: Int32, of other: Int32) -> Bool {
    if node == other { return true }
    access(other)
    splay(node)
    // They are on one path only if `node` has taken the root's place from `other`.
    return up[Int(other)] >= 0
  }

  /// `node` has no parent.
  mutating func link(_ node: Int32, to parent: Int32) {
    access(node)
    up[Int(node)] = parent
  }

  mutating func cut(_ node: Int32) {
    access(node)
    let above = left[Int(node)]
    guard above >= 0 else { return }
    up[Int(above)] = -1
    left[Int(node)] = -1
  }

  /// Makes the path from the root to `node` one splay tree with `node` at its root.
  private mutating func access(_ node: Int32) {
    splay(node)
    right[Int(node)] = -1
    while up[Int(node)] >= 0 {
      let above = up[Int(node)]
      splay(above)
      right[Int(above)] = node
      splay(node)
    }
  }

  private func isRoot(_ node: Int32) -> Bool {
    let above = up[Int(node)]
    return above < 0 || (left[Int(above)] != node && right[Int(above)] != node)
  }

  private mutating func splay(_ node: Int32) {
    while !isRoot(node) {
      let above = up[Int(node)]
      if !isRoot(above) {
        let isStraight = (left[Int(above)] == node) == (left[Int(up[Int(above)])] == above)
        rotate(isStraight ? above : node)
      }
      rotate(node)
    }
  }

  private mutating func rotate(_ node: Int32) {
    let above = up[Int(node)]
    let top = up[Int(above)]
    if !isRoot(above) {
      if left[Int(top)] == above { left[Int(top)] = node } else { right[Int(top)] = node }
    }
    up[Int(node)] = top
    let middle: Int32
    if left[Int(above)] == node {
      middle = right[Int(node)]
      left[Int(above)] = middle
      right[Int(node)] = above
    } else {
      middle = left[Int(node)]
      right[Int(above)] = middle
      left[Int(node)] = above
    }
    if middle >= 0 { up[Int(middle)] = above }
    up[Int(above)] = node
  }
}
