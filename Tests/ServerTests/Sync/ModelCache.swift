import Foundation
import MailStore

/// What a client keeps of a mailbox between two connections.
struct ModelCache: Sendable, Equatable {
  struct Message: Sendable, Equatable {
    /// Without `\Recent`.
    var flags: Set<String> = []
    var modSeq: UInt64?
    var emailID: String?
  }

  var validity: UInt32 = 0
  /// As RFC 7162 §6 has a client reckon it.
  var highest: UInt64 = 0
  var messages: [UInt32: Message] = [:]
  /// Up to here the client knows every UID.
  var lastSeen: UInt32 = 0

  var uids: [UInt32] { messages.keys.sorted() }
}

/// The server's words, taken apart by other means than its own.
enum ServerWords {
  /// `1:3,7`.
  static func set(_ text: some StringProtocol) -> [UInt32] {
    text.split(separator: ",").flatMap { part -> [UInt32] in
      let ends = part.split(separator: ":").compactMap { UInt32($0) }
      guard let first = ends.first, let last = ends.last, first <= last else { return [] }
      return Array(first...last)
    }
  }

  static func set(_ uids: [UInt32]) -> String { uids.map { "\($0)" }.joined(separator: ",") }

  /// `(NAME value NAME (value))` as pairs; values keep their parentheses.
  static func items(_ text: some StringProtocol) -> [String: String] {
    var items: [String: String] = [:]
    var rest = text.dropFirst()[...]
    while !rest.isEmpty, rest.first != ")" {
      let name = rest.prefix { $0 != " " }
      rest = rest.dropFirst(name.count + 1)
      var depth = 0
      var length = 0
      for character in rest {
        if character == "(" { depth += 1 }
        if depth == 0, character == " " || character == ")" { break }
        length += 1
        if character == ")" { depth -= 1 }
        if depth == 0, character == ")" { break }
      }
      items[String(name)] = String(rest.prefix(length))
      rest = rest.dropFirst(length)
      if rest.first == " " { rest = rest.dropFirst() }
    }
    return items
  }

  static func words(inParentheses text: String) -> [String] {
    text.dropFirst().dropLast().split(separator: " ").map(String.init)
  }

  /// The argument of a response code in a line, `[HIGHESTMODSEQ 12]` for instance.
  static func code(_ name: String, in line: String) -> String? {
    guard let start = line.range(of: "[\(name) ")?.upperBound, let end = line[start...].firstIndex(of: "]") else {
      return nil
    }
    return String(line[start..<end])
  }
}

extension MailboxSnapshot {
  /// What a client should have.
  var truth: [UInt32: ModelCache.Message] {
    var result: [UInt32: ModelCache.Message] = [:]
    let names: [(SystemFlags, String)] = [
      (.seen, "\\Seen"), (.answered, "\\Answered"), (.flagged, "\\Flagged"), (.deleted, "\\Deleted"),
      (.draft, "\\Draft"),
    ]
    forEach(in: 0..<count) { _, entry in
      var flags = Set(names.filter { entry.flags.contains($0.0) }.map(\.1))
      for bit in keywords.indices where entry.keywords & (1 << UInt64(bit)) != 0 { flags.insert(keywords[bit]) }
      result[entry.uid] = .init(flags: flags, modSeq: entry.modSeq)
    }
    return result
  }
}
