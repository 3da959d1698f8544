/// `LIST` in its basic and its extended form (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154).
public struct ListCommand: Hashable, Sendable {
  public struct Selection: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let subscribed = Selection(rawValue: 1)
    public static let remote = Selection(rawValue: 2)
    /// Never without `subscribed` (RFC 9051 §6.3.9.1).
    public static let recursiveMatch = Selection(rawValue: 4)
    public static let specialUse = Selection(rawValue: 8)
  }

  public struct Return: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let subscribed = Return(rawValue: 1)
    public static let children = Return(rawValue: 2)
    public static let specialUse = Return(rawValue: 4)
    /// RFC 8440.
    public static let myRights = Return(rawValue: 8)
  }

  /// Nil: no selection options were given, not even `()`.
  public var selection: Selection?
  /// Decoded; usually empty.
  public var reference: String
  /// Decoded, with `*` and `%`. At least one. A single empty pattern asks for the separator and the root of `reference`
  /// (RFC 9051 §6.3.9).
  public var patterns: [String]
  /// Patterns stood in parentheses: an extended LIST even with no options (RFC 5258 §3).
  public var patternsAreListed: Bool
  /// Nil: no RETURN was given.
  public var returns: Return?
  /// Items of `RETURN (STATUS (...))`; empty: none (RFC 5819).
  public var statusItems: [StatusItem]
  /// Entries of `RETURN (METADATA (...))`; empty: none (RFC 9590).
  public var metadata: [GetMetadataCommand.Entry] = []

  public init(
    selection: Selection? = nil, reference: String = "", patterns: [String], patternsAreListed: Bool = false,
    returns: Return? = nil, statusItems: [StatusItem] = []
  ) {
    self.selection = selection
    self.reference = reference
    self.patterns = patterns
    self.patternsAreListed = patternsAreListed
    self.returns = returns
    self.statusItems = statusItems
  }

  /// The extended command: an empty pattern matches nothing there, and CHILDINFO may be given (RFC 5258 §3).
  public var isExtended: Bool { selection != nil || returns != nil || patternsAreListed }
}

/// The data of one LIST or LSUB line (RFC 9051 §7.3.1).
public struct ListResponse: Hashable, Sendable {
  public var attributes: MailboxAttributes
  /// Nil: NIL, a flat name.
  public var separator: UInt8?
  public var mailbox: MailboxName
  /// CHILDINFO: some child that was not listed itself is subscribed (RFC 9051 §6.3.9.6).
  public var hasSubscribedChild: Bool
  /// OLDNAME (RFC 9051 §6.3.9.7).
  public var oldName: MailboxName?
  public init(
    _ mailbox: MailboxName, attributes: MailboxAttributes, separator: UInt8? = UInt8(ascii: "/"),
    hasSubscribedChild: Bool = false, oldName: MailboxName? = nil
  ) {
    self.mailbox = mailbox
    self.attributes = attributes
    self.separator = separator
    self.hasSubscribedChild = hasSubscribedChild
    self.oldName = oldName
  }
}
