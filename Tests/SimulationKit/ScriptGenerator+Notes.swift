/// What is kept beside the mail: annotations, filters, access keys, bounds; and searches that are kept up to date.
extension ScriptGenerator {
  private static let entries = [
    "/private/comment", "/shared/comment", "/private/a", "/private/a/b", "/shared/vendor/x",
  ]

  mutating func beside(_ client: SimulationScript.Client) -> String {
    switch upTo(9) {
    case 0...3: annotation(client.account)
    case 4...7: accessKey(client.account)
    default: bounds(client.account)
    }
  }

  // MARK: METADATA (RFC 5464), filters (RFC 5466)

  private mutating func annotation(_ account: String) -> String {
    let place = chance(4) ? "\"\"" : name(account)
    switch upTo(11) {
    case 0...4: return "SETMETADATA \(place) (\(pick(Self.entries)) \(value()))"
    case 5: return "SETMETADATA \(place) (\(pick(Self.entries)) \(value()) \(pick(Self.entries)) NIL)"
    case 6, 7: return "GETMETADATA \(place) (\(pick(Self.entries)) \(pick(Self.entries)))"
    case 8: return "GETMETADATA (DEPTH \(pick(["1", "infinity"])) MAXSIZE 20) \(place) \(pick(["/private", "/shared"]))"
    case 9, 10:
      let filter = pick(["UNSEEN", "FILTER f2 SEEN", "NOT DELETED", "OR FLAGGED SUBJECT laporan", "FROM"])
      return "SETMETADATA \"\" (/private/filters/values/\(pick(["f1", "f2"])) \(chance(6) ? "NIL" : "\"\(filter)\""))"
    default: return "ENABLE METADATA"
    }
  }

  private mutating func value() -> String {
    switch upTo(9) {
    case 0: "NIL"
    case 1: "\"\(String(repeating: "panjang ", count: 20 + upTo(60)))\""
    default: "\"catatan \(upTo(999))\""
    }
  }

  // MARK: URLAUTH (RFC 4467)

  private mutating func accessKey(_ account: String) -> String {
    let mailbox = pick(["INBOX", "INBOX", "Sent", "Trash", "Work", "Lists/a/b"])
    switch upTo(11) {
    case 0...3:
      let user = (chance(9) ? pick(["ana", "budi", "nobody"]) : account).split(separator: "@").joined(separator: "%40")
      let validity = chance(4) ? ";UIDVALIDITY={validity \(mailbox)}" : ""
      let section = pick(["", "/;SECTION=TEXT", "/;SECTION=1", "/;SECTION=HEADER", "/;SECTION=9", "/;PARTIAL=5.60"])
      let until = chance(4) ? ";EXPIRE=2026-\(pick(["09-22", "10-15", "12-31"]))T00:00:00Z" : ""
      let access = pick(["user+budi", "user+ana", "authuser", "authuser", "submit+citra", "anonymous"])
      let message = "\(mailbox)\(validity)/;UID=\(1 + upTo(20))\(section)"
      return "GENURLAUTH \"imap://\(user)@mail.example.id/\(message)\(until);URLAUTH=\(access)\" INTERNAL"
    case 4...9: return "URLFETCH {url \(upTo(5))}\(chance(4) ? " {url \(upTo(9))}" : "")"
    case 10: return "RESETKEY \(mailbox)"
    default: return chance(3) ? "RESETKEY" : "RESETKEY \(mailbox) INTERNAL"
    }
  }

  // MARK: QUOTA (RFC 9208)

  private mutating func bounds(_ account: String) -> String {
    let root = pick(["\"\"", "ana", "budi", "citra@example.org", "nobody"])
    guard account == SimulationScript.quotaAdministrator || chance(5) else { return "GETQUOTA \(root)" }
    let limits = pick([
      "", "STORAGE 90", "STORAGE 150 MESSAGE 90", "MESSAGE 60 MAILBOX 14", "ANNOTATION-STORAGE 1", "STORAGE 120",
      "ANNOTATION-STORAGE 2 MAILBOX 20", "STORAGE 1 STORAGE 2", "COFFEE 3",
    ])
    return "SETQUOTA \(root) (\(limits))"
  }

  // MARK: CONTEXT (RFC 5267)

  /// Updates come when commands end. In IDLE they come when they are worked out, which no script says; so a session that
  /// has asked for them has no IDLE.
  mutating func context(_ client: SimulationScript.Client, _ uid: String, _ count: Int) -> String {
    updaters.insert(client.number)
    let wanted = pick(["UPDATE ALL", "UPDATE COUNT", "UPDATE PARTIAL 1:3", "UPDATE (UID FLAGS) ALL"])
    switch upTo(5) {
    case 0: return "CANCELUPDATE {context \(upTo(3))}"
    case 1:
      return
        "\(uid)SORT RETURN (\(wanted)) (\(pick(["SUBJECT", "REVERSE SIZE", "FROM ARRIVAL"]))) UTF-8 \(searchKey(count))"
    case 2: return "ESEARCH IN (\(pick(["selected", "personal"]))) RETURN (\(wanted)) \(searchKey(count))"
    default: return "\(uid)SEARCH RETURN (\(wanted)) \(searchKey(count))"
    }
  }

  private mutating func searchKey(_ count: Int) -> String {
    pick([
      "ALL", "UNSEEN", "DELETED", "NOT DELETED", "KEYWORD later", "OR SEEN FLAGGED", "SUBJECT laporan", "BODY merpati",
      "LARGER 500", "1:3 UNDELETED", "FILTER f1", "FUZZY SUBJECT lapor", "UIDAFTER \(count / 2 + 1)",
    ])
  }
}
