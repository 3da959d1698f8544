import MailStore

/// Printed forms of numbers that clients see and keep.
enum PrintedID {
  /// Unique in the account and never given to another message: the epoch is the account's, the number counts instances
  /// (RFC 1939 §7: 1 to 70 characters 0x21–0x7E).
  static func uidl(epoch: Int64, instance: Int64) -> String {
    "\(String(epoch, radix: 36)).\(String(instance, radix: 36))"
  }

  /// The instance that a UIDL of this epoch stands for; nil for every other text.
  static func instance(_ uidl: String, epoch: Int64) -> Int64? {
    let parts = uidl.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let instance = Int64(parts[1], radix: 36),
      Self.uidl(epoch: epoch, instance: instance) == uidl
    else { return nil }
    return instance
  }

  /// RFC 8474 §5.1: the same for all copies, since it names the content.
  static func email(account: Int64, content: Int64) -> String {
    "M\(String(account, radix: 36))-\(String(content, radix: 36))"
  }

  /// RFC 8474 §5.2.
  static func thread(account: Int64, thread: Int64) -> String {
    "T\(String(account, radix: 36))-\(String(thread, radix: 36))"
  }
}

/// The key of a row of `content`: account and content number in one integer, so that the table is a rowid table in
/// account order.
struct ContentKey {
  static let contentBits: Int64 = 36
  static func base(_ account: Int64) -> Int64 { account << contentBits }
  static func key(_ account: Int64, _ content: Int64) -> Int64 { base(account) + content }
  static func account(_ key: Int64) -> Int64 { key >> contentBits }
  static func content(_ key: Int64) -> Int64 { key & ((1 << contentBits) - 1) }
}
