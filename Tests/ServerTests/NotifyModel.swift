import Foundation
import MailStore
import MailTestKit

@testable import IMAPServer

/// What a client knows that asked NOTIFY for everything, and believes nothing but what it is sent and what it does itself.
final class NotifyModel {
  struct Wrong: Error, CustomStringConvertible { var description: String }

  struct Counters: Hashable {
    var messages = 0
    var uidNext: UInt32 = 1
    var unseen = 0
  }

  struct Message: Hashable {
    /// Nil: not heard yet.
    var uid: UInt32?
    var flags: Set<String> = []
  }

  var names: Set<String> = []
  var subscribed: Set<String> = []
  var counters: [String: Counters] = [:]
  var selected: String?
  /// What a SELECT under way will select.
  var next: String?
  var messages: [Message] = []
  /// UIDNEXT of the selected mailbox as far as it is known.
  var uidNext: UInt32 = 1

  // MARK: Lines

  func hear(_ line: String) throws {
    let words = line.split(separator: " ", maxSplits: 2).map(String.init)
    guard words.first == "*", words.count >= 2 else { return }
    if words[1] == "LIST" { return try hearList(line) }
    if words[1] == "STATUS" { return try hearStatus(line) }
    if words[1] == "OK", words.count > 2, words[2].hasPrefix("[NOTIFICATIONOVERFLOW") {
      throw Wrong(description: "overflow")
    }
    if words[1] == "OK", words.count > 2, words[2].hasPrefix("[UIDNEXT ") {
      uidNext = UInt32(words[2].dropFirst(9).prefix { $0.isNumber }) ?? 0
    }
    if words[1] == "BYE" { throw Wrong(description: line) }
    guard words.count > 2, let number = Int(words[1]) else { return }
    if words[2] == "EXISTS" {
      guard number >= messages.count else { throw Wrong(description: "\(line), of \(messages.count)") }
      while messages.count < number { messages.append(Message()) }
    } else if words[2] == "EXPUNGE" {
      guard (1...messages.count).contains(number) else { throw Wrong(description: "\(line), of \(messages.count)") }
      messages.remove(at: number - 1)
    } else if words[2].hasPrefix("FETCH (") {
      guard (1...max(messages.count, 1)).contains(number), number <= messages.count else {
        throw Wrong(description: "\(line), of \(messages.count)")
      }
      try hearFetch(number - 1, words[2].dropFirst(7).dropLast())
    }
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
    if let start = rest.range(of: "(\"OLDNAME\" (") {
      let old = String(rest[start.upperBound...].prefix { $0 != ")" })
      move(old, to: name)
    }
    if attributes.contains("\\NonExistent") {
      names.remove(name)
      counters[name] = nil
    } else if names.insert(name).inserted || counters[name] == nil {
      counters[name] = Counters()
    }
    if attributes.contains("\\Subscribed") { subscribed.insert(name) } else { subscribed.remove(name) }
  }

  private func hearStatus(_ line: String) throws {
    let words = line.split { $0 == " " || $0 == "(" || $0 == ")" }.map(String.init)
    let name = words[2]
    var entry = counters[name] ?? Counters()
    for (item, value) in zip(words.dropFirst(3), words.dropFirst(4)) {
      switch item {
      case "MESSAGES": entry.messages = Int(value) ?? -1
      case "UIDNEXT": entry.uidNext = UInt32(value) ?? 0
      case "UNSEEN": entry.unseen = Int(value) ?? -1
      default: break
      }
    }
    counters[name] = entry
  }

  private func move(_ old: String, to new: String) {
    let moved = names.filter { $0 == old || $0.hasPrefix(old + "/") }.sorted()
    let values = moved.map { counters[$0] ?? Counters() }
    for name in moved {
      names.remove(name)
      counters[name] = nil
    }
    for (name, value) in zip(moved, values) {
      names.insert(new + name.dropFirst(old.count))
      counters[new + name.dropFirst(old.count)] = value
    }
    if let name = selected, name == old || name.hasPrefix(old + "/") { selected = new + name.dropFirst(old.count) }
  }

  // MARK: What it does itself

  func didCreate(_ name: String) {
    for made in [name] + ListPlan.parents(of: name) where names.insert(made).inserted || made == name {
      counters[made] = Counters()
    }
  }

  func didDelete(_ name: String) {
    names.remove(name)
    counters[name] = nil
  }

  func didRename(_ old: String, to new: String) {
    if old == "INBOX" {
      didCreate(new)
    } else {
      move(old, to: new)
      for parent in ListPlan.parents(of: new) where names.insert(parent).inserted { counters[parent] = Counters() }
    }
  }

  /// `[APPENDUID v set]`, `[COPYUID v set set]`.
  func didPut(into name: String, _ answer: String) {
    guard let open = answer.firstIndex(of: "["), let close = answer.firstIndex(of: "]") else { return }
    let words = answer[open...].prefix(upTo: close).split(separator: " ")
    guard words.count >= 3 else { return }
    let assigned = numbers(words[words.count - 1])
    guard name != selected else { return }
    counters[name, default: Counters()].messages += assigned.count
    if counters[name]?.uidNext == assigned.first { counters[name]?.uidNext = (assigned.last ?? 0) + 1 }
  }

  func select(_ name: String) {
    selected = name
    messages = []
  }

  func left() {
    guard let selected else { return }
    defer {
      if let next { select(next) }
      next = nil
    }
    counters[selected] = Counters(
      messages: messages.count, uidNext: max(uidNext, (messages.compactMap(\.uid).max() ?? 0) + 1),
      unseen: messages.count { !$0.flags.contains("\\Seen") })
    self.selected = nil
    messages = []
  }
}
