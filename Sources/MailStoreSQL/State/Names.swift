import Bytes
import MailStore

/// The rules for names of mailboxes and accounts.
enum Names {
  static let inbox = "INBOX"

  /// The name as it is looked up: INBOX spelt so, alone or as the first level (RFC 9051 §5.1), and one trailing `/` of
  /// CREATE ignored (RFC 9051 §6.3.4).
  static func canonical(_ name: String) -> String {
    var name = name
    if name.utf8.count > 1, name.utf8.last == UInt8(ascii: "/") { name.removeLast() }
    guard name.utf8.count >= 5 else { return name }
    let head = name.utf8.prefix(5)
    guard head.elementsEqual(inbox.utf8, by: { $0.asciiUppercased == $1 }) else { return name }
    let rest = name.utf8.dropFirst(5)
    guard rest.isEmpty || rest.first == UInt8(ascii: "/") else { return name }
    return rest.isEmpty ? inbox : inbox + String(Substring(rest))
  }

  /// Refuses names that no client could show or that other programs stumble over. `name` is canonical.
  static func checkMailbox(_ name: String) throws(StoreError) {
    func refuse(_ reason: String) -> StoreError { .invalidMailboxName(name, reason: reason) }
    guard !name.isEmpty else { throw refuse("it is empty") }
    guard name.utf8.count <= StoreLimits.mailboxNameBytes else {
      throw refuse("it is longer than \(StoreLimits.mailboxNameBytes) octets")
    }
    guard name.utf8.first != UInt8(ascii: "/"), name.utf8.last != UInt8(ascii: "/") else {
      throw refuse("it begins or ends with the hierarchy separator")
    }
    var depth = 1
    var previous: UInt8 = 0
    for byte in name.utf8 {
      if byte == UInt8(ascii: "/") {
        guard previous != byte else { throw refuse("a level is empty") }
        depth += 1
      }
      previous = byte
    }
    guard depth <= StoreLimits.mailboxDepth else { throw refuse("it has more than \(StoreLimits.mailboxDepth) levels") }
    for scalar in name.unicodeScalars {
      // RFC 9051 §5.1: control characters, and the line and paragraph separators, are not for mailbox names. U+FFFD
      // stands where the client's bytes were not UTF-8.
      let value = scalar.value
      if value < 0x20 || (0x7F...0x9F).contains(value) || value == 0x2028 || value == 0x2029 {
        throw refuse("it holds a control character")
      }
      if value == 0xFFFD { throw refuse("it is not valid UTF-8") }
    }
  }

  /// `a`, `a/b` and `a/b/c` for `a/b/c`.
  static func lineage(_ name: String) -> [String] {
    var result: [String] = []
    var end = name.utf8.startIndex
    while let slash = name.utf8[end...].firstIndex(of: UInt8(ascii: "/")) {
      result.append(String(name[..<slash]))
      end = name.utf8.index(after: slash)
    }
    result.append(name)
    return result
  }

  static func isChild(_ name: String, of parent: String) -> Bool {
    name.utf8.count > parent.utf8.count + 1 && name.utf8.starts(with: parent.utf8)
      && name.utf8.dropFirst(parent.utf8.count).first == UInt8(ascii: "/")
  }

  /// INBOX first, then by octets.
  static func precedes(_ left: String, _ right: String) -> Bool {
    if left == inbox { return right != inbox }
    if right == inbox { return false }
    return left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  // MARK: Accounts

  /// ASCII letters in lower case.
  static func account(_ name: String) -> String {
    String(decoding: name.utf8.map(\.asciiLowercased), as: UTF8.self)
  }

  /// `name` is in lower case.
  static func checkAccount(_ name: String) throws(StoreError) {
    func refuse(_ reason: String) -> StoreError { .invalidAccountName(name, reason: reason) }
    guard !name.isEmpty else { throw refuse("it is empty") }
    guard name.utf8.count <= StoreLimits.accountNameBytes else {
      throw refuse("it is longer than \(StoreLimits.accountNameBytes) octets")
    }
    let parts = name.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else {
      throw refuse("it is neither `user` nor `user@domain`")
    }
    for scalar in name.unicodeScalars {
      let value = scalar.value
      if value <= 0x20 || (0x7F...0xA0).contains(value) || value == 0xFFFD {
        throw refuse("it holds a blank or a control character")
      }
    }
    // `+` parts the folder of an address from its account, `/` would look like a path, the others need quoting in
    // addresses.
    if let byte = name.utf8.first(where: { "+/\\\"<>()[],;:*%".utf8.contains($0) }) {
      throw refuse("it holds `\(Character(UnicodeScalar(byte)))`")
    }
  }
}
