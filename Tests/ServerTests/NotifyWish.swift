import MailTestKit

/// A NOTIFY command as its client understands it (RFC 5465), written anew from the RFC: what it may expect therefore, and
/// what it need not put up with.
struct NotifyWish: CustomStringConvertible {
  /// What is told of the selected mailbox.
  enum Picture: Equatable { case still, immediate, delayed }

  struct Events: OptionSet, Hashable {
    let rawValue: Int
    /// MessageNew and MessageExpunge, which go together.
    static let messages = Events(rawValue: 1)
    static let flags = Events(rawValue: 2)
    static let names = Events(rawValue: 4)
    static let subscriptions = Events(rawValue: 8)
    static let mailboxNotes = Events(rawValue: 16)
    static let serverNotes = Events(rawValue: 32)

    var words: String {
      let all: [(Events, String)] = [
        (.messages, "MessageNew MessageExpunge"), (.flags, "FlagChange"), (.names, "MailboxName"),
        (.subscriptions, "SubscriptionChange"), (.mailboxNotes, "MailboxMetadataChange"),
        (.serverNotes, "ServerMetadataChange"),
      ]
      let words = all.filter { contains($0.0) }.map(\.1)
      return words.isEmpty ? "NONE" : "(\(words.joined(separator: " ")))"
    }
  }

  enum Filter {
    case personal, inboxes, subscribed
    case subtree([String])
    case mailboxes([String])
  }

  struct Group {
    var filter: Filter
    var events: Events
  }

  /// Nil: NONE.
  var groups: [Group]?
  var picture = Picture.still
  var tellsFlags = false
  /// What is to be sent of new messages.
  var items = ""
  var wantsStatus = false

  static let everything = NotifyWish(
    groups: [Group(filter: .personal, events: [.messages, .flags, .names, .subscriptions, .mailboxNotes])],
    picture: .immediate, tellsFlags: true, items: "(UID FLAGS)", wantsStatus: true)

  var description: String {
    guard let groups else { return "NOTIFY NONE" }
    var words = "NOTIFY SET\(wantsStatus ? " STATUS" : "")"
    if picture != .still {
      words += " (SELECTED\(picture == .delayed ? "-DELAYED" : "") (MessageNew\(items.isEmpty ? "" : " \(items)")"
      words += " MessageExpunge\(tellsFlags ? " FlagChange" : "")))"
    } else if groups.isEmpty {
      words += " (SELECTED NONE)"
    }
    for group in groups {
      switch group.filter {
      case .personal: words += " (PERSONAL"
      case .inboxes: words += " (INBOXES"
      case .subscribed: words += " (SUBSCRIBED"
      case .subtree(let names):
        words += " (SUBTREE \(names.count == 1 ? names[0] : "(\(names.joined(separator: " ")))")"
      case .mailboxes(let names): words += " (MAILBOXES (\(names.joined(separator: " ")))"
      }
      words += " \(group.events.words))"
    }
    return words
  }

  // MARK: What it means

  /// RFC 5465 §6: events of several groups add up.
  func events(_ name: String, isSubscribed: Bool) -> Events {
    var events: Events = []
    for group in groups ?? [] {
      let holds =
        switch group.filter {
        // `user+folder` brings mail into any mailbox.
        case .personal, .inboxes: true
        case .subscribed: isSubscribed
        case .subtree(let names): names.contains { name == $0 || name.hasPrefix($0 + "/") }
        case .mailboxes(let names): names.contains(name)
        }
      if holds { events.formUnion(group.events) }
    }
    return events
  }

  /// Names are told of this one, and of all that stand or may stand below it.
  func followsTree(_ name: String) -> Bool {
    (groups ?? []).contains { group in
      guard group.events.contains(.names) else { return false }
      switch group.filter {
      case .personal, .inboxes: return true
      case .subtree(let names): return names.contains { name == $0 || name.hasPrefix($0 + "/") }
      case .subscribed, .mailboxes: return false
      }
    }
  }

  var tellsServerNotes: Bool { (groups ?? []).contains { $0.events.contains(.serverNotes) } }

  // MARK: Drawing

  static func draw(_ names: [String], _ random: inout SeededRandom) -> NotifyWish {
    if random.int(0...14) == 0 { return NotifyWish() }
    var wish = everything
    wish.wantsStatus = random.flip()
    if random.int(0...3) > 0 {
      wish.picture = random.pick([.still, .immediate, .immediate, .delayed])
      wish.tellsFlags = random.int(0...2) > 0
      wish.items = random.pick([
        "", "(UID FLAGS)", "(UID)", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "(FLAGS UID INTERNALDATE)",
      ])
    }
    if random.int(0...3) > 0 {
      wish.groups = (0..<random.int(0...3)).map { _ in
        func some() -> [String] { (0..<random.int(1...4)).map { _ in random.pick(names) } }
        let filter: Filter =
          switch random.int(0...5) {
          case 0: .personal
          case 1: .inboxes
          case 2: .subscribed
          case 3, 4: .subtree(some())
          default: .mailboxes(some())
          }
        var events: Events = []
        if random.int(0...3) > 0 { events.formUnion(random.flip() ? [.messages, .flags] : .messages) }
        if random.int(0...2) > 0 { events.insert(.names) }
        if random.flip() { events.insert(.subscriptions) }
        if random.int(0...2) == 0 { events.insert(.mailboxNotes) }
        if random.int(0...4) == 0 { events.insert(.serverNotes) }
        return Group(filter: filter, events: events)
      }
    }
    return wish
  }
}
