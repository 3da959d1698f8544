/// Names of mailboxes, of which one can be moved with all that stands below it at the cost of that alone.
struct NameTree {
  private(set) var names: Set<String>
  /// What stands directly below a name, or leads to what stands below it.
  private var children: [String: Set<String>] = [:]

  init(_ names: Set<String>) {
    self.names = names
    for name in names { link(name) }
  }

  mutating func insert(_ name: String) {
    if names.insert(name).inserted { link(name) }
  }

  /// What stands below it stays.
  mutating func remove(_ name: String) { names.remove(name) }

  /// The new names of all that was moved.
  mutating func move(_ old: String, to new: String) -> [String] {
    var moved: [String] = []
    var rest = [old]
    while let name = rest.popLast() {
      if names.remove(name) != nil { moved.append(new + name.dropFirst(old.count)) }
      if let below = children.removeValue(forKey: name) { rest += below }
    }
    for name in moved { insert(name) }
    return moved
  }

  private mutating func link(_ name: String) {
    var name = name
    while let slash = name.lastIndex(of: "/") {
      let parent = String(name[..<slash])
      guard !parent.isEmpty, children[parent, default: []].insert(name).inserted else { return }
      name = parent
    }
  }
}
