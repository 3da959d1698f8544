/// Why the header replica cannot give what was asked for; says what to do next. It never gives other bytes instead.
public enum ReplicaError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The folder has none, or one that an older version of this program wrote.
  case noReplica(path: String)
  /// The folder is kept by another mode of `pull imap`: no headers were kept.
  case noHeaders(path: String)
  case noSuchMailbox(String, known: [String])
  case noSuchMessage(mailbox: String, uid: UInt32)
  /// Not kept yet, and the server may not be asked. `what`: `part 2`.
  case notHere(mailbox: String, uid: UInt32, what: String, octets: Int64?)
  /// UIDVALIDITY is another one than at the last pull: the UIDs of the table mean nothing there.
  case renumbered(mailbox: String)
  case mailboxGone(mailbox: String, String)
  /// Expunged on the server since the last pull.
  case gone(mailbox: String, uid: UInt32, what: String)
  /// Under this UID the server has another message now, as after it was restored from a backup.
  case replaced(mailbox: String, uid: UInt32)
  /// The server has the message but not this part of it, though it said so once.
  case noSuchPart(mailbox: String, uid: UInt32, what: String)
  /// More octets than were asked for.
  case wrongAnswer(mailbox: String, uid: UInt32, what: String)
  /// A pull gave the message another UID, or removed it, between two steps.
  case changedMeanwhile(mailbox: String, uid: UInt32)

  public var description: String {
    switch self {
    case .noReplica(let path):
      "\(path): no headers are kept here; 'merpati pull imap URL --to maildir:\(path) --mode headers' brings them"
    case .noHeaders(let path):
      "\(path): kept by another mode of 'pull imap': the mail is in its files, which any Maildir reader shows; "
        + "headers alone are kept by --mode headers"
    case .noSuchMailbox(let name, let known):
      "\(name): no such mailbox here; there is \(known.isEmpty ? "none" : known.joined(separator: ", "))"
    case .noSuchMessage(let mailbox, let uid):
      "\(mailbox) has no message \(uid) here; 'merpati list' shows what there is, 'merpati pull imap' brings what is new"
    case .notHere(let mailbox, let uid, let what, let octets):
      "\(mailbox), UID \(uid): \(what) is not at home yet\(octets.map { " (\($0) octets)" } ?? ""); without --offline "
        + "it is fetched and kept"
    case .renumbered(let mailbox):
      "\(mailbox): the server has numbered its messages anew (UIDVALIDITY) since the last pull, so UIDs mean nothing "
        + "there; run 'merpati pull imap --mode headers' and list again"
    case .mailboxGone(let mailbox, let text): "\(mailbox): the server does not open it any more: \(text)"
    case .gone(let mailbox, let uid, let what):
      "\(mailbox), UID \(uid): deleted on the server before \(what) came home"
    case .replaced(let mailbox, let uid):
      "\(mailbox), UID \(uid): the server has another message under this number now; nothing was kept of it; run "
        + "'merpati pull imap --mode headers' and list again"
    case .noSuchPart(let mailbox, let uid, let what): "\(mailbox), UID \(uid): the server does not give \(what)"
    case .wrongAnswer(let mailbox, let uid, let what):
      "\(mailbox), UID \(uid): the server sent other octets of \(what) than were asked for; nothing was kept of them"
    case .changedMeanwhile(let mailbox, let uid):
      "\(mailbox), UID \(uid): changed by a pull that ran meanwhile; list again"
    }
  }
}
