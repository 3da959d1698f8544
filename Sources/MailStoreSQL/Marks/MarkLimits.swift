import MailStore

/// How far ahead marks are kept, and what a restore without them leaps over.
enum MarkLimits {
  /// Transactions of an account between two writes of its mark.
  static let modSeqs: ModSeq = 10_000
  /// Messages of a mailbox between two writes of its mark; so many UIDs a restore may skip.
  static let uids: UID = 1024
  /// Deliveries and copies of an account between two writes of its mark.
  static let contents: Int64 = 4096
  /// Mailboxes made in an account between two writes of its mark.
  static let mailboxes: Int64 = 16
  /// UIDVALIDITY follows the clock: seconds between two mailboxes that need no write.
  static let uidValidities: UInt32 = 3600
  /// UIDs that share the note that one of them is gone.
  static let blockBits: UID = 10

  /// Without marks: more UIDVALIDITYs than an account is given ahead of the clock.
  static let uidValidityLeap: UInt32 = 1 << 14
  /// The same, where the backup's folder cannot be written to and so does not know of earlier restores: one of these.
  static let uidValidityScatter: UInt32 = 1 << 22
  /// UIDVALIDITYs further ahead of the clock than this came by an import, and count for their account alone.
  static let uidValidityHorizon: Int64 = 1 << 26
  /// Packs that a store cannot have made since any backup.
  static let packLeap: Int64 = 1 << 20
}
