/// Flags in a Maildir file name, and keywords by their letters (`a` to `z`, named in `dovecot-keywords`).
public struct MaildirFlags: Sendable, Hashable {
  /// Letters of the standard: D draft, F flagged, P passed, R replied, S seen, T trashed.
  public var draft = false
  public var flagged = false
  public var passed = false
  public var replied = false
  public var seen = false
  public var trashed = false
  /// Names.
  public var keywords: [String] = []
  public init() {}
}

/// One message file of a Maildir folder.
public struct MaildirEntry: Sendable, Hashable {
  /// What stands before `:2,`; unique in the folder, kept through changes of flags.
  public var base: String
  /// Whole file name, as it is now.
  public var fileName: String
  /// In `new` (never looked at) rather than `cur`.
  public var isNew: Bool
  public var flags: MaildirFlags
  /// `S=` of the name, or from stat: octets of the file.
  public var size: Int64
  /// Modification time, seconds since 1970: INTERNALDATE.
  public var date: Int64
  public init(base: String, fileName: String, isNew: Bool, flags: MaildirFlags, size: Int64, date: Int64) {
    self.base = base
    self.fileName = fileName
    self.isNew = isNew
    self.flags = flags
    self.size = size
    self.date = date
  }
}
