import IMAPCore
import MailStore

/// Which events are wanted of a mailbox that is not selected: the event groups of one NOTIFY, put together so that a name
/// costs a look for each of its levels, however many groups there are. Several groups may hold for a mailbox; their
/// events add up (RFC 5465 §6).
struct NotifyFilters: Sendable {
  private var personal: NotifyEvents = []
  private var subscribed: NotifyEvents = []
  private var subtrees: [String: NotifyEvents] = [:]
  private var named: [String: NotifyEvents] = [:]
  /// Of all groups.
  private(set) var all: NotifyEvents = []
  private let namespaces: Namespaces?

  init(_ groups: [NotifyGroup], _ namespaces: Namespaces? = nil) {
    self.namespaces = namespaces
    for group in groups where !group.filter.isSelected {
      all.formUnion(group.events)
      switch group.filter {
      case .selected, .selectedDelayed: break
      // `user+folder` brings mail into any mailbox, so all of them are inboxes (RFC 5465 §6.3).
      case .inboxes, .personal: personal.formUnion(group.events)
      case .subscribed: subscribed.formUnion(group.events)
      case .subtree(let names):
        for name in names { subtrees[name.storeString, default: []].formUnion(group.events) }
      case .mailboxes(let names):
        for name in names { named[name.storeString, default: []].formUnion(group.events) }
      }
    }
  }

  func events(_ name: String, isSubscribed: Bool) -> NotifyEvents {
    var events = personal.isEmpty || namespaces.map { $0.meaning(of: name) != .own } == true ? [] : personal
    if isSubscribed { events.formUnion(subscribed) }
    if let more = named[name] { events.formUnion(more) }
    guard !subtrees.isEmpty else { return events }
    if let more = subtrees[name] { events.formUnion(more) }
    for parent in ListPlan.parents(of: name) {
      if let more = subtrees[parent] { events.formUnion(more) }
    }
    return events
  }

  /// Something is wanted of the mailbox that may not be told (RFC 5465 §3).
  func isDenied(_ name: String, isSubscribed: Bool, _ denied: NotifyEvents) -> Bool {
    !denied.isEmpty && !events(name, isSubscribed: isSubscribed).isDisjoint(with: denied)
  }

  /// Message events are told of mailboxes that can be selected (RFC 5465 §6.2, §6.5).
  func messageEvents(_ info: MailboxInfo) -> NotifyEvents {
    guard info.isSelectable, !all.isDisjoint(with: .messages) else { return [] }
    return events(info.name, isSubscribed: info.isSubscribed).intersection(.messages)
  }
}

extension MailboxName {
  /// As the store spells it, which takes a separator at the end off.
  var storeString: String { string.utf8.last == UInt8(ascii: "/") ? String(string.dropLast()) : string }
}
