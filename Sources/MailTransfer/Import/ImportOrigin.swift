public import MailStore
public import NIOCore

/// A mailbox that mail is imported from.
public struct OriginMailbox: Sendable, Hashable {
  /// As the store will call it: UTF-8, levels parted by `/`.
  public var name: String
  /// As the origin calls it.
  public var path: [String]
  public var isSubscribed: Bool
  public var specialUse: SpecialUse?
  /// Where it is known without opening the mailbox.
  public var messages: Int?

  public init(
    name: String, path: [String], isSubscribed: Bool = false, specialUse: SpecialUse? = nil, messages: Int? = nil
  ) {
    self.name = name
    self.path = path
    self.isSubscribed = isSubscribed
    self.specialUse = specialUse
    self.messages = messages
  }
}

/// What an origin knows of a message without reading it.
public struct OriginMessage: Sendable, Hashable {
  /// Names the message to its origin: file name, place in a file, UID.
  public var key: String
  public var uid: UID?
  public var uidl: String?
  public var flags: SystemFlags
  public var keywords: [String]
  public var date: InternalDate?
  /// Octets with CRLF line ends, where they are known without reading.
  public var size: Int?

  public init(
    key: String, uid: UID? = nil, uidl: String? = nil, flags: SystemFlags = [], keywords: [String] = [],
    date: InternalDate? = nil, size: Int? = nil
  ) {
    self.key = key
    self.uid = uid
    self.uidl = uidl
    self.flags = flags
    self.keywords = keywords
    self.date = date
    self.size = size
  }
}

/// All messages of a mailbox.
public struct OriginListing: Sendable, Hashable {
  public var uidValidity: UInt32?
  public var uidNext: UID?
  /// Ascending by UID, those without one behind.
  public var messages: [OriginMessage]

  public init(uidValidity: UInt32? = nil, uidNext: UID? = nil, messages: [OriginMessage]) {
    self.uidValidity = uidValidity
    self.uidNext = uidNext
    self.messages = messages
  }
}

/// The bytes of a message, with whatever line ends.
public enum OriginBody {
  case whole(ByteBuffer)
  /// Too large to hold. Each call begins anew and gives what returns the next piece, nil at the end. Good only until the
  /// handler returns.
  case large(() async throws -> (() async throws -> ByteBuffer?))
  /// It was there when the mailbox was listed.
  case gone
  /// It cannot be read; a sentence.
  case unreadable(String)
}

/// Where mail is imported from. Used by one task.
public protocol ImportOrigin: AnyObject {
  /// For people: a folder, a file, a server.
  var name: String { get }
  func mailboxes() async throws -> [OriginMailbox]
  /// Subscribed names that are no mailbox are not among `mailboxes`.
  func list(_ mailbox: OriginMailbox) async throws -> OriginListing
  /// Calls `handle` for each of `messages`, in their order. Only for the mailbox that was listed last.
  func bodies(
    _ messages: [OriginMessage], of mailbox: OriginMailbox,
    _ handle: (Int, OriginBody) async throws -> Void
  ) async throws
}
