import IMAPCore
import MailNet
import MailStore

/// What LIST or LSUB asks for, apart from STATUS.
struct ListQuery: Sendable {
  var patterns: [Pattern]
  /// Any of the extended forms of RFC 9051 §6.3.9 was used.
  var isExtended = false
  var selectsSubscribed = false
  var selectsSpecialUse = false
  var recursiveMatch = false
  var returnsSubscribed = false
}

extension ListQuery {
  /// A canonical LIST pattern: reference and name as they stand, one behind the other (RFC 9051 §6.3.9).
  struct Pattern: Sendable {
    private let pattern: ListPattern
    let endsWithPercent: Bool
    /// What a match costs, at most, for each octet of a name.
    var cost: Int { pattern.cost }
    init(reference: String, name: String) {
      pattern = ListPattern(reference: reference, name)
      endsWithPercent = name.utf8.last == UInt8(ascii: "%")
    }
    func matches(_ name: String) -> Bool { pattern.matches(name) }
  }
}

/// One LIST response.
struct ListRow: Sendable {
  var name: String
  var attributes: MailboxAttributes
  /// A descendant meets the selection options (RFC 9051 §6.3.9.6).
  var hasChildInfo = false
  /// Nil: the name has no mailbox.
  var info: MailboxInfo?
  /// The name itself meets the selection options, so that it gets its STATUS (RFC 9051 §6.3.9.8, example 11).
  var isSelected: Bool
}

/// Turns a listing into LIST responses. Pure.
///
/// Ten thousand long names against a command full of wildcards are seconds of work: none of it is done on an event loop,
/// and others get their turn between the names.
struct ListPlan: Sendable {
  /// Words of patterns compared before others get their turn, about: a millisecond.
  private static let turn = 1 << 20

  private struct Name: Sendable {
    var info: MailboxInfo?
    var isSubscribed: Bool
    var hasChildren = false
    /// A descendant meets the selection options.
    var hasMatchingDescendant = false
    /// A descendant meets them whose own name is not returned.
    var hasHiddenDescendant = false
  }

  private let query: ListQuery
  private let cost: Int
  private var names: [String: Name] = [:]

  init(_ listing: MailboxListing, _ query: ListQuery) async {
    self.query = query
    cost = query.patterns.reduce(1) { $0 + $1.cost }
    for info in listing.mailboxes { names[info.name] = Name(info: info, isSubscribed: info.isSubscribed) }
    if query.selectsSubscribed {
      for name in listing.subscribedWithoutMailbox {
        names[name, default: Name(isSubscribed: true)].isSubscribed = true
      }
    }
    var steps = 0
    for (name, entry) in names {
      if query.recursiveMatch { await giveWay(&steps, after: name) }
      let meets = meetsSelection(entry)
      let isHidden = meets && query.recursiveMatch && !matchesPattern(name)
      for parent in Self.parents(of: name) {
        var above = names[parent] ?? Name(info: nil, isSubscribed: false)
        if entry.info != nil { above.hasChildren = true }
        if meets { above.hasMatchingDescendant = true }
        if isHidden { above.hasHiddenDescendant = true }
        names[parent] = above
      }
    }
  }

  /// In name order, INBOX first.
  static func rows(_ listing: MailboxListing, _ query: ListQuery) async -> [ListRow] {
    await offLoop { await ListPlan(listing, query).rows() }
  }

  /// LSUB (RFC 3501 §6.3.9): subscribed names, and with a final `%` the levels above those that are out of its reach.
  static func subscribedRows(_ listing: MailboxListing, _ query: ListQuery) async -> [ListRow] {
    await offLoop { await ListPlan(listing, query).subscribedRows() }
  }

  private func giveWay(_ steps: inout Int, after name: String) async {
    steps += name.utf8.count * cost
    guard steps > Self.turn else { return }
    steps = 0
    await Task.yield()
  }

  private func rows() async -> [ListRow] {
    var rows: [ListRow] = []
    var steps = 0
    for name in names.keys.sorted(by: Self.precedes) {
      await giveWay(&steps, after: name)
      guard let entry = names[name], matchesPattern(name), let row = row(name, entry) else { continue }
      rows.append(row)
    }
    return rows
  }

  private func subscribedRows() async -> [ListRow] {
    var rows: [ListRow] = []
    var steps = 0
    for name in names.keys.sorted(by: Self.precedes) {
      await giveWay(&steps, after: name)
      guard let entry = names[name] else { continue }
      if entry.isSubscribed {
        guard matchesPattern(name) else { continue }
        let attributes: MailboxAttributes = entry.info?.isSelectable == true ? [] : .noSelect
        rows.append(ListRow(name: name, attributes: attributes, info: entry.info, isSelected: true))
      } else if entry.hasMatchingDescendant, matchesPattern(name, whereEndingWithPercent: true) {
        rows.append(ListRow(name: name, attributes: .noSelect, info: entry.info, isSelected: false))
      }
    }
    return rows
  }

  private func row(_ name: String, _ entry: Name) -> ListRow? {
    let isSelected = meetsSelection(entry)
    let hasChildInfo = query.recursiveMatch && entry.hasMatchingDescendant
    if !isSelected {
      // Redundant CHILDINFO is suppressed (RFC 9051 §6.3.9.6).
      guard query.recursiveMatch, entry.hasHiddenDescendant else {
        // A level of hierarchy without a mailbox, reached by a wildcard (RFC 9051 §6.3.9).
        guard entry.info == nil, entry.hasChildren, !query.selectsSubscribed, !query.selectsSpecialUse else {
          return nil
        }
        return ListRow(
          name: name, attributes: [query.isExtended ? .nonExistent : .noSelect, .hasChildren], info: nil,
          isSelected: false)
      }
    }
    var attributes = Self.attributes(of: entry.info, hasChildren: entry.hasChildren)
    if query.selectsSubscribed || query.returnsSubscribed, entry.isSubscribed { attributes.insert(.subscribed) }
    return ListRow(
      name: name, attributes: attributes, hasChildInfo: hasChildInfo, info: entry.info, isSelected: isSelected)
  }

  private func meetsSelection(_ entry: Name) -> Bool {
    if query.selectsSubscribed, !entry.isSubscribed { return false }
    if query.selectsSpecialUse, entry.info?.specialUse == nil { return false }
    if !query.selectsSubscribed, entry.info == nil { return false }
    return true
  }

  private func matchesPattern(_ name: String, whereEndingWithPercent: Bool = false) -> Bool {
    query.patterns.contains { (!whereEndingWithPercent || $0.endsWithPercent) && $0.matches(name) }
  }

  /// What a LIST line says of a mailbox, subscription apart.
  static func attributes(of info: MailboxInfo?, hasChildren: Bool?) -> MailboxAttributes {
    var attributes: MailboxAttributes = []
    if let info {
      if !info.isSelectable { attributes.insert(.noSelect) }
      if let use = info.specialUse, let attribute = MailboxAttributes(name: use.rawValue) {
        attributes.insert(attribute)
      }
    } else {
      attributes.insert(.nonExistent)
    }
    if let hasChildren { attributes.insert(hasChildren ? .hasChildren : .hasNoChildren) }
    return attributes
  }

  static func parents(of name: String) -> [String] {
    var parents: [String] = []
    var rest = Substring(name)
    while let slash = rest.lastIndex(of: "/") {
      rest = rest[..<slash]
      if rest.isEmpty { break }
      parents.append(String(rest))
    }
    return parents
  }

  private static func precedes(_ left: String, _ right: String) -> Bool {
    if left == "INBOX" { return right != "INBOX" }
    if right == "INBOX" { return false }
    return left.utf8.lexicographicallyPrecedes(right.utf8)
  }
}
