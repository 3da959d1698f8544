import IMAPCore

/// One row for each capability; the greeting, CAPABILITY and the codes after login print nothing else.
///
/// A row is here only when all of its RFC works. AUTH=, STARTTLS, LOGINDISABLED, COMPRESS=DEFLATE, UNAUTHENTICATE and
/// QUOTASET depend on the connection or the account and are added by the session.
struct Capability: Sendable {
  enum Shown: Sendable { case always, beforeLogin, afterLogin }

  let name: String
  let rfc: String
  let shown: Shown

  static let table: [Capability] = [
    row("IMAP4rev1", "RFC 3501", .always),
    row("IMAP4rev2", "RFC 9051", .always),
    row("LITERAL+", "RFC 7888 §5", .always),
    row("SASL-IR", "RFC 4959", .always),
    row("ENABLE", "RFC 5161", .always),
    row("ID", "RFC 2971", .always),
    row("IDLE", "RFC 2177", .always),
    row("LANGUAGE", "RFC 5255 §3", .always),
    row("NAMESPACE", "RFC 2342", .afterLogin),
    row("UIDPLUS", "RFC 4315", .afterLogin),
    row("MOVE", "RFC 6851", .afterLogin),
    row("UNSELECT", "RFC 3691", .afterLogin),
    row("MULTIAPPEND", "RFC 3502", .afterLogin),
    row("CHILDREN", "RFC 3348", .afterLogin),
    row("ESEARCH", "RFC 4731", .afterLogin),
    row("SEARCHRES", "RFC 5182", .afterLogin),
    row("SORT", "RFC 5256", .afterLogin),
    row("SORT=DISPLAY", "RFC 5957", .afterLogin),
    row("ESORT", "RFC 5267 §3", .afterLogin),
    row("THREAD=ORDEREDSUBJECT", "RFC 5256", .afterLogin),
    row("THREAD=REFERENCES", "RFC 5256", .afterLogin),
    row("LIST-EXTENDED", "RFC 5258", .afterLogin),
    row("LIST-STATUS", "RFC 5819", .afterLogin),
    row("SPECIAL-USE", "RFC 6154 §2", .afterLogin),
    row("CREATE-SPECIAL-USE", "RFC 6154 §3", .afterLogin),
    row("STATUS=SIZE", "RFC 8438", .afterLogin),
    row("WITHIN", "RFC 5032", .afterLogin),
    row("PREVIEW", "RFC 8970", .afterLogin),
    row("NOTIFY", "RFC 5465", .afterLogin),
    row("ACL", "RFC 4314", .afterLogin),
    // RFC 4314 §2, §5.1.1: those that RFC 2086 did not have.
    row("RIGHTS=kxte", "RFC 4314 §5.1.1", .afterLogin),
    row("LIST-MYRIGHTS", "RFC 8440", .afterLogin),
    row("METADATA", "RFC 5464", .afterLogin),
    row("METADATA-SERVER", "RFC 5464", .afterLogin),
    row("LIST-METADATA", "RFC 9590", .afterLogin),
    row("FILTERS", "RFC 5466", .afterLogin),
    row("SEARCH=FUZZY", "RFC 6203", .afterLogin),
    row("MULTISEARCH", "RFC 7377", .afterLogin),
    row("CONTEXT=SEARCH", "RFC 5267 §4", .afterLogin),
    row("CONTEXT=SORT", "RFC 5267 §4", .afterLogin),
    row("CONDSTORE", "RFC 7162 §3.1", .afterLogin),
    row("QRESYNC", "RFC 7162 §3.2", .afterLogin),
    row("OBJECTID", "RFC 8474", .afterLogin),
    row("SAVEDATE", "RFC 8514", .afterLogin),
    row("PARTIAL", "RFC 9394", .afterLogin),
    row("UIDONLY", "RFC 9586", .afterLogin),
    row("BINARY", "RFC 3516", .afterLogin),
    row("REPLACE", "RFC 8508", .afterLogin),
    row("CATENATE", "RFC 4469", .afterLogin),
    row("URL-PARTIAL", "RFC 5550 §5.7.1", .afterLogin),
    row("URLAUTH", "RFC 4467", .afterLogin),
    row("UTF8=ACCEPT", "RFC 6855", .afterLogin),
    // RFC 5255 §4.3: whoever speaks level 2 holds level 1, and names 2 alone.
    row("I18NLEVEL=2", "RFC 5255 §4", .afterLogin),
    row("QUOTA", "RFC 9208", .afterLogin),
    row("QUOTA=RES-STORAGE", "RFC 9208 §5.1", .afterLogin),
    row("QUOTA=RES-MESSAGE", "RFC 9208 §5.2", .afterLogin),
    row("QUOTA=RES-MAILBOX", "RFC 9208 §5.3", .afterLogin),
    row("QUOTA=RES-ANNOTATION-STORAGE", "RFC 9208 §5.4", .afterLogin),
    row("INPROGRESS", "RFC 9585", .afterLogin),
  ]

  private static func row(_ name: String, _ rfc: String, _ shown: Shown) -> Capability {
    Capability(name: name, rfc: rfc, shown: shown)
  }

  /// What CAPABILITY prints now.
  static func list(
    loggedIn: Bool, _ settings: IMAPServerSettings, offersSTARTTLS: Bool, loginDisabled: Bool, mechanisms: [String],
    offersURLAuth: Bool = true, offersCompression: Bool = false, offersUnauthenticate: Bool = false,
    setsQuotas: Bool = false
  ) -> [String] {
    var words: [String] = []
    for capability in table {
      switch capability.shown {
      case .always: words.append(capability.name)
      case .beforeLogin where !loggedIn: words.append(capability.name)
      case .afterLogin where loggedIn && (offersURLAuth || capability.name != "URLAUTH"): words.append(capability.name)
      default: break
      }
    }
    if loggedIn {
      if offersCompression { words.append("COMPRESS=DEFLATE") }  // RFC 4978 §1
      if offersUnauthenticate { words.append("UNAUTHENTICATE") }  // RFC 8437 §3
      if setsQuotas { words.append("QUOTASET") }  // RFC 9208 §4.1.3
      words.append("APPENDLIMIT=\(settings.appendLimit)")  // RFC 7889 §2
      // RFC 9738 §3: one of the two.
      words.append(
        settings.messageLimit > 0
          ? "MESSAGELIMIT=\(settings.messageLimit)" : "SAVELIMIT=\(settings.wire.messagesPerAppend)")
    } else {
      if offersSTARTTLS { words.append("STARTTLS") }
      if loginDisabled { words.append("LOGINDISABLED") }  // RFC 9051 §6.2.3
      words += mechanisms.map { "AUTH=\($0)" }
    }
    return words
  }
}
