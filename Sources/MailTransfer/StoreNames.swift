import MailStore

/// Names of mailboxes elsewhere as the store has them, and back.
enum StoreNames {
  /// Levels parted by `/`. What a store's name cannot hold (a `/` in a level, a level without a name, control
  /// characters) becomes `_`.
  static func name(_ path: [String]) -> String {
    path.map { level in
      let text = level.unicodeScalars.map { scalar -> Character in
        let value = scalar.value
        let isAllowed =
          scalar != "/" && value >= 0x20 && !(0x7F...0x9F).contains(value) && value != 0x2028 && value != 0x2029
          && value != 0xFFFD
        return isAllowed ? Character(scalar) : "_"
      }
      return text.isEmpty ? "_" : String(text)
    }.joined(separator: "/")
  }

  static func path(_ name: String) -> [String] {
    name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
  }

  /// Names that mail programs give to mailboxes with a use, for sources that do not say it (RFC 6154 §2). The store gives
  /// the use only if no other mailbox has it that was ever used.
  static func specialUse(_ name: String) -> SpecialUse? {
    switch name.lowercased() {
    case "sent", "sent items", "sent messages", "sent mail", "inbox/sent": .sent
    case "drafts", "inbox/drafts": .drafts
    case "trash", "deleted items", "deleted messages", "inbox/trash": .trash
    case "junk", "spam", "junk e-mail", "junk mail", "inbox/junk", "inbox/spam": .junk
    case "archive", "archives", "inbox/archive": .archive
    default: nil
    }
  }
}
