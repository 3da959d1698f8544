import MailStore

/// Names of mailboxes, and which mailbox a client takes each for, of which a name is moved with all that stands below it.
struct NameTree {
  private(set) var names: [String: NameChanges.Held] = [:]
  /// What stands directly below a name, or leads to what stands below it.
  private var children: [String: Set<String>] = [:]

  init(_ names: [String: NameChanges.Held]) {
    self.names = names
    for name in names.keys { link(name) }
  }

  mutating func insert(_ name: String, _ held: NameChanges.Held) {
    if names.updateValue(held, forKey: name) == nil { link(name) }
  }

  /// What stands below it stays.
  mutating func remove(_ name: String) { names[name] = nil }

  /// The new names of all that was moved.
  mutating func move(_ old: String, to new: String) -> [String] {
    var moved: [(name: String, held: NameChanges.Held)] = []
    var rest = [old]
    while let name = rest.popLast() {
      if let held = names.removeValue(forKey: name) { moved.append((new + name.dropFirst(old.count), held)) }
      if let below = children.removeValue(forKey: name) { rest += below }
    }
    for (name, held) in moved { insert(name, held) }
    return moved.map(\.name)
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
