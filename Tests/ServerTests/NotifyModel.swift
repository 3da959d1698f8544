import Foundation
import MailStore
import MailTestKit

@testable import IMAPServer

/// What a client knows that uses NOTIFY, and believes nothing but what it is sent and what it does itself.
final class NotifyModel {
  struct Wrong: Error, CustomStringConvertible { var description: String }

  /// Nil: not known.
  struct Counters: Hashable {
    var messages: Int?
    var uidNext: UInt32?
    var unseen: Int?
    var modSeq: UInt64?
    var validity: UInt32?
    static let new = Counters(messages: 0, uidNext: 1, unseen: 0)
  }

  struct Message: Hashable {
    /// Nil: not heard yet.
    var uid: UInt32?
    var flags: Set<String>?
    var modSeq: UInt64?
  }

  var wish = NotifyWish.everything
  /// Sent, and not answered yet.
  var nextWish: NotifyWish?
  var enabled: Set<String> = []
  /// The command under way.
  var command = ""

  var names: Set<String> = []
  var subscribed: Set<String> = []
  /// What is below these has come from where names are not told.
  var unsure: Set<String> = []
  /// Names are not known until they are listed.
  var needsList = true
  var counters: [String: Counters] = [:]
  var selected: String?
  /// What a SELECT under way will select.
  var next: String?
  var messages: [Message] = []
  /// UIDNEXT of the selected mailbox as far as it is known.
  var uidNext: UInt32 = 1
  /// Annotations by mailbox, "" for the server's; what is not here was never looked at.
  var notes: [String: [String: String]] = [:]
  /// Entries that may have other values since.
  var heardNotes: [String: Set<String>] = [:]

  var isUIDOnly: Bool { enabled.contains("UIDONLY") }
  var tellsModSeqs: Bool { !enabled.isDisjoint(with: ["CONDSTORE", "QRESYNC"]) }

  // MARK: What it can know

  func isUnsure(_ name: String) -> Bool { unsure.contains { name == $0 || name.hasPrefix($0 + "/") } }

  func knowsName(_ name: String) -> Bool {
    !needsList && wish.events(name, isSubscribed: false).contains(.names) && !isUnsure(name)
  }

  /// Every change of it is told, as the mailbox is subscribed before or after.
  func knowsSubscription(_ name: String) -> Bool {
    !needsList && wish.events(name, isSubscribed: true).contains(.subscriptions)
  }

  func messageEvents(_ name: String) -> NotifyWish.Events {
    let isSubscribed = knowsSubscription(name) && subscribed.contains(name)
    return wish.events(name, isSubscribed: isSubscribed).intersection([.messages, .flags])
  }

  func hearsNotes(_ name: String) -> Bool {
    if enabled.contains("METADATA") { return true }
    return name.isEmpty
      ? wish.tellsServerNotes : wish.events(name, isSubscribed: false).contains(.mailboxNotes)
  }

  /// Forgets what is not told any more.
  func restrict() {
    guard nextWish == nil else { return }
    for name in counters.keys {
      let events = messageEvents(name)
      if events.isEmpty {
        counters[name] = nil
      } else if !events.contains(.flags) {
        counters[name]?.unseen = nil
        counters[name]?.modSeq = nil
      }
    }
  }

  private func mayHear(_ events: NotifyWish.Events, of name: String) -> Bool {
    [wish, nextWish].contains { $0.map { !$0.events(name, isSubscribed: true).isDisjoint(with: events) } ?? false }
  }

  // MARK: Lines

  func hear(_ line: String) throws {
    let words = line.split(separator: " ", maxSplits: 2).map(String.init)
    guard words.first == "*", words.count >= 2 else { return }
    switch words[1] {
    case "LIST": return try hearList(line)
    case "STATUS": return try hearStatus(line)
    case "METADATA": return try hearNote(line)
    // From this line on, and not from the command on: what was sent before it may still be under way.
    case "ENABLED":
      enabled.formUnion(words.dropFirst(2).flatMap { $0.split(separator: " ").map(String.init) })
      return
    case "BYE": throw Wrong(description: line)
    case "VANISHED": return try hearVanished(numbers(words[2]), line)
    case "OK" where words.count > 2:
      if words[2].hasPrefix("[NOTIFICATIONOVERFLOW") { throw Wrong(description: "overflow") }
      if words[2].hasPrefix("[UIDNEXT ") { uidNext = UInt32(words[2].dropFirst(9).prefix { $0.isNumber }) ?? 0 }
      return
    default: break
    }
    guard words.count > 2, let number = Int(words[1]) else { return }
    if words[2] == "EXISTS" {
      guard number >= messages.count else { throw Wrong(description: "\(line), of \(messages.count)") }
      while messages.count < number { messages.append(Message()) }
    } else if words[2] == "EXPUNGE" {
      try checkExpunge(line)
      if !enabled.isDisjoint(with: ["QRESYNC", "UIDONLY"]) { throw Wrong(description: "\(line) for VANISHED") }
      guard (1...max(messages.count, 1)).contains(number), number <= messages.count else {
        throw Wrong(description: "\(line), of \(messages.count)")
      }
      messages.remove(at: number - 1)
    } else if words[2].hasPrefix("FETCH (") {
      if isUIDOnly { throw Wrong(description: "\(line) for UIDFETCH") }
      guard (1...max(messages.count, 1)).contains(number), number <= messages.count else {
        throw Wrong(description: "\(line), of \(messages.count)")
      }
      try hearFetch(number - 1, words[2].dropFirst(7).dropLast())
    } else if words[2].hasPrefix("UIDFETCH (") {
      guard isUIDOnly else { throw Wrong(description: "\(line) without UIDONLY") }
      try hearFetch(try place(of: UInt32(number), line), words[2].dropFirst(10).dropLast())
    }
  }

  /// RFC 5465 §6.1.2, RFC 9051 §7.5.1: not while a command names messages by number.
  private func checkExpunge(_ line: String) throws {
    guard wish.picture != .immediate, nextWish == nil else { return }
    let word = command.split(separator: " ").first ?? ""
    if ["FETCH", "STORE", "SEARCH"].contains(word) { throw Wrong(description: "\(line) in \(command)") }
  }

  private func hearVanished(_ uids: [UInt32], _ line: String) throws {
    try checkExpunge(line)
    if enabled.isDisjoint(with: ["QRESYNC", "UIDONLY"]) { throw Wrong(description: "\(line) for EXPUNGE") }
    for uid in uids {
      if let index = messages.firstIndex(where: { $0.uid == uid }) {
        messages.remove(at: index)
      } else if let index = unknownPlace(of: uid) {
        messages.remove(at: index)
      } else {
        throw Wrong(description: "\(line), which is not there")
      }
    }
  }

  /// A message that is not known by its UID yet, and may have this one.
  private func unknownPlace(of uid: UInt32) -> Int? {
    if isUIDOnly { return messages.lastIndex { $0.uid == nil } }
    let above = messages.firstIndex { $0.uid.map { $0 > uid } ?? false } ?? messages.count
    return messages[..<above].last.flatMap { $0.uid == nil ? above - 1 : nil }
  }

  /// With UIDONLY nothing has a place but by its UID.
  private func place(of uid: UInt32, _ line: String) throws -> Int {
    if let index = messages.firstIndex(where: { $0.uid == uid }) { return index }
    guard let unknown = unknownPlace(of: uid) else { throw Wrong(description: "\(line), which is not there") }
    messages.remove(at: unknown)
    let index = messages.firstIndex { ($0.uid ?? .max) > uid } ?? messages.count
    messages.insert(Message(uid: uid), at: index)
    return index
  }

  private func hearFetch(_ index: Int, _ text: Substring) throws {
    if let start = text.range(of: "UID ") {
      let uid = UInt32(text[start.upperBound...].prefix { $0.isNumber })
      if let known = messages[index].uid, known != uid {
        throw Wrong(description: "UID \(known) is said to be \(text)")
      }
      messages[index].uid = uid
    }
    if let start = text.range(of: "FLAGS (") { messages[index].flags = Self.flags(text[start.upperBound...]) }
    if let start = text.range(of: "MODSEQ (") {
      messages[index].modSeq = UInt64(text[start.upperBound...].prefix { $0.isNumber })
    } else if tellsModSeqs, !command.contains("FETCH ") {
      // RFC 7162 §3.1: all that is not asked for has it.
      throw Wrong(description: "\(text) has no MODSEQ")
    }
  }

  static func flags(_ text: Substring) -> Set<String> {
    Set(text.prefix { $0 != ")" }.split(separator: " ").map(String.init)).subtracting(["\\Recent"])
  }

  /// `* LIST (attributes) "/" name ("OLDNAME" (old))`; names of these tests are atoms.
  private func hearList(_ line: String) throws {
    guard let open = line.firstIndex(of: "("), let close = line.firstIndex(of: ")") else { return }
    let attributes = line[line.index(after: open)..<close].split(separator: " ")
    let rest = line[line.index(close, offsetBy: 6)...]
    let name = String(rest.prefix { $0 != " " })
    let old = rest.range(of: "(\"OLDNAME\" (").map { String(rest[$0.upperBound...].prefix { $0 != ")" }) }
    let isThere = !attributes.contains("\\NonExistent") && !attributes.contains("\\Noselect")
    if attributes.contains("\\Subscribed") { subscribed.insert(name) } else { subscribed.remove(name) }
    if command.hasPrefix("LIST") {
      if isThere { names.insert(name) }
      return
    }
    // IMAP4rev2 (RFC 9051 §6.3.2).
    if command == "SELECT \(name)" { return }
    defer { restrict() }
    let events: NotifyWish.Events = [.names, .subscriptions]
    guard mayHear(events, of: name) || old.map({ mayHear(events, of: $0) }) ?? false else {
      throw Wrong(description: "\(line), which nobody asked for")
    }
    if let old { move(old, to: name) }
    if !isThere {
      names.remove(name)
      counters[name] = nil
    } else if names.insert(name).inserted, old == nil, knowsName(name) {
      counters[name] = .new
    }
  }

  private func hearStatus(_ line: String) throws {
    let words = line.split { $0 == " " || $0 == "(" || $0 == ")" }.map(String.init)
    let name = words[2]
    guard mayHear(.messages, of: name) else { throw Wrong(description: "\(line), which nobody asked for") }
    var entry = counters[name] ?? Counters()
    let items = Dictionary(zip(words.dropFirst(3), words.dropFirst(4)).map { ($0, $1) }) { first, _ in first }
    if let validity = items["UIDVALIDITY"].flatMap({ UInt32($0) }) {
      // Another mailbox has this name.
      if let known = entry.validity, known != validity { entry = Counters() }
      entry.validity = validity
    }
    entry.messages = items["MESSAGES"].flatMap { Int($0) } ?? entry.messages
    entry.uidNext = items["UIDNEXT"].flatMap { UInt32($0) } ?? entry.uidNext
    entry.unseen = items["UNSEEN"].flatMap { Int($0) } ?? entry.unseen
    entry.modSeq = items["HIGHESTMODSEQ"].flatMap { UInt64($0) } ?? entry.modSeq
    counters[name] = entry
    restrict()
  }

  /// `* METADATA name /entry /entry`
  private func hearNote(_ line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    let name = words[2] == "\"\"" ? "" : words[2]
    let isWanted =
      enabled.contains("METADATA")
      || (name.isEmpty
        ? wish.tellsServerNotes || nextWish?.tellsServerNotes == true : mayHear(.mailboxNotes, of: name))
    guard isWanted else { throw Wrong(description: "\(line), which nobody asked for") }
    heardNotes[name, default: []].formUnion(words.dropFirst(3))
  }

  func move(_ old: String, to new: String) {
    func isBelow(_ name: String) -> Bool { name == old || name.hasPrefix(old + "/") }
    let isFollowed = !needsList && wish.followsTree(old) && !isUnsure(old)
    let moved = names.union(counters.keys).filter(isBelow).map { ($0, names.contains($0), counters[$0]) }
    let movedUnsure = unsure.filter(isBelow)
    for (name, _, _) in moved {
      names.remove(name)
      counters[name] = nil
    }
    unsure.subtract(movedUnsure)
    for (name, isThere, value) in moved {
      if isThere { names.insert(new + name.dropFirst(old.count)) }
      counters[new + name.dropFirst(old.count)] = value
    }
    unsure.formUnion(movedUnsure.map { new + $0.dropFirst(old.count) })
    if !isFollowed { unsure.insert(new) }
    if let name = selected, isBelow(name) { selected = new + name.dropFirst(old.count) }
  }
}
