import Bytes
import NIOCore

/// `NOTIFY` (RFC 5465 §3.1).
public struct NotifyCommand: Hashable, Sendable {
  /// Nil: NONE.
  public var groups: [NotifyGroup]?
  /// A STATUS response is wanted at once for each mailbox watched.
  public var wantsStatus: Bool
  public init(_ groups: [NotifyGroup]?, wantsStatus: Bool = false) {
    self.groups = groups
    self.wantsStatus = wantsStatus
  }
}

/// Mailboxes, and what is wanted of them (RFC 5465 §8, event-group).
public struct NotifyGroup: Hashable, Sendable {
  public var filter: NotifyFilter
  /// Empty, and no `unknown` either: NONE.
  public var events: NotifyEvents
  /// Names of events that RFC 5465 does not know; whoever asks for them is refused (§3.1, BADEVENT).
  public var unknown: [String]
  /// What to send of new messages; only of the selected mailbox.
  public var items: [FetchItem]
  public init(_ filter: NotifyFilter, _ events: NotifyEvents, unknown: [String] = [], items: [FetchItem] = []) {
    self.filter = filter
    self.events = events
    self.unknown = unknown
    self.items = items
  }
}

/// RFC 5465 §6.
public enum NotifyFilter: Hashable, Sendable {
  case selected, selectedDelayed, inboxes, personal, subscribed
  /// Never empty.
  case subtree([MailboxName])
  case mailboxes([MailboxName])

  public var isSelected: Bool { self == .selected || self == .selectedDelayed }
}

/// RFC 5465 §5.
public struct NotifyEvents: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let messageNew = NotifyEvents(rawValue: 1)
  public static let messageExpunge = NotifyEvents(rawValue: 2)
  public static let flagChange = NotifyEvents(rawValue: 4)
  public static let annotationChange = NotifyEvents(rawValue: 8)
  public static let mailboxName = NotifyEvents(rawValue: 16)
  public static let subscriptionChange = NotifyEvents(rawValue: 32)
  public static let mailboxMetadataChange = NotifyEvents(rawValue: 64)
  public static let serverMetadataChange = NotifyEvents(rawValue: 128)

  public static let messages: NotifyEvents = [.messageNew, .messageExpunge, .flagChange, .annotationChange]

  public static let metadata: NotifyEvents = [.mailboxMetadataChange, .serverMetadataChange]

  /// Every event with its spelling, in printing order.
  public static let spellings: [(event: NotifyEvents, name: StaticString)] = [
    (.messageNew, "MessageNew"), (.messageExpunge, "MessageExpunge"), (.flagChange, "FlagChange"),
    (.annotationChange, "AnnotationChange"), (.mailboxName, "MailboxName"),
    (.subscriptionChange, "SubscriptionChange"), (.mailboxMetadataChange, "MailboxMetadataChange"),
    (.serverMetadataChange, "ServerMetadataChange"),
  ]

  /// The names of those in the set.
  public var names: [String] { Self.spellings.filter { contains($0.event) }.map { "\($0.name)" } }
}

extension CommandReader {
  /// notify = "NOTIFY" SP ("SET" ["SP" "STATUS"] SP event-group *(SP event-group) / "NONE")
  mutating func notifyCommand() throws(IMAPSyntaxError) -> NotifyCommand {
    try space()
    let range = wordRange()
    if bytes(range).equalsIgnoringCase("NONE") { return NotifyCommand(nil) }
    guard bytes(range).equalsIgnoringCase("SET") else { throw error("Expected SET or NONE", at: range.lowerBound) }
    let wantsStatus = cursor.takeIgnoringCase(" STATUS")
    var groups: [NotifyGroup] = []
    repeat {
      try space()
      guard groups.count < limits.listElements else { throw error("More than \(limits.listElements) event groups") }
      let start = cursor.position
      let group = try notifyGroup()
      // RFC 5465 §6.1
      if group.filter.isSelected, groups.contains(where: \.filter.isSelected) {
        throw error("SELECTED and SELECTED-DELAYED may be given once", at: start)
      }
      groups.append(group)
    } while cursor.peek == .space
    return NotifyCommand(groups, wantsStatus: wantsStatus)
  }

  /// event-group = "(" filter-mailboxes SP events ")"
  private mutating func notifyGroup() throws(IMAPSyntaxError) -> NotifyGroup {
    try openParenthesis()
    var group = NotifyGroup(try notifyFilter(), [])
    try space()
    let start = cursor.position
    if cursor.peek == UInt8(ascii: "(") {
      try list("events", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in try reader.notifyEvent(of: &group) }
    } else if !cursor.takeIgnoringCase("NONE") {
      throw expected("events or NONE")
    }
    try closeParenthesis()
    // RFC 5465 §5
    let isHalf = group.events.contains(.messageNew) != group.events.contains(.messageExpunge)
    let needsBoth = !group.events.isDisjoint(with: [.flagChange, .annotationChange])
    if isHalf || needsBoth && !group.events.contains(.messageNew) {
      throw error("MessageNew and MessageExpunge go together, and FlagChange needs both", at: start)
    }
    // RFC 5465 §6.1
    if group.filter.isSelected, !group.events.isSubset(of: .messages) {
      throw error("Of the selected mailbox only message events can be asked for", at: start)
    }
    return group
  }

  private mutating func notifyFilter() throws(IMAPSyntaxError) -> NotifyFilter {
    let range = wordRange()
    let word = bytes(range)
    if word.equalsIgnoringCase("SELECTED") { return .selected }
    if word.equalsIgnoringCase("SELECTED-DELAYED") { return .selectedDelayed }
    if word.equalsIgnoringCase("INBOXES") { return .inboxes }
    if word.equalsIgnoringCase("PERSONAL") { return .personal }
    if word.equalsIgnoringCase("SUBSCRIBED") { return .subscribed }
    if word.equalsIgnoringCase("SUBTREE") { return .subtree(try notifyNames()) }
    if word.equalsIgnoringCase("MAILBOXES") { return .mailboxes(try notifyNames()) }
    throw error("Unknown mailbox filter '\(excerpt(range))'", at: range.lowerBound)
  }

  /// one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")", with the space before.
  mutating func notifyNames() throws(IMAPSyntaxError) -> [MailboxName] {
    try space()
    guard cursor.peek == UInt8(ascii: "(") else { return [try mailbox()] }
    var names: [MailboxName] = []
    try list("mailboxes", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      names.append(try reader.mailbox())
    }
    return names
  }

  private mutating func notifyEvent(of group: inout NotifyGroup) throws(IMAPSyntaxError) {
    let range = try atomRange("an event")
    let word = bytes(range)
    guard let event = NotifyEvents.spellings.first(where: { word.equalsIgnoringCase($0.name) })?.event else {
      group.unknown.append(string(range))
      return
    }
    group.events.insert(event)
    guard event == .messageNew, cursor.peek == .space, cursor.peek(at: 1) == UInt8(ascii: "(") else { return }
    // RFC 5465 §8: the list may only be present for SELECTED and SELECTED-DELAYED.
    guard group.filter.isSelected else { throw error("Items can be asked for of the selected mailbox only") }
    try space()
    group.items = try fetchItems()
  }

  /// "(" fetch-att *(SP fetch-att) ")"
  mutating func fetchItems() throws(IMAPSyntaxError) -> [FetchItem] {
    var items: [FetchItem] = []
    try list("items", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let item = try reader.fetchItem()
      if !items.contains(item) { items.append(item) }
    }
    return items
  }
}

extension CommandPrinter {
  mutating func print(_ command: NotifyCommand) {
    guard let groups = command.groups else { return word(" NONE") }
    word(" SET")
    if command.wantsStatus { word(" STATUS") }
    for group in groups {
      word(" (")
      print(group.filter)
      space()
      print(group)
      word(")")
    }
  }

  private mutating func print(_ filter: NotifyFilter) {
    switch filter {
    case .selected: word("SELECTED")
    case .selectedDelayed: word("SELECTED-DELAYED")
    case .inboxes: word("INBOXES")
    case .personal: word("PERSONAL")
    case .subscribed: word("SUBSCRIBED")
    case .subtree(let names):
      word("SUBTREE ")
      print(names)
    case .mailboxes(let names):
      word("MAILBOXES ")
      print(names)
    }
  }

  mutating func print(_ names: [MailboxName]) {
    word("(")
    for (index, name) in names.enumerated() {
      if index > 0 { space() }
      mailbox(name)
    }
    word(")")
  }

  private mutating func print(_ group: NotifyGroup) {
    var isFirst = true
    for (event, name) in NotifyEvents.spellings where group.events.contains(event) {
      word(isFirst ? "(" : " ")
      isFirst = false
      word(name)
      if event == .messageNew, !group.items.isEmpty {
        space()
        print(group.items)
      }
    }
    for name in group.unknown {
      word(isFirst ? "(" : " ")
      isFirst = false
      text(name)
    }
    word(isFirst ? "NONE" : ")")
  }

  mutating func print(_ items: [FetchItem]) {
    word("(")
    for (index, item) in items.enumerated() {
      if index > 0 { space() }
      buffer.writeFetchItem(item, isResponse: false)
    }
    word(")")
  }
}
