import Bytes

/// `dovecot-uidlist`. Version 3: a header `3 V<uidvalidity> N<uidnext> G<guid>`, then a line for each message
/// `uid [key value without a space between]… :file name`; versions 1 and 2 have `1 uidvalidity uidnext` and `uid file name`.
extension MaildirFolder {
  private var uidListPath: String { directory + "/dovecot-uidlist" }

  /// Nil if there is none. A later line for the same UID or file replaces an earlier one, as Dovecot appends to the file.
  public func dovecotUIDList() throws(LocalMailError) -> UIDList? {
    var list: UIDList?
    var isKeyed = false
    var number = 0
    var problem: Int?
    let path = uidListPath
    let isThere = try disk.forEachLine(of: path) { line throws(LocalMailError) in
      number += 1
      guard list != nil else {
        (list, isKeyed) = try Self.header(line, path)
        return
      }
      if let record = isKeyed ? UIDList.Record(dovecot: line) : UIDList.Record(plain: line) {
        list?.records.append(record)
      } else if problem == nil {
        problem = number
      }
    }
    guard isThere, var list else { return nil }
    // Dovecot appends to the file: the last line may have been cut off by a crash.
    if let problem, problem < number {
      throw LocalMailError(.malformed("line \(problem) is not `uid … :file name`"), path: path)
    }
    list.settle()
    return list
  }

  private static func header(_ line: String, _ path: String) throws(LocalMailError) -> (UIDList, Bool) {
    let words = line.split(separator: " ")
    switch words.first {
    case "3":
      var list = UIDList(uidValidity: 0)
      for word in words.dropFirst() {
        switch word.utf8.first {
        case UInt8(ascii: "V"): list.uidValidity = UInt32(word.dropFirst()) ?? 0
        case UInt8(ascii: "N"): list.uidNext = UInt32(word.dropFirst())
        case UInt8(ascii: "G"): list.guid = String(word.dropFirst())
        default: break
        }
      }
      // RFC 9051 §2.3.1.1: UIDVALIDITY is never 0.
      if list.uidValidity > 0 { return (list, true) }
    case "1", "2":
      if words.count >= 3, let validity = UInt32(words[1]), validity > 0, let next = UInt32(words[2]) {
        return (UIDList(uidValidity: validity, uidNext: next), false)
      }
    default: break
    }
    throw LocalMailError(.malformed("the first line is not that of a list of UIDs (version 1, 2 or 3)"), path: path)
  }

  /// Writes version 3 in the place of what is there, under Dovecot's lock. Records are sorted; UIDs and bases must each
  /// stand for one message.
  public func writeDovecotUIDList(_ list: UIDList) throws(LocalMailError) {
    let records = list.records.sorted { $0.uid < $1.uid }
    let highest = records.last?.uid ?? 0
    let next = max(list.uidNext ?? 1, highest == .max ? .max : highest + 1)
    guard list.uidValidity > 0, records.first?.uid != 0,
      zip(records, records.dropFirst()).allSatisfy({ $0.uid < $1.uid }),
      Set(records.map(\.base)).count == records.count
    else {
      throw LocalMailError(
        .malformed("UIDVALIDITY or a UID is 0, or two messages share a UID or a file; nothing was written"),
        path: uidListPath)
    }
    // 16 octets, as Dovecot makes them; a mailbox without one gets a new one.
    let guid = list.guid ?? Self.newGUID()
    var text = "3 V\(list.uidValidity) N\(next) G\(guid)\n"
    for record in records { text += try record.dovecotLine(uidListPath) }
    let lock = try DotLock.acquire(directory + "/" + KeywordNames.lockName, disk: disk)
    defer { lock.release() }
    try disk.replace(uidListPath, with: Array(text.utf8))
  }

  private static func newGUID() -> String {
    var text = ""
    for _ in 0..<16 {
      let byte = UInt8.random(in: .min ... .max)
      text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }
    return text
  }
}

extension UIDList {
  /// Ascending, each UID and each file once: the last word counts.
  mutating func settle() {
    var byUID: [UInt32: Record] = [:]
    for record in records { byUID[record.uid] = record }
    var byBase: [String: Record] = [:]
    for record in byUID.values where (byBase[record.base]?.uid ?? 0) < record.uid { byBase[record.base] = record }
    records = byBase.values.sorted { $0.uid < $1.uid }
  }
}

extension UIDList.Record {
  /// `uid Pvalue Gvalue :file name`
  init?(dovecot line: String) {
    guard let colon = line.utf8.firstIndex(of: .colon) else { return nil }
    // A value may hold colons, and the name begins at the first one behind a space.
    var nameStart = colon
    while nameStart == line.utf8.startIndex || line.utf8[line.utf8.index(before: nameStart)] != .space {
      guard let next = line.utf8[line.utf8.index(after: nameStart)...].firstIndex(of: .colon) else { return nil }
      nameStart = next
    }
    let words = line[..<nameStart].split(separator: " ")
    guard let uid = words.first.flatMap({ UInt32($0) }), uid > 0 else { return nil }
    let base = MaildirName(String(line[line.utf8.index(after: nameStart)...])).base
    guard !base.isEmpty else { return nil }
    self.init(uid: uid, base: String(base))
    for word in words.dropFirst() {
      let value = word.dropFirst()
      switch word.utf8.first {
      case UInt8(ascii: "P"): uidl = String(value)
      case UInt8(ascii: "G"): guid = String(value)
      case UInt8(ascii: "O"): pop3Order = UInt32(value)
      case UInt8(ascii: "S"): size = Int64(value)
      case UInt8(ascii: "W"): wireSize = Int64(value)
      default: break
      }
    }
  }

  /// `uid file name`
  init?(plain line: String) {
    let words = line.split(separator: " ", maxSplits: 1)
    guard words.count == 2, let uid = UInt32(words[0]), uid > 0 else { return nil }
    self.init(uid: uid, base: String(MaildirName(String(words[1])).base))
  }

  fileprivate func dovecotLine(_ path: String) throws(LocalMailError) -> String {
    var line = "\(uid)"
    for (key, value) in [("P", uidl), ("G", guid), ("O", pop3Order.map(String.init))] {
      guard let value else { continue }
      guard !value.isEmpty, value.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
        throw LocalMailError(.malformed("the UIDL or GUID of UID \(uid) holds blanks; nothing was written"), path: path)
      }
      line += " \(key)\(value)"
    }
    if let size { line += " S\(size)" }
    if let wireSize { line += " W\(wireSize)" }
    guard !base.isEmpty, !base.utf8.contains(.lf) else {
      throw LocalMailError(.malformed("the file of UID \(uid) has no name for a line; nothing was written"), path: path)
    }
    return "\(line) :\(base)\n"
  }
}
