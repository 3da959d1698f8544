import Bytes

/// What Courier keeps: `courierimapuiddb` for IMAP's UIDs, `courierpop3dsizelist` for POP3's UIDLs.
extension MaildirFolder {
  /// `1 uidvalidity uidnext`, then `uid file name` a line. Nil if there is none.
  public func courierUIDList() throws(LocalMailError) -> UIDList? {
    let path = directory + "/courierimapuiddb"
    var list: UIDList?
    var number = 0
    let isThere = try disk.forEachLine(of: path) { line throws(LocalMailError) in
      number += 1
      guard list != nil else {
        let words = line.split(separator: " ")
        guard words.count == 3, words[0] == "1", let validity = UInt32(words[1]), validity > 0,
          let next = UInt32(words[2])
        else {
          throw LocalMailError(.malformed("the first line is not `1 uidvalidity uidnext`"), path: path)
        }
        list = UIDList(uidValidity: validity, uidNext: next)
        return
      }
      guard let record = UIDList.Record(plain: line) else {
        throw LocalMailError(.malformed("line \(number) is not `uid file name`"), path: path)
      }
      list?.records.append(record)
    }
    guard isThere else { return nil }
    list?.settle()
    return list
  }

  /// UIDLs by base, as Courier's POP3 server gave them out; empty if it never did.
  ///
  /// Versions 2 and 3 begin with `/version next uidvalidity` and have `file name, octets, number:uidvalidity` a line
  /// (version 3 one more `:`); the UIDL is then `UIDnumber-uidvalidity`, or `UIDnumber` where the latter is 0. Number 0
  /// means that the file name is the UIDL. Before, lines were `file name octets` and file names were the UIDLs.
  public func courierUIDLs() throws(LocalMailError) -> [String: String] {
    var result: [String: String] = [:]
    var number = 0
    _ = try disk.forEachLine(of: directory + "/courierpop3dsizelist") { line in
      number += 1
      if number == 1, line.utf8.first == .slash { return }
      let words = line.split(separator: " ")
      // A line that makes no sense belongs to a message whose UIDL is not known; the others are.
      guard words.count >= 2 else { return }
      let base = String(MaildirName(String(words[0])).base)
      let numbers = words.count > 2 ? words[2].split(separator: ":").map { UInt64($0) } : []
      switch (numbers.first, numbers.dropFirst().first) {
      case (let uid??, let validity??) where uid > 0:
        result[base] = validity > 0 ? "UID\(uid)-\(validity)" : "UID\(uid)"
      case (nil, _), (0??, _): result[base] = Self.fileNameUIDL(base)
      default: break
      }
    }
    return result
  }

  /// Octets that no UIDL may hold, and three that Courier does not like, as `+` and two digits.
  private static func fileNameUIDL(_ base: String) -> String {
    var result: [UInt8] = []
    let digits = Array("0123456789ABCDEF".utf8)
    for byte in base.utf8 {
      let isPlain = byte > 0x20 && byte < 0x7F && byte != 0x27 && byte != .quote && byte != 0x2B
      if isPlain { result.append(byte) } else { result += [0x2B, digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
