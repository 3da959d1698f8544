import MailStore

/// How far a mailbox's numbers had come, as somebody remembers who is not in the database.
struct UIDCeiling {
  /// No UID from here on was ever given out.
  var uidNext: UID
  /// No MODSEQ above this was ever given out in the account.
  var modSeq: ModSeq
}

/// The one place where a repair asks for numbers that clients may know though the rows do not.
///
/// Without an answer a mailbox whose UIDNEXT cannot be trusted gets a new UIDVALIDITY: clients load it anew, and none is
/// told a lie.
struct UIDCeilings {
  /// Nil: nobody remembers.
  var consult: (_ mailbox: MailboxRef, _ uidValidity: UInt32) -> UIDCeiling? = { _, _ in nil }
}
