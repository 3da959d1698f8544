public import LocalMail

/// What the journal knows of one message: where it stands on its way home and off the server.
public struct JournalEntry: Sendable, Hashable {
  /// In this order: `live` are those before `gone`.
  public enum State: Int64, Sendable, Hashable {
    /// About to be landed; written before the target is touched.
    case intended = 0
    /// The run was cut short while the target took it, and the target can't tell whether it did.
    case doubtful = 1
    /// At home: durable, and verified where the target can be read again.
    case landed = 2
    /// At home, and DELE was about to be sent.
    case deleteAsked = 3
    /// At home, and no longer on the server.
    case gone = 4
  }

  public var id: Int64
  /// Nil: the server has no UIDL.
  public var uidl: String?
  /// As LIST says.
  public var octets: Int64
  public var fingerprint: Fingerprint
  /// Over header and first lines (`MessageProbe`); nil where the policy never needs it.
  public var topHash: [UInt8]?
  public var messageID: String?
  public var state: State
  /// The target's: a file's base name, a place in an mbox, a server's reply.
  public var receipt: String
  /// Seconds since 1970.
  public var firstSeen: Int64
  public var landedAt: Int64?
  /// The UIDL was bound to this message by its first lines alone: enough not to fetch it again, not enough for DELE.
  public var isBoundByTop: Bool
  /// Nil: the account's IMAP side was not asked.
  public var unread: Unread?

  /// Whether anybody had looked at a message before this program fetched it, as the account's IMAP side told.
  public enum Unread: Int64, Sendable, Hashable {
    /// Nobody had. What the IMAP side calls it since may be the doing of RETR: some servers mark as read what POP3 fetches.
    case beforeFetch = 1
    /// Nobody had, and after a session that fetched it was still called unread: this server leaves the mark to readers.
    case told = 2
  }
}

/// The part of an entry that every run needs, of every message still on the server.
public struct JournalLine: Sendable, Hashable {
  public var id: Int64
  public var uidl: String?
  public var octets: Int64
  public var state: JournalEntry.State
  public var landedAt: Int64?
  public var isBoundByTop: Bool
}

/// What is written of a message before the target is touched.
public struct JournalIntent: Sendable, Hashable {
  public var uidl: String?
  public var octets: Int64
  public var fingerprint: Fingerprint
  public var topHash: [UInt8]?
  public var messageID: String?
  public var receipt: String
  public var unread: JournalEntry.Unread?
}

/// One change of an entry.
public enum JournalChange: Sendable, Hashable {
  case landed(Int64, receipt: String)
  case doubtful(Int64)
  /// It did not land: as if never seen.
  case forget(Int64)
  /// It is the message that the server now lists like this.
  case bind(Int64, uidl: String?, octets: Int64, byTop: Bool)
  case deleteAsked(Int64)
  /// A message that is to stay while others are deleted: if it is listed again, UIDLs can be believed, and those that are
  /// missing are gone. Nil: none stays.
  case witness(JournalWitness?)
  /// It is on the server, and nothing is asked.
  case present(Int64)
  case gone(Int64)
  case unread(Int64, JournalEntry.Unread)
}

/// A message as the server listed it.
public struct JournalWitness: Sendable, Hashable {
  public var uidl: String
  public var octets: Int64
}
