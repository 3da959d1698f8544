import Bytes

/// The attributes of a LIST or LSUB line (RFC 9051 §7.3.1, RFC 6154, RFC 8457), without allocation.
public struct MailboxAttributes: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let nonExistent = MailboxAttributes(rawValue: 1 << 0)
  public static let noSelect = MailboxAttributes(rawValue: 1 << 1)
  public static let marked = MailboxAttributes(rawValue: 1 << 2)
  public static let unmarked = MailboxAttributes(rawValue: 1 << 3)
  public static let noInferiors = MailboxAttributes(rawValue: 1 << 4)
  public static let hasChildren = MailboxAttributes(rawValue: 1 << 5)
  public static let hasNoChildren = MailboxAttributes(rawValue: 1 << 6)
  public static let subscribed = MailboxAttributes(rawValue: 1 << 7)
  public static let remote = MailboxAttributes(rawValue: 1 << 8)
  /// A right is missing for what NOTIFY was to tell of it (RFC 5465 §3).
  public static let noAccess = MailboxAttributes(rawValue: 1 << 9)

  public static let all = MailboxAttributes(rawValue: 1 << 16)
  public static let archive = MailboxAttributes(rawValue: 1 << 17)
  public static let drafts = MailboxAttributes(rawValue: 1 << 18)
  public static let flagged = MailboxAttributes(rawValue: 1 << 19)
  public static let important = MailboxAttributes(rawValue: 1 << 20)
  public static let junk = MailboxAttributes(rawValue: 1 << 21)
  public static let sent = MailboxAttributes(rawValue: 1 << 22)
  public static let trash = MailboxAttributes(rawValue: 1 << 23)

  /// The special uses among them.
  public static let specialUses = MailboxAttributes(rawValue: 0xFF_0000)

  /// Every attribute with its spelling, in printing order.
  public static let spellings: [(attribute: MailboxAttributes, name: StaticString)] = [
    (.nonExistent, "\\NonExistent"), (.noSelect, "\\Noselect"), (.noAccess, "\\NoAccess"),
    (.marked, "\\Marked"), (.unmarked, "\\Unmarked"), (.noInferiors, "\\Noinferiors"),
    (.hasChildren, "\\HasChildren"), (.hasNoChildren, "\\HasNoChildren"),
    (.subscribed, "\\Subscribed"), (.remote, "\\Remote"), (.all, "\\All"), (.archive, "\\Archive"),
    (.drafts, "\\Drafts"), (.flagged, "\\Flagged"), (.important, "\\Important"), (.junk, "\\Junk"),
    (.sent, "\\Sent"), (.trash, "\\Trash"),
  ]

  /// The attribute spelt `name` (with the backslash, in any case), or nil.
  public init?(name: some StringProtocol) {
    let match = Self.spellings.first { entry in
      entry.name.withUTF8Buffer { spelling in
        spelling.count == name.utf8.count
          && zip(spelling, name.utf8).allSatisfy { $0.asciiUppercased == $1.asciiUppercased }
      }
    }
    guard let match else { return nil }
    self = match.attribute
  }

  /// The spelling of a single attribute, `\Sent` for instance; nil for none or several.
  public var name: String? {
    Self.spellings.first { $0.attribute == self }.map { "\($0.name)" }
  }
}
