import IMAPCore
import LocalMail

/// A message as the state knows it: the last view of the server, its local file, and what both sides agreed on.
struct KnownMessage: Sendable {
  /// Row of the state; 0 before it is stored.
  var id: Int64 = 0
  var uid: UInt32
  /// Local base name; nil: not here (yet).
  var base: String?
  /// False: journalled before the file got its name; after a crash it may be there or not.
  var isLanded = true
  /// The server said that it vanished; the local side has not followed yet.
  var isGone = false
  /// The UID lost its meaning with UIDVALIDITY: says nothing about a deletion. Never stored.
  var isVoid = false
  /// Flags on the server when its view was saved.
  var remote: SyncFlags
  /// The common ancestor; nil: paired without one.
  var agreed: SyncFlags?
  /// Keywords that one side cannot keep: left out of every comparison.
  var withheld: Set<KeywordName> = []
  var modSeq: UInt64 = 0
  /// RFC822.SIZE.
  var size: Int64
  /// INTERNALDATE.
  var date: IMAPDateTime?
  var messageID: String?
  var emailID: String?
  var fingerprint: Fingerprint?

  init(uid: UInt32, remote: SyncFlags, size: Int64) {
    self.uid = uid
    self.remote = remote
    self.size = size
  }

  init(_ message: RemoteMessage) {
    self.init(uid: message.uid, remote: message.flags ?? SyncFlags(), size: message.size ?? 0)
    modSeq = message.modSeq ?? 0
    date = message.date
    messageID = message.messageID
    emailID = message.emailID
  }

  /// On the server, not here.
  var isUnpaired: Bool { base == nil && !isGone }

  var contentKey: ContentKey? { messageID.map { ContentKey(size: size, messageID: $0, seconds: date?.seconds) } }
}

/// What tells messages apart without their bytes.
struct ContentKey: Sendable, Hashable {
  /// Octets with CRLF line ends.
  var size: Int64
  var messageID: String
  var seconds: Int64?

  var withoutDate: ContentKey { ContentKey(size: size, messageID: messageID, seconds: nil) }
}
