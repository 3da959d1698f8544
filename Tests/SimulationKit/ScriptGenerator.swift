import MailTestKit

/// Makes a script from a seed. It keeps a rough idea of what each session has open, so that most commands mean something;
/// whether they do is not for it to know.
public struct ScriptGenerator {
  private struct Guess {
    var selected: String?
    var isIdle = false
    var isLoggedIn = false
    /// Messages of the maildrop.
    var drop = 0
  }

  private var random: SeededRandom
  private(set) var script: SimulationScript
  private var guesses: [Int: Guess] = [:]
  /// How many messages ever came into a mailbox, by account and name.
  private var arrivals: [String: Int] = [:]
  /// Mailboxes that should be there, by account.
  private var mailboxes: [String: Set<String>] = [:]
  /// Sessions that have asked for updates of results.
  var updaters: Set<Int> = []

  private init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    script = SimulationScript(seed: seed)
  }

  /// `sessions` at least 1; every fourth is POP3, every eighth LMTP.
  public static func script(seed: UInt64, sessions: Int, steps: Int) -> SimulationScript {
    var generator = ScriptGenerator(seed: seed)
    generator.setUp(sessions: max(sessions, 1))
    while generator.script.steps.count < steps { generator.step() }
    return generator.script
  }

  private mutating func setUp(sessions: Int) {
    script.retention = chance(4) ? 1 : 0
    script.smallSlices = chance(2)
    script.forgetsViews = chance(2)
    script.isShared = chance(4)
    script.owners = [
      .init(name: "ana", octets: chance(2) ? 120_000 : nil, messages: pick([12, 70]), expireDays: pick([-1, 0, 2])),
      .init(name: "budi", octets: 60_000, messages: nil, expireDays: pick([-1, -1, 3])),
      .init(name: "citra@example.org", expireDays: -1),
    ]
    for number in 1...sessions {
      let speech: SimulationScript.Speech =
        switch number % 8 {
        case 4: .pop3
        case 7: .pop3
        case 0: .lmtp
        case 2, 6: .imap2
        default: .imap
        }
      // Most sessions share the first account: that is where they meet.
      // Of two POP3 sessions on one account one would always be turned away.
      let owner = speech == .pop3 ? (number % 8 == 4 ? 0 : pick([0, 1])) : pick([0, 0, 0, 1, 2])
      script.clients.append(
        .init(number: number, speech: speech, account: speech == .lmtp ? "" : script.owners[owner].name))
    }
    if sessions >= 2 {
      for index in script.clients.indices.prefix(2) { script.clients[index].account = "ana" }
    }
    for owner in script.owners { mailboxes[owner.name] = ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"] }
    for client in script.clients.prefix(2) {
      for name in ["Lists/a/b", "Work", "Entw&APw-rfe"] where mailboxes[client.account]?.contains(name) == false {
        say(client, create(name, client.account))
      }
    }
    guard script.isShared else { return }
    for client in script.clients where client.speech == .imap || client.speech == .imap2 {
      for _ in 0..<3 { say(client, setACL(client.account)) }
    }
  }

  // MARK: Chance

  mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &random) == 0 }
  mutating func upTo(_ most: Int) -> Int { Int.random(in: 0...max(most, 0), using: &random) }
  mutating func pick<Value>(_ list: [Value]) -> Value { list[Int.random(in: list.indices, using: &random)] }

  // MARK: Steps

  private mutating func step() {
    switch upTo(1199) {
    case 0: reopen()
    case 1...4: script.steps.append(.compact)
    case 5...14: script.steps.append(.clock(pick([1, 60, 3600, 86_400, 200_000])))
    case 15...17: script.steps.append(.expire)
    case 18...19: script.steps.append(.compare)
    case 20...24:
      let client = pick(script.clients)
      // What a cut POP3 session has to note yet would race with what comes next.
      guard client.speech == .imap || client.speech == .imap2 else { return }
      script.steps.append(.drop(client.number))
      guesses[client.number] = nil
    case 25...28:
      script.steps.append(
        .quota(
          pick(["ana", "budi"]), octets: pick([nil, nil, 20_000, 90_000]), messages: pick([nil, 20, 100]),
          mailboxes: pick([nil, nil, 8])))
    case 29...36: bring()
    default:
      let client = pick(script.clients)
      switch client.speech {
      case .imap where chance(70), .imap2 where chance(70): tidy(client)
      case .lmtp where chance(2): return
      case .imap, .imap2: say(client, imap(client))
      case .pop3: say(client, pop3(client))
      case .lmtp: say(client, lmtp())
      }
    }
  }

  private mutating func bring() {
    let owner = pick(["ana", "ana", "budi"])
    let mailbox = chance(2) ? name(owner) : pick(["Old", "Old/2019", "Lists"])
    let count = arrivals["\(owner) \(mailbox.lowercased())"] ?? 0
    // Above all values that the stores give out by themselves, or a new mailbox of one could meet an old one of the other.
    let validity: UInt32? = chance(2) ? 3_000_000_000 + UInt32(upTo(5)) : nil
    let uid: UInt32? = chance(2) ? UInt32(count + upTo(8)) : nil
    script.steps.append(
      .bring(
        .init(
          account: owner, mailbox: mailbox, uidValidity: validity, uid: uid.map { max($0, 1) },
          uidl: chance(2) ? "old-\(upTo(30))" : nil, message: messageNumber())))
    arrive(owner, mailbox)
    _ = create(mailbox, owner)
  }

  private mutating func reopen() {
    script.steps.append(.reopen)
    guesses = [:]
  }

  private mutating func say(_ client: SimulationScript.Client, _ text: String) {
    script.steps.append(.say(client.number, text))
  }

  private mutating func messageNumber() -> Int { chance(150) ? SimulatedMessage.large + upTo(3) : upTo(400) }

  private static let names = [
    "INBOX", "INBOX", "INBOX", "INBOX", "inbox", "Sent", "Trash", "Trash", "Archive", "Junk", "Drafts", "Lists",
    "Lists/a", "Lists/a/b", "Work", "Work/2026", "inbox/kid", "Entw&APw-rfe", "None",
  ]

  /// Nearly always one that should be there.
  mutating func name(_ account: String) -> String {
    if script.isShared, chance(3) {
      let other = pick(script.owners.map(\.name))
      if other != account { return "shared/\(other)/\(ownName(other))" }
    }
    return ownName(account)
  }

  private mutating func ownName(_ account: String) -> String {
    for _ in 0..<20 where !chance(20) {
      let name = pick(Self.names)
      if name == "inbox" || mailboxes[account]?.contains(name) == true { return name }
    }
    return pick(Self.names)
  }

  private mutating func create(_ name: String, _ account: String) -> String {
    var levels = ""
    for level in name.split(separator: "/") {
      levels += levels.isEmpty ? String(level) : "/\(level)"
      mailboxes[account]?.insert(levels)
    }
    return "CREATE \(name)"
  }

  /// The name and what is below it are gone; who had it open has no mailbox any more.
  private mutating func lose(_ name: String, _ account: String) {
    if name.lowercased() == "inbox" { return }
    mailboxes[account] = mailboxes[account]?.filter { $0 != name }
    for client in script.clients where client.account == account && guesses[client.number]?.selected == name {
      guesses[client.number] = nil
    }
  }

  /// A mailbox is emptied, so that accounts are not full for ever.
  private mutating func tidy(_ client: SimulationScript.Client) {
    guesses[client.number] = Guess(selected: name(client.account))
    say(client, "SELECT \(guesses[client.number]?.selected ?? "INBOX")")
    say(client, "STORE 1:* +FLAGS.SILENT (\\Deleted)")
    say(client, pick(["EXPUNGE", "EXPUNGE", "CLOSE"]))
    if script.steps.last == .say(client.number, "CLOSE") { guesses[client.number]?.selected = nil }
  }

  private mutating func arrive(_ account: String, _ name: String, _ count: Int = 1) {
    arrivals["\(account) \(name.lowercased())", default: 0] += count
  }

  /// A set of numbers up to about `last`.
  private mutating func set(_ last: Int) -> String {
    let low = max(1, last - 25)
    func number() -> Int { Int.random(in: low...max(low, last + 2), using: &random) }
    switch upTo(9) {
    case 0, 1: return "1:*"
    case 2: return "*"
    case 3: return "\(number()):*"
    case 4: return "\(number()),\(number())"
    case 5, 6: return "\(number()):\(number())"
    case 7: return "\(number()),\(number()):\(number())"
    default: return "\(number())"
    }
  }

  // MARK: Sharing

  private mutating func setACL(_ account: String) -> String {
    let who = pick(["anyone", "-anyone", "ana", "budi", "citra@example.org", "-budi", "nobody"])
    let rights = pick([
      "lr", "lrs", "lrswite", "lrswipkxtea", "lrkx", "+wit", "-r", "-l", "+lrse", "li", "\"\"", "lrwt",
    ])
    return "SETACL \(name(account)) \(who) \(rights)"
  }

  private mutating func sharing(_ account: String) -> String {
    switch upTo(9) {
    case 0...3: return setACL(account)
    case 4: return "DELETEACL \(name(account)) \(pick(["anyone", "budi", "ana"]))"
    case 5: return "GETACL \(name(account))"
    case 6: return "MYRIGHTS \(name(account))"
    case 7: return "LIST \"\" * RETURN (MYRIGHTS STATUS (MESSAGES UNSEEN UIDNEXT DELETED SIZE))"
    case 8:
      return "ESEARCH IN (\(pick(["subtree shared", "personal", "subscribed", "mailboxes shared/ana/INBOX"]))) UNSEEN"
    default: return "GETQUOTAROOT \(name(account))"
    }
  }

  // MARK: IMAP

  private mutating func imap(_ client: SimulationScript.Client) -> String {
    var guess = guesses[client.number] ?? Guess()
    defer { guesses[client.number] = guess }
    if guess.isIdle {
      guess.isIdle = false
      return "DONE"
    }
    guard guess.selected != nil, !chance(30) else {
      if chance(6) { return anywhere(client, &guess) }
      let name = name(client.account)
      guess.selected = name
      return "\(chance(12) ? "EXAMINE" : "SELECT") \(name)\(selectParameters(name, client))"
    }
    return upTo(9) < 3 ? anywhere(client, &guess) : selected(client, &guess)
  }

  private mutating func selected(_ client: SimulationScript.Client, _ guess: inout Guess) -> String {
    let mailbox = guess.selected ?? "INBOX"
    let uid = Bool.random(using: &random) ? "UID " : ""
    let count = arrivals["\(client.account) \(mailbox.lowercased())"] ?? 3
    let messages = set(uid.isEmpty ? min(count, 3) : count)
    switch upTo(29) {
    case 0...7 where chance(5): return "\(uid)FETCH \(messages) \(fetchItems()) (\(fetchParameters(uid)))"
    case 0...7: return "\(uid)FETCH \(messages) \(fetchItems())"
    case 8...13:
      let since = chance(4) ? " (UNCHANGEDSINCE \(modSeq()))" : ""
      return
        "\(uid)STORE \(messages)\(since) \(pick(["+", "+", "+", "-", ""]))FLAGS\(chance(4) ? ".SILENT" : "") (\(flags()))"
    case 14 where chance(4): return context(client, uid, count)
    case 14, 15: return "\(uid)SEARCH \(searchKeys(count))"
    case 16: return "\(uid)\(order()) \(pick(["ALL", "UNDELETED", "SUBJECT laporan", "UID \(set(count))", "$"]))"
    case 17, 18:
      let target = name(client.account)
      arrive(client.account, target, 3)
      return "\(uid)COPY \(messages) \(target)"
    case 19, 20:
      let target = name(client.account)
      arrive(client.account, target, 3)
      return "\(uid)MOVE \(messages) \(target)"
    case 21, 22: return "EXPUNGE"
    case 23: return "UID EXPUNGE \(set(count))"
    case 24: return "NOOP"
    case 25,
      26 where !updaters.contains(client.number):
      guess.isIdle = true
      return "IDLE"
    case 29 where chance(2):
      let target = chance(2) ? guess.selected ?? "INBOX" : name(client.account)
      arrive(client.account, target)
      return
        "\(uid)REPLACE \(chance(6) ? "*" : "\(max(1, count - upTo(25)))") \(target) (\(flags())) {message \(messageNumber())}"
    case 27: return "\(uid)STORE 1:* +FLAGS.SILENT (\\Deleted)"
    case 28:
      guess.selected = nil
      return pick(["CLOSE", "UNSELECT"])
    default: return pick(["CHECK", "NOOP", "UID SEARCH RETURN (SAVE) ALL", "UID FETCH $ (FLAGS)"])
    }
  }

  /// SORT or THREAD without its search keys.
  private mutating func order() -> String {
    pick([
      "SORT (DATE) UTF-8", "SORT (REVERSE DATE) UTF-8", "SORT (SUBJECT REVERSE ARRIVAL) UTF-8",
      "SORT (FROM TO CC) UTF-8",
      "SORT (DISPLAYFROM REVERSE DISPLAYTO) US-ASCII", "SORT (SIZE) UTF-8",
      "SORT RETURN (MIN COUNT) (REVERSE SIZE) UTF-8",
      "SORT RETURN (SAVE ALL) (SUBJECT) UTF-8", "THREAD REFERENCES UTF-8", "THREAD REFERENCES UTF-8",
      "THREAD ORDEREDSUBJECT UTF-8",
    ])
  }

  private mutating func fetchItems() -> String {
    pick([
      "(FLAGS)", "(UID FLAGS)", "ALL", "FAST", "FULL", "(UID INTERNALDATE RFC822.SIZE)", "(ENVELOPE)", "BODYSTRUCTURE",
      "PREVIEW",
      "(BODY.PEEK[])", "BODY[]", "BODY.PEEK[HEADER]", "(BODY.PEEK[HEADER.FIELDS (SUBJECT DELIVERED-TO FROM)])",
      "BODY[TEXT]", "BODY.PEEK[1]", "BODY.PEEK[2]<3.40>", "BODY[3.HEADER]", "(BODY.PEEK[]<0.100> UID)", "RFC822",
      "(MODSEQ)", "(UID EMAILID THREADID)", "(FLAGS SAVEDATE MODSEQ)", "(EMAILID ENVELOPE SAVEDATE)",
      "RFC822.HEADER", "BINARY.PEEK[1]", "BINARY.SIZE[1]", "(FLAGS BODY.PEEK[2.MIME])",
    ])
  }

  // MARK: Synchronising

  /// One of the MODSEQs that were heard of last, now and then one of all or of none.
  private mutating func modSeq() -> String {
    chance(20) ? pick(["0", "1", "99999999"]) : "{modseq \(upTo(chance(3) ? 40 : 6))}"
  }

  private mutating func selectParameters(_ name: String, _ client: SimulationScript.Client) -> String {
    if script.isShared { return chance(8) ? " (CONDSTORE)" : "" }
    switch upTo(11) {
    case 0: return " (CONDSTORE)"
    case 1...3:
      let count = arrivals["\(client.account) \(name.lowercased())"] ?? 3
      let known = chance(2) ? " 1:\(count + 1)" : ""
      let sample = chance(3) ? " (1:3 \(pick(["1:3", "2:4", "1,3,5"])))" : ""
      return " (QRESYNC ({validity \(name)} \(modSeq())\(known)\(sample)))"
    default: return ""
    }
  }

  private mutating func fetchParameters(_ uid: String) -> String {
    var words = ["CHANGEDSINCE \(modSeq())"]
    if !uid.isEmpty, chance(2) { words.append("VANISHED") }
    if !uid.isEmpty, chance(3) { words.append("PARTIAL \(pick(["1:3", "-1:-2", "2:50", "90:99"]))") }
    return words.joined(separator: " ")
  }

  private mutating func flags() -> String {
    let all = [
      "\\Seen", "\\Deleted", "\\Deleted", "\\Flagged", "\\Answered", "\\Draft", "$Work", "later", "LATER", "$Junk",
    ]
    var words = Set((0...upTo(2)).map { _ in pick(all) })
    // Now and then one more keyword, towards the limit.
    if chance(8) { words.insert("k\(upTo(80))") }
    return words.sorted().joined(separator: " ")
  }

  private mutating func searchKeys(_ count: Int) -> String {
    pick([
      "ALL", "UNSEEN", "DELETED", "NOT DELETED", "RECENT", "NEW", "KEYWORD later", "OR SEEN FLAGGED", "SUBJECT laporan",
      "BODY merpati", "TEXT Gr", "FROM ana", "HEADER Message-ID simulated", "LARGER 500", "SMALLER 700", "OLDER 3000",
      "YOUNGER 500",
      "SINCE 1-Sep-2026", "SENTBEFORE 15-Sep-2026", "BEFORE 25-Sep-2026", "UID \(set(count))", "1:3 UNDELETED",
      "RETURN (MIN MAX COUNT ALL) UNSEEN", "RETURN (COUNT) ALL", "RETURN (SAVE) DELETED", "$", "MODSEQ \(modSeq())",
      "RETURN (MIN COUNT) MODSEQ \(modSeq())", "RETURN (PARTIAL 2:4 MAX) ALL",
      "RETURN (PARTIAL -1:-3 SAVE) NOT DELETED",
      "SAVEDSINCE 22-Sep-2026", "OR SAVEDON 21-Sep-2026 SAVEDBEFORE 1-Sep-2026", "UIDAFTER \(count / 2 + 1) UNSEEN",
      "FILTER f1",
      "RETURN (COUNT) FILTER f2 UNDELETED", "FUZZY SUBJECT lapor", "FUZZY TEXT \"quick merpati\"",
      "RETURN (RELEVANCY ALL) FUZZY BODY surat",
    ])
  }

  private mutating func anywhere(_ client: SimulationScript.Client, _ guess: inout Guess) -> String {
    if script.isShared, chance(6) { return sharing(client.account) }
    if chance(4) { return beside(client) }
    switch upTo(29) {
    case 0...9:
      let target = name(client.account)
      arrive(client.account, target)
      let more = chance(5) ? " (\(flags())) {message \(messageNumber())}" : ""
      if chance(9) {
        let url = "/\(pick(["INBOX", "Sent", "Trash"]))/;UID=\(1 + upTo(40))"
        let part = pick(["", "/;SECTION=HEADER", "/;SECTION=1", "/;SECTION=TEXT/;PARTIAL=3.50"])
        let fields = "URL \"\(url)/;SECTION=HEADER.FIELDS%20(Subject)\""
        return "APPEND \(target) CATENATE (URL \(url)\(part) TEXT {message \(messageNumber())} \(fields))"
      }
      let date = chance(4) ? " \"1\(upTo(9))-Aug-2025 10:0\(upTo(9)):00 +0\(upTo(9))30\"" : ""
      return "APPEND \(target)\(chance(3) ? "" : " (\(flags()))")\(date) {message \(messageNumber())}\(more)"
    case 10...12:
      return
        "STATUS \(name(client.account)) (\(pick(["MESSAGES UNSEEN UIDNEXT", "UIDVALIDITY SIZE DELETED", "RECENT MESSAGES", "DELETED-STORAGE", "HIGHESTMODSEQ MAILBOXID"])))"
    case 13...14:
      return pick([
        "LIST \"\" *", "LIST \"\" %", "LIST \"\" % RETURN (CHILDREN SPECIAL-USE)", "LIST (SUBSCRIBED) \"\" *",
        "LIST (SPECIAL-USE) \"\" *", "LIST \"\" * RETURN (STATUS (MESSAGES UIDNEXT))", "LSUB \"\" *", "LIST Lists/ %",
        "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
      ])
    case 15...17:
      let fresh = pick(Self.names)
      return create(fresh, client.account) + pick(["", "", "/", " (USE (\\Junk))"])
    case 18:
      let old = name(client.account)
      lose(old, client.account)
      if guess.selected == old { guess = Guess() }
      return "DELETE \(old)"
    case 19:
      let old = name(client.account)
      let new = pick(Self.names) + pick(["", "", "2"])
      lose(old, client.account)
      mailboxes[client.account]?.insert(new)
      return "RENAME \(old) \(new)"
    case 20: return "\(pick(["SUBSCRIBE", "UNSUBSCRIBE"])) \(name(client.account))"
    case 21:
      return pick([
        "GETQUOTAROOT INBOX", "GETQUOTA \"\"", "NAMESPACE", "ENABLE QRESYNC", "ENABLE QRESYNC", "ENABLE CONDSTORE",
        chance(6) ? "ENABLE UIDONLY" : "ENABLE QRESYNC CONDSTORE",
      ])
    case 22 where chance(3):
      guess = Guess()
      return "LOGOUT"
    case 23...25:
      guess.selected = name(client.account)
      return "SELECT \(guess.selected ?? "INBOX")"
    default: return "NOOP"
    }
  }

  // MARK: POP3 and LMTP

  private mutating func pop3(_ client: SimulationScript.Client) -> String {
    let number = 1 + upTo(8)
    switch upTo(15) {
    case 0: return "STAT"
    case 1: return "LIST"
    case 2: return "UIDL"
    case 3: return "UIDL \(number)"
    case 4...6: return "RETR \(number)"
    case 7: return "TOP \(number) \(upTo(4))"
    case 8...9: return "DELE \(number)"
    case 10: return chance(3) ? "RSET" : "NOOP"
    case 11: return "LIST \(number)"
    case 12: return "CAPA"
    default: return "QUIT"
    }
  }

  private mutating func lmtp() -> String {
    if chance(25) { return pick(["NOOP", "RSET", "VRFY ana", "QUIT"]) }
    var targets: [String] = []
    for _ in 0...upTo(2) {
      let owner = pick(["ana", "ana", "budi", "citra@example.org"])
      let folder = pick(["", "", "", "Lists", "None", "Work/2026", "inbox"])
      arrive(owner, folder.isEmpty ? "INBOX" : folder)
      guard !folder.isEmpty else {
        targets.append(owner)
        continue
      }
      let parts = owner.split(separator: "@").map(String.init)
      targets.append(parts[0] + "+" + folder + (parts.count > 1 ? "@" + parts[1] : ""))
    }
    if chance(20) { targets.append("nobody") }
    return "\(chance(5) ? "bdat" : "deliver") to \(targets.joined(separator: " ")) {message \(messageNumber())}"
  }
}
