import MailStore

/// Identifiers of RFC 8474 that a mailbox has; those of messages come from the store (`MessageRow`).
enum ObjectIdentifiers {
  /// MAILBOXID: survives RENAME, and ends with the UIDVALIDITY, as §4 demands of mailboxes that begin anew (after a restore
  /// without marks). The letter keeps it apart from EMAILID and THREADID (§8.1).
  static func mailbox(_ info: MailboxInfo, of account: AccountID) -> String {
    "F\(account)-\(info.id)-\(info.uidValidity)"
  }
}
