/// Every bound of this room, with what the client hears beyond it.
///
/// Octets are octets on the wire. All of them may be lowered; raising them costs memory per connection.
public struct IMAPLimits: Hashable, Sendable {
  /// Octets of a command outside its literals, before login. Beyond: `BAD`, the line is thrown away up to its end.
  public var lineBeforeLogin = 8192
  /// The same after login; UID sets and searches are long. Beyond: `BAD`.
  public var line = 65_536
  /// Sum of the literals of one command (messages of APPEND apart), before login. Beyond: `BAD`, the literal is not
  /// asked for.
  public var literalsBeforeLogin: Int64 = 8192
  /// The same after login. Beyond: `BAD`.
  public var literals: Int64 = 262_144
  /// Literals in one command (messages of APPEND apart). Beyond: `BAD`.
  public var literalsPerCommand = 1000
  /// Messages in one APPEND (RFC 3502). Beyond: `NO [MESSAGELIMIT]` (RFC 9738 §3.1).
  public var messagesPerAppend = 1000
  /// Parts of one catenated message (RFC 4469). Beyond: `NO [LIMIT]`.
  public var catenatedParts = 1000
  /// Octets of an IMAP URL (RFC 5092). Beyond: `BAD [TOOBIG]`.
  public var url = 4096
  /// URLs of one GENURLAUTH or URLFETCH (RFC 4467). Beyond: `BAD [LIMIT]`.
  public var urls = 100
  /// Octets of a refused non-synchronizing literal that are read and thrown away to stay in step (RFC 7888 §4). Beyond:
  /// `BYE [TOOBIG]` and the connection is closed.
  public var swallowedLiteral: Int64 = 16_777_216
  /// Largest non-synchronizing literal; 4096 when LITERAL- is announced (RFC 7888 §5), nil for LITERAL+. Beyond: `BAD
  /// [TOOBIG]`.
  public var nonSynchronizingLiteral: Int64?
  /// Depth of parentheses outside SEARCH. Beyond: `BAD`.
  public var nesting = 50
  /// Depth of SEARCH keys: parentheses, NOT and OR. Beyond: `BAD`.
  public var searchNesting = 100
  /// Numbers and ranges in one set. Beyond: `BAD`.
  public var setElements = 10_000
  /// Items of one FETCH, field names of one section, keys of one SEARCH, flags of one list. Beyond: `BAD`.
  public var listElements = 2000
  /// Part numbers in a section. Beyond: `BAD`.
  public var partDepth = 100
  /// Octets of a tag. Beyond: `BAD`, untagged.
  public var tag = 256
  /// Octets of a mailbox name, decoded. Beyond: `NO [CANNOT]`.
  public var mailboxName = 1000
  /// Octets of an identifier of an access control list. Beyond: `BAD`.
  public var accessIdentifier = 512
  /// Octets of the name of a METADATA entry. Beyond: `BAD`.
  public var metadataEntry = 255
  /// Octets of a keyword. Beyond: `BAD`.
  public var keyword = 255
  /// Octets of an AUTHENTICATE answer line. Beyond: `BAD`, the line is thrown away.
  public var saslLine = 65_536
  /// Field–value pairs of ID (RFC 2971 §3.3). Beyond: `BAD`.
  public var idPairs = 30
  /// Octets of a field name of ID. Beyond: `BAD`.
  public var idField = 30
  /// Octets of a value of ID. Beyond: `BAD`.
  public var idValue = 1024

  public init() {}
  public static let standard = IMAPLimits()
}
