import MailStore

/// Bounds of the contract. Those of `MailStoreSQL` are the same; the conformance suite runs into each with both.
enum MemoryBounds {
  static let mailboxes = 10_000
  static let keywords = 64
  static let keywordBytes = 255
  static let mailboxNameBytes = 1000
  static let mailboxDepth = 32
  static let accountNameBytes = 255
  static let grants = 1_000
  static let traceBytes = 64 << 10
  /// Message identifiers that are looked up for a thread.
  static let threadReferences = 24
  static let importedUIDValidity = UInt32.max - (1 << 24)
}

/// The rules for names.
enum MemoryNames {
  static func lowercased(_ name: String) -> String {
    String(decoding: name.utf8.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }, as: UTF8.self)
  }

  /// INBOX is one name in any case, alone and as the first level (RFC 9051 §5.1); one trailing `/` is dropped.
  static func canonical(_ name: String) -> String {
    var levels = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    if levels.count > 1, levels.last == "", name.utf8.count > 1 { levels.removeLast() }
    if lowercased(levels[0]) == "inbox" { levels[0] = "INBOX" }
    return levels.joined(separator: "/")
  }

  static func check(_ name: String) throws(StoreError) {
    func refuse(_ reason: String) -> StoreError { .invalidMailboxName(name, reason: reason) }
    if name.isEmpty { throw refuse("it is empty") }
    if name.utf8.count > MemoryBounds.mailboxNameBytes {
      throw refuse("it is longer than \(MemoryBounds.mailboxNameBytes) octets")
    }
    let levels = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if levels.first?.isEmpty == true || levels.last?.isEmpty == true {
      throw refuse("it begins or ends with the hierarchy separator")
    }
    if levels.contains(where: \.isEmpty) { throw refuse("a level is empty") }
    if levels.count > MemoryBounds.mailboxDepth {
      throw refuse("it has more than \(MemoryBounds.mailboxDepth) levels")
    }
    for scalar in name.unicodeScalars {
      switch scalar.value {
      case 0..<0x20, 0x7F...0x9F, 0x2028, 0x2029: throw refuse("it holds a control character")
      case 0xFFFD: throw refuse("it is not valid UTF-8")
      default: break
      }
    }
  }

  /// `a` and `a/b` for `a/b/c`.
  static func parents(_ name: String) -> [String] {
    let levels = name.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
    return (1..<max(levels.count, 1)).map { levels[..<$0].joined(separator: "/") }
  }

  static func isChild(_ name: String, of parent: String) -> Bool { name.utf8.starts(with: (parent + "/").utf8) }

  /// INBOX first, then by octets.
  static func precedes(_ left: String, _ right: String) -> Bool {
    if left == "INBOX" || right == "INBOX" { return left == "INBOX" && right != "INBOX" }
    return left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  /// `name` is in lower case.
  static func checkAccount(_ name: String) throws(StoreError) {
    func refuse(_ reason: String) -> StoreError { .invalidAccountName(name, reason: reason) }
    if name.isEmpty { throw refuse("it is empty") }
    if name.utf8.count > MemoryBounds.accountNameBytes {
      throw refuse("it is longer than \(MemoryBounds.accountNameBytes) octets")
    }
    let parts = name.split(separator: "@", omittingEmptySubsequences: false)
    if parts.count > 2 || parts.contains("") { throw refuse("it is neither `user` nor `user@domain`") }
    for scalar in name.unicodeScalars {
      let value = scalar.value
      if value <= 0x20 || (0x7F...0xA0).contains(value) || value == 0xFFFD {
        throw refuse("it holds a blank or a control character")
      }
      if "+/\\\"<>()[],;:*%".unicodeScalars.contains(scalar) { throw refuse("it holds `\(Character(scalar))`") }
    }
  }
}
