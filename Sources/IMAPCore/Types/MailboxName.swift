import Bytes

/// A mailbox name in UTF-8, whatever form it had on the wire.
public struct MailboxName: Hashable, Sendable, CustomStringConvertible {
  /// Levels parted by `/`. A first level that spells INBOX in any case is `INBOX` here.
  public let string: String

  /// RFC 9051 §5.1: INBOX is matched without case. So is the first level of `inbox/a`: as a parent, `inbox` could be
  /// created and never named again.
  public init(_ string: some StringProtocol) {
    self.string = Self.canonical(String(string))
  }

  public static let inbox = MailboxName("INBOX")
  public var isInbox: Bool { string == "INBOX" }
  public var description: String { string }

  static func canonical(_ string: String) -> String {
    let bytes = string.utf8
    guard bytes.count >= 5, bytes.count == 5 || bytes[bytes.index(bytes.startIndex, offsetBy: 5)] == UInt8(ascii: "/"),
      zip(bytes, "INBOX".utf8).allSatisfy({ $0.asciiUppercased == $1 })
    else { return string }
    return "INBOX" + string[bytes.index(bytes.startIndex, offsetBy: 5)...]
  }
}

/// How strings stand on the wire in this session.
public struct WireOptions: Hashable, Sendable {
  /// After ENABLE IMAP4rev2 or UTF8=ACCEPT: mailbox names and quoted strings are UTF-8 (RFC 9051 §5.1, RFC 6855 §3).
  /// Otherwise names are in modified UTF-7 and anything that is not ASCII goes in a literal.
  public var utf8: Bool
  @inlinable public init(utf8: Bool) { self.utf8 = utf8 }

  public static let rev1 = WireOptions(utf8: false)
  public static let rev2 = WireOptions(utf8: true)
}
