import IMAPCore

@testable import IMAPServer

/// Results of searches as a client has them that believes nothing but ADDTO, REMOVEFROM and what is expunged.
final class ContextModel {
  struct Wrong: Error, CustomStringConvertible { var description: String }

  struct Results {
    var search: ContextSearch
    /// Nil: only part of them was asked for, and the number of all.
    var list: ResultList?
    var count = 0
  }

  /// What one answer says that is no update.
  struct Answer {
    var all: [UInt32] = []
    /// In the order asked for; nil: none was asked for.
    var part: [UInt32]?
    var min: UInt32?
    var max: UInt32?
    var count = 0
  }

  var results: [String: Results] = [:]
  /// Updates may still come until the command that has cancelled them is done.
  var cancelled: Set<String> = []
  /// By number, and which numbers these are is not known any more: to be cancelled.
  var abandoned: Set<String> = []
  var selected = ""
  /// What a SELECT under way will select.
  var next = ""
  /// Nil: not known.
  private(set) var uids: [UInt32?] = []
  var enabled: Set<String> = []
  private(set) var last = Answer()

  var messages: Int { uids.count }
  var isUIDOnly: Bool { enabled.contains("UIDONLY") }
  var tellsVanished: Bool { !enabled.isDisjoint(with: ["QRESYNC", "UIDONLY"]) }
  var firstUnknown: UInt32? {
    uids.firstIndex(of: nil).map { (uids[..<$0].compactMap { $0 }.last ?? 0) + 1 }
  }

  func ask() { last = Answer() }

  func left() {
    uids = []
    selected = next
    cancelled.formUnion(results.keys)
    cancelled.formUnion(abandoned)
    results = [:]
    abandoned = []
  }

  func hear(_ line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    guard words.first == "*", words.count > 2 else { return }
    switch words[1] {
    case "ESEARCH": return try hearResults(line)
    case "VANISHED":
      guard tellsVanished else { throw Wrong(description: line) }
      for uid in numbers(words[2]) { try vanish(uid, line) }
      return
    // From this line on, and not from the command on: what was sent before it may still be under way.
    case "ENABLED": return enabled.formUnion(words[2...])
    case "BYE": throw Wrong(description: line)
    default: break
    }
    if line.contains("[NOTIFICATIONOVERFLOW") { throw Wrong(description: line) }
    if words[2] == "[NOUPDATE" {
      let tag = words[3].filter { $0 != "\"" && $0 != "]" }
      // Numbers are not told with UIDONLY (RFC 9586 §3).
      guard isUIDOnly, results[tag].map({ !$0.search.isUID }) ?? abandoned.contains(tag) else {
        throw Wrong(description: line)
      }
      results[tag] = nil
      abandoned.remove(tag)
    }
    guard let number = Int(words[1]) else { return }
    switch words[2] {
    case "EXISTS": while uids.count < number { uids.append(nil) }
    case "EXPUNGE":
      guard !tellsVanished, number <= uids.count else { throw Wrong(description: "\(line), of \(uids.count)") }
      uids.remove(at: number - 1)
      try renumber(UInt32(number))
    case "FETCH" where line.contains("(UID "):
      let uid = UInt32(words[4].prefix { $0.isNumber })
      guard number <= uids.count, uids[number - 1] == nil || uids[number - 1] == uid else {
        throw Wrong(description: "\(line), of \(uids.map { $0.map(String.init) ?? "-" })")
      }
      uids[number - 1] = uid
    default: break
    }
  }

  private func vanish(_ uid: UInt32, _ line: String) throws {
    if isUIDOnly {
      guard !uids.isEmpty else { throw Wrong(description: line) }
      uids.removeLast()
      return
    }
    if let index = uids.firstIndex(of: uid) {
      uids.remove(at: index)
      return try renumber(UInt32(index + 1))
    }
    let above = uids.firstIndex { $0.map { $0 > uid } ?? false } ?? uids.count
    let below = (uids[..<above].lastIndex { $0 != nil } ?? -1) + 1
    guard below < above else { throw Wrong(description: "\(line), which is not there") }
    if above - below > 1 {
      // One of several that have come and gone unseen.
      for (tag, result) in results where !result.search.isUID {
        results[tag] = nil
        abandoned.insert(tag)
      }
    }
    uids.remove(at: below)
    try renumber(UInt32(below + 1))
  }

  private func renumber(_ gone: UInt32) throws {
    for (tag, result) in results where !result.search.isUID {
      guard let list = result.list else { continue }
      guard !list.numbers.contains(gone) else {
        throw Wrong(description: "\(gone) is expunged before it was taken from \(tag)")
      }
      results[tag]?.list?.numbers = list.numbers.map { $0 > gone ? $0 - 1 : $0 }
    }
  }

  /// `* ESEARCH (TAG "t" MAILBOX m UIDVALIDITY v) [UID] [ALL set] [COUNT n] [PARTIAL (r s)] [REMOVEFROM (p s ...)] [ADDTO (p s ...)]`
  private func hearResults(_ line: String) throws {
    guard let open = line.firstIndex(of: "("), let close = line.firstIndex(of: ")") else { return }
    let about = line[line.index(after: open)..<close].split(separator: " ").map(String.init)
    let tag = about[1].filter { $0 != "\"" }
    let words = line[line.index(after: close)...].split(separator: " ").map(String.init)
    // ESEARCH of all mailboxes: only the selected one is kept up to date.
    if let place = about.firstIndex(of: "MAILBOX"), about[place + 1] != selected {
      guard !words.contains("ADDTO"), !words.contains("REMOVEFROM") else { throw Wrong(description: line) }
      return
    }
    if results[tag].map({ $0.search.isUID != (words.first == "UID") }) == true { throw Wrong(description: line) }
    var index = 0
    while index < words.count {
      let value = index + 1 < words.count ? words[index + 1] : ""
      switch words[index] {
      case "ALL": last.all = numbers(value)
      case "COUNT": last.count = Int(value) ?? -1
      case "MIN": last.min = UInt32(value)
      case "MAX": last.max = UInt32(value)
      case "PARTIAL":
        let part = words[index + 2].filter { $0 != ")" }
        last.part = part == "NIL" ? [] : numbers(part)
        index += 1
      case "REMOVEFROM", "ADDTO":
        let end = words[(index + 1)...].firstIndex { $0.hasSuffix(")") } ?? words.count - 1
        try change(tag, words[index] == "ADDTO", words[(index + 1)...end], line)
        index = end - 1
      default: index -= 1
      }
      index += 2
    }
    guard let asked = results[tag], !line.contains("ADDTO"), !line.contains("REMOVEFROM") else { return }
    results[tag]?.count = asked.list == nil ? last.count : last.all.count
    if asked.list != nil { results[tag]?.list?.numbers = last.all }
  }

  private func change(_ tag: String, _ isAddition: Bool, _ words: ArraySlice<String>, _ line: String) throws {
    if cancelled.contains(tag) || abandoned.contains(tag) { return }
    guard let result = results[tag] else { throw Wrong(description: "\(line): nobody asked for it") }
    let plain = words.map { $0.filter { $0 != "(" && $0 != ")" } }
    var changes: [ContextChange] = []
    for pair in stride(from: 0, to: plain.count - 1, by: 2) {
      changes.append(ContextChange(Int(plain[pair]) ?? -1, numbers(plain[pair + 1])))
    }
    if result.search.isSorted, changes.contains(where: { $0.position == 0 }) {
      throw Wrong(description: "\(line): no place in what is sorted")
    }
    let changed = changes.flatMap(\.numbers)
    results[tag]?.count += isAddition ? changed.count : -changed.count
    guard let list = result.list else { return }
    if isAddition {
      guard Set(changed).isDisjoint(with: list.numbers) else {
        throw Wrong(description: "\(line): it is there already")
      }
      try results[tag]?.list?.add(changes)
    } else {
      try results[tag]?.list?.remove(changes)
    }
  }
}

/// A search whose results are kept up to date; what it asks for is put in where the `%` stands.
struct ContextSearch: Hashable, CustomStringConvertible {
  var words: String
  var isUID: Bool { !words.hasPrefix("SEARCH") && !words.hasPrefix("SORT") }
  var isSorted: Bool { words.contains("SORT") }
  var description: String { words }
  func command(_ wanted: String) -> String { words.replacing("%", with: wanted) }

  static let all = [
    "UID SEARCH RETURN (%) UNFLAGGED", "SEARCH RETURN (%) OR SEEN SUBJECT a", "SEARCH RETURN (%) TEXT bb",
    "UID SORT RETURN (%) (SUBJECT) UTF-8 NOT DELETED", "SORT RETURN (%) (REVERSE SUBJECT SIZE) UTF-8 KEYWORD kerja",
    "UID SORT RETURN (%) (SIZE) UTF-8 ALL", "SEARCH RETURN (%) NOT KEYWORD kerja LARGER 30",
    "UID SORT RETURN (%) (REVERSE ARRIVAL) UTF-8 SEEN", "SORT RETURN (%) (FROM REVERSE DATE) UTF-8 UNSEEN",
    "UID SEARCH RETURN (%) UIDAFTER 5 UNSEEN", "UID SEARCH RETURN (%) UID 3:20 NOT SEEN",
    "UID SEARCH RETURN (%) MODSEQ 40", "SEARCH RETURN (%) MODSEQ 25 NOT DELETED",
    "UID SEARCH RETURN (%) FUZZY SUBJECT ab",
    "ESEARCH IN (selected) RETURN (%) FLAGGED", "ESEARCH IN (personal) RETURN (%) UNDELETED",
    "ESEARCH RETURN (%) TEXT a",
    "ESEARCH IN (mailboxes (INBOX Work Sent)) RETURN (%) OR SMALLER 30 SEEN",
  ].map { ContextSearch(words: $0) }
}
