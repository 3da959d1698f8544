import IMAPCore
import MailStore

/// What LIST responses must say so that a client which knows how the names of an account were knows how they are. Pure.
///
/// A look may come after several changes. Lines are in such an order that a client which carries them out one after the
/// other, moving what stands below a renamed name along, ends with the right names: first what is gone, under the names
/// it had; then what was renamed, from the deepest old name up; then what is new.
struct NameChanges {
  struct Line: Hashable, Sendable {
    var name: String
    var oldName: String?
  }

  /// A mailbox as it was.
  struct Before: Sendable {
    var name: String
    var isSelectable: Bool
    var isSubscribed: Bool
    /// What a missing right kept from being told.
    var denied: NotifyEvents = []
  }

  /// What a client takes a name for.
  enum Held: Hashable, Sendable {
    case known(MailboxID)
    /// A mailbox that it has heard nothing of but the name.
    case new
  }

  private(set) var lines: [Line] = []
  /// Mailboxes that the client may take for others after these lines: STATUS has to say all of them.
  private(set) var retold: Set<MailboxID> = []
  /// Mailboxes whose new names the client knows, by these lines or because it has given them itself.
  private(set) var followed: Set<MailboxID> = []
  private let filters: NotifyFilters
  private let own: OwnNameChange?
  private var subscribedBefore: Set<String>
  private var subscribedAfter: Set<String>
  private let after: [String: MailboxInfo]
  private let denied: [MailboxID: NotifyEvents]
  /// There are more lines than are wanted, and they are not all here.
  private(set) var isTooMuch = false
  private var listed: Set<String> = []

  /// - Parameters:
  ///   - lone: subscribed names without a mailbox, as they were.
  ///   - denied: what missing rights keep from being told.
  ///   - own: what this client has done itself, which it need not be told (RFC 5465 §5).
  ///   - limit: more lines than these are not wanted, so no work is spent on them.
  init(
    from before: [MailboxID: Before], lone: Set<String>, to listing: MailboxListing,
    denied: [MailboxID: NotifyEvents] = [:], _ filters: NotifyFilters, own: OwnNameChange?, limit: Int = .max
  ) {
    self.filters = filters
    self.denied = denied
    self.own = own
    var names: [String: MailboxInfo] = [:]
    var subscribed = Set(listing.subscribedWithoutMailbox)
    for info in listing.mailboxes {
      names[info.name] = info
      if info.isSubscribed { subscribed.insert(info.name) }
    }
    after = names
    subscribedAfter = subscribed
    subscribedBefore = lone
    for old in before.values where old.isSubscribed { subscribedBefore.insert(old.name) }
    findNames(before, listing)
    if filters.all.contains(.mailboxName) {
      guard lines.count <= limit else {
        isTooMuch = true
        return
      }
      if own != nil || lines.contains(where: { $0.oldName != nil }) { verifyNames(before, listing) }
    }
    if filters.all.contains(.subscriptionChange) { findSubscriptions() }
    findAccess(before, listing)
    if lines.count > limit { isTooMuch = true }
  }

  /// Attributes must be accurate (RFC 5465 §5.5). `hasChildren`: names with something below them.
  func attributes(of name: String, hasChildren: Set<String>) -> MailboxAttributes {
    let info = after[name]
    var attributes = ListPlan.attributes(of: info, hasChildren: hasChildren.contains(name))
    let untold = info.flatMap { denied[$0.id] } ?? []
    if filters.isDenied(name, isSubscribed: subscribedAfter.contains(name), untold) {
      // RFC 5465 §3
      attributes.insert(.noAccess)
    } else if info?.isSelectable != true, untold.isDisjoint(with: .messages) {
      // RFC 5465 §5.4: the name does not refer to a mailbox.
      attributes.insert(.nonExistent)
    }
    if subscribedAfter.contains(name) { attributes.insert(.subscribed) }
    return attributes
  }

  private func isWanted(_ name: String, _ event: NotifyEvents) -> Bool {
    let isSubscribed = subscribedBefore.contains(name) || subscribedAfter.contains(name)
    return filters.events(name, isSubscribed: isSubscribed).contains(event)
  }

  private mutating func add(_ name: String, oldName: String? = nil) {
    guard listed.insert(name).inserted || oldName != nil else { return }
    lines.append(Line(name: name, oldName: oldName))
  }

  private struct Rename {
    var id: MailboxID
    var old: String
    var new: String
  }

  private mutating func findNames(_ before: [MailboxID: Before], _ listing: MailboxListing) {
    let current = Dictionary(uniqueKeysWithValues: listing.mailboxes.map { ($0.id, $0) })
    var renames: [Rename] = []
    var fresh: [MailboxInfo] = []
    var gone: [String] = []
    for (id, old) in before {
      guard let info = current[id] else {
        gone.append(old.name)
        continue
      }
      if info.name != old.name {
        renames.append(Rename(id: id, old: old.name, new: info.name))
      } else if info.isSelectable != old.isSelectable {
        fresh.append(info)
      }
    }
    fresh += listing.mailboxes.filter { before[$0.id] == nil }

    let told = tellRenames(&renames, &fresh)
    var parents: [String] = []
    let renamed = lines
    lines = []
    for name in gone.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      let isMoved = ListPlan.parents(of: name).contains { told[$0] != nil }
      guard after[name] == nil || isMoved, isWanted(name, .mailboxName), own?.deletes(name) != true else { continue }
      lines.append(Line(name: name))
      if let parent = ListPlan.parents(of: name).first { parents.append(parent) }
    }
    lines += renamed
    for info in fresh.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      let isOwn = own?.makes(info.name, isSelectable: info.isSelectable) == true
      let isHeard = isWanted(info.name, .mailboxName)
      // A name above it that comes along may be news to a client which thinks that it was there.
      if isHeard || own?.gives(info.name) == true { followed.insert(info.id) }
      guard isHeard, !isOwn else { continue }
      add(info.name)
      if let parent = ListPlan.parents(of: info.name).first { parents.append(parent) }
    }
    // RFC 5465 §5.4: the direct parent is affected as well.
    for parent in parents where !listed.contains(parent) && isWanted(parent, .mailboxName) { add(parent) }
  }

  /// What stands below a renamed name goes with it and is not told by itself (RFC 5465 §5.4). Returns the renames that the
  /// client knows of: by these lines, or because they are its own.
  private mutating func tellRenames(
    _ renames: inout [Rename], _ fresh: inout [MailboxInfo]
  ) -> [String: String] {
    var told: [String: String] = [:]
    var sent: [(old: String, new: String)] = []
    let targets = Set(renames.map(\.new))
    renames.sort { $0.old.utf8.lexicographicallyPrecedes($1.old.utf8) }
    for rename in renames {
      let (id, old, new) = (rename.id, rename.old, rename.new)
      let goesAlong = ListPlan.parents(of: old).contains { parent in
        guard let target = told[parent] else { return false }
        return new == target + old.dropFirst(parent.count)
      }
      if goesAlong {
        followed.insert(id)
        continue
      }
      if own?.renames(old, to: new) == true {
        told[old] = new
        followed.insert(id)
      } else if targets.contains(old) {
        // Another mailbox has got this one's old name: told as a new one, so that the lines cannot be in each other's way.
        if let info = after[new] {
          fresh.append(info)
          retold.insert(info.id)
        }
      } else if isWanted(old, .mailboxName) || isWanted(new, .mailboxName) {
        told[old] = new
        followed.insert(id)
        sent.append((old, new))
      }
    }
    func depth(_ name: String) -> Int { name.utf8.count { $0 == UInt8(ascii: "/") } }
    for (old, new) in sent.sorted(by: { depth($0.old) > depth($1.old) }) { add(new, oldName: old) }
    return told
  }

  private mutating func findSubscriptions() {
    var believed = subscribedBefore
    if case .subscription(let name, let isSubscribed) = own {
      if isSubscribed { believed.insert(name) } else { believed.remove(name) }
    }
    for name in believed.symmetricDifference(subscribedAfter).sorted() {
      if !listed.contains(name), isWanted(name, .subscriptionChange) { add(name) }
    }
  }

  /// RFC 5465 §3, §5.9: where a right that the wanted events need is missing from now on, and where it has come.
  private mutating func findAccess(_ before: [MailboxID: Before], _ listing: MailboxListing) {
    guard !denied.isEmpty || before.values.contains(where: { !$0.denied.isEmpty }) else { return }
    for info in listing.mailboxes {
      let old = before[info.id]
      let wasDenied =
        old.map { filters.isDenied($0.name, isSubscribed: $0.isSubscribed, $0.denied) } ?? false
      let isDenied = filters.isDenied(info.name, isSubscribed: info.isSubscribed, denied[info.id] ?? [])
      if wasDenied != isDenied, !listed.contains(info.name) { add(info.name) }
    }
  }

  /// Changes of this session and of others that came together can be in each other's way. What a client would make of the
  /// lines is compared with what is there; if that differs, every name is told as it is.
  private mutating func verifyNames(_ before: [MailboxID: Before], _ listing: MailboxListing) {
    // Names, and which mailbox the client takes each for.
    var holds: [String: Held] = [:]
    for (id, old) in before where old.isSelectable { holds[old.name] = .known(id) }
    own?.apply(to: &holds)
    var all = Set(holds.keys).union(before.values.map(\.name))
    var tree = NameTree(holds)
    for line in lines {
      if let old = line.oldName { all.formUnion(tree.move(old, to: line.name)) }
      if after[line.name]?.isSelectable != true {
        tree.remove(line.name)
      } else if tree.names[line.name] == nil {
        tree.insert(line.name, .new)
      }
    }
    holds = tree.names
    all.formUnion(holds.keys)
    let selectable = Set(listing.mailboxes.lazy.filter(\.isSelectable).map(\.name))
    for info in listing.mailboxes where info.isSelectable {
      let old = before[info.id]
      // Between a RENAME of this session and its look others may have moved on what it renamed, and put something else there.
      if own != nil, old.map({ $0.name != info.name }) == true { retold.insert(info.id) }
      if let held = holds[info.name], held != (old?.isSelectable == true ? .known(info.id) : .new) {
        retold.insert(info.id)
      }
    }
    let believed = Set(holds.keys)
    let wrong = believed.symmetricDifference(selectable).filter { isWanted($0, .mailboxName) }
    guard !wrong.isEmpty else { return }
    retold.formUnion(listing.mailboxes.map(\.id))
    lines = []
    listed = []
    for name in all.union(selectable).sorted() where isWanted(name, .mailboxName) { add(name) }
  }
}

/// A change of names that this session has made.
enum OwnNameChange: Sendable {
  case create(String)
  case delete(String)
  case rename(String, to: String)
  case subscription(String, Bool)

  func makes(_ name: String, isSelectable: Bool) -> Bool {
    switch self {
    case .create(let made): isSelectable && Self.isOrLeads(name, to: made)
    case .rename(_, let made): isSelectable && Self.isOrLeads(name, to: made)
    case .delete(let gone): !isSelectable && name == gone
    case .subscription: false
    }
  }

  /// It is the name that was given, and not one that leads to it.
  func gives(_ name: String) -> Bool {
    switch self {
    case .create(name), .rename(_, name): true
    default: false
    }
  }

  func deletes(_ name: String) -> Bool {
    if case .delete(name) = self { true } else { false }
  }

  func renames(_ old: String, to new: String) -> Bool {
    if case .rename(old, new) = self { true } else { false }
  }

  /// What it does to the names of mailboxes.
  func apply(to names: inout [String: NameChanges.Held]) {
    func make(_ made: [String]) {
      for name in made where names[name] == nil { names[name] = .new }
    }
    switch self {
    case .create(let made): make([made] + ListPlan.parents(of: made))
    case .delete(let gone): names[gone] = nil
    case .rename("INBOX", let made): make([made] + ListPlan.parents(of: made))
    case .rename(let old, let made):
      Self.move(old, to: made, in: &names)
      make(ListPlan.parents(of: made))
    case .subscription: break
    }
  }

  /// What stands below goes along.
  static func move(_ old: String, to new: String, in names: inout [String: NameChanges.Held]) {
    let moved = names.filter { $0.key == old || $0.key.hasPrefix(old + "/") }
    for name in moved.keys { names[name] = nil }
    for (name, held) in moved { names[new + name.dropFirst(old.count)] = held }
  }

  /// Missing parents are created as well.
  private static func isOrLeads(_ name: String, to made: String) -> Bool {
    name == made || made.hasPrefix(name + "/")
  }
}
