import LocalMail
import MailStore

/// The keyword that Maildir has a letter for (P, passed), and its name in the IMAP keyword registry (RFC 5788).
let forwardedKeyword = "$Forwarded"

extension MaildirFlags {
  var system: SystemFlags {
    var flags: SystemFlags = []
    if draft { flags.insert(.draft) }
    if flagged { flags.insert(.flagged) }
    if replied { flags.insert(.answered) }
    if seen { flags.insert(.seen) }
    if trashed { flags.insert(.deleted) }
    return flags
  }

  var storeKeywords: [String] {
    guard passed, !keywords.contains(where: { $0.lowercased() == forwardedKeyword.lowercased() }) else {
      return keywords
    }
    return keywords + [forwardedKeyword]
  }

  init(_ flags: SystemFlags, keywords: [String]) {
    self.init()
    draft = flags.contains(.draft)
    flagged = flags.contains(.flagged)
    replied = flags.contains(.answered)
    seen = flags.contains(.seen)
    trashed = flags.contains(.deleted)
    // Both: other programs look at the letter, Dovecot only at the keyword.
    passed = keywords.contains { $0.lowercased() == forwardedKeyword.lowercased() }
    self.keywords = keywords
  }
}
