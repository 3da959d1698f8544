/// Rights of an access control list (RFC 4314 §2.1), one bit each, in the order in which they are written.
public struct AccessRights: OptionSet, Hashable, Sendable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let lookup = AccessRights(rawValue: 1 << 0)
  public static let read = AccessRights(rawValue: 1 << 1)
  public static let seen = AccessRights(rawValue: 1 << 2)
  public static let write = AccessRights(rawValue: 1 << 3)
  public static let insert = AccessRights(rawValue: 1 << 4)
  public static let post = AccessRights(rawValue: 1 << 5)
  public static let create = AccessRights(rawValue: 1 << 6)
  public static let deleteMailbox = AccessRights(rawValue: 1 << 7)
  public static let deleteMessages = AccessRights(rawValue: 1 << 8)
  public static let expunge = AccessRights(rawValue: 1 << 9)
  public static let administer = AccessRights(rawValue: 1 << 10)
  public static let all = AccessRights(rawValue: (1 << 11) - 1)

  private static let letters = Array("lrswipkxtea".utf8)
  /// RFC 4314 §2.1.1: what the letters of RFC 2086 stand for.
  static let oldCreate: AccessRights = [.create, .deleteMailbox]
  static let oldDelete: AccessRights = [.deleteMessages, .expunge]

  /// Nil: not a right (RFC 4314 §3.1: never passed over).
  public init?(letter: UInt8) {
    switch letter {
    case UInt8(ascii: "c"): self = Self.oldCreate
    case UInt8(ascii: "d"): self = Self.oldDelete
    default:
      guard let bit = Self.letters.firstIndex(of: letter) else { return nil }
      self.init(rawValue: 1 << UInt16(bit))
    }
  }

  /// Nil: some letter is no right.
  public init?(letters: String) {
    self = []
    for letter in letters.utf8 {
      guard let right = AccessRights(letter: letter) else { return nil }
      formUnion(right)
    }
  }

  /// Without the letters of RFC 2086.
  public var plain: String {
    String(decoding: Self.letters.enumerated().filter { rawValue & (1 << UInt16($0.0)) != 0 }.map(\.1), as: UTF8.self)
  }

  /// As ACL, MYRIGHTS and LISTRIGHTS show them. RFC 4314 §2.1.1: `c` and `d` MUST be there with any of their members.
  public var shown: String {
    plain + (isDisjoint(with: Self.oldCreate) ? "" : "c") + (isDisjoint(with: Self.oldDelete) ? "" : "d")
  }
}
