import MailStore
import NIOCore

/// The columns of a new row of `message` that do not follow from its mailbox.
struct NewMessage {
  var flags: SystemFlags = []
  var keywords: UInt64 = 0
  var date: InternalDate
  var size: Int64
  var content: Int64
  var instance: Int64
  var uidl: String?
  var retrieved: Int64?
  /// Nil: the next one.
  var uid: UID?
}

/// Rows for messages that come into a mailbox.
extension Transaction {
  /// Gives the message its UID or the next one, and counts it. The account is charged by the caller.
  func insert(_ message: NewMessage, into mailbox: MailboxBox, of account: AccountBox) throws(StoreError) -> UID {
    touch(mailbox, of: account)
    let entry = try insertRow(message, into: mailbox, of: account, modSeq(account))
    try countLoose(1, mailbox, account)
    change(mailbox, of: account) { $0.added.append(entry) }
    return entry.uid
  }

  /// As for one, for many at less cost.
  func insert(_ messages: [NewMessage], into mailbox: MailboxBox, of account: AccountBox) throws(StoreError) -> [UID] {
    touch(mailbox, of: account)
    let modSeq = modSeq(account)
    var entries: [MessageEntry] = []
    entries.reserveCapacity(messages.count)
    for message in messages { entries.append(try insertRow(message, into: mailbox, of: account, modSeq)) }
    try countLoose(messages.count, mailbox, account)
    let added = entries
    change(mailbox, of: account) { $0.added += added }
    return entries.map(\.uid)
  }

  private func insertRow(
    _ message: NewMessage, into mailbox: MailboxBox, of account: AccountBox, _ modSeq: ModSeq
  ) throws(StoreError) -> MessageEntry {
    let uid = message.uid ?? mailbox.state.uidNext
    // RFC 9051 §2.3.1.1: a message that comes later has a higher UID than all that were ever there.
    guard uid >= mailbox.state.uidNext else {
      throw .importRefused(.uidNotAbove(uid, uidNext: mailbox.state.uidNext))
    }
    guard uid < UID.max else {
      throw .database(message: "mailbox \(mailbox.state.id) of account \(account.id) has no more UIDs")
    }
    if mailbox.state.seal == nil { _ = try seal(of: mailbox, account) }
    mailbox.state.uidNext = uid + 1
    mailbox.state.count(message.flags, size: message.size, sign: 1)
    let row = try db(
      """
      INSERT INTO message (account, mailbox, uid, modseq, flags, keywords, internal, zone, saved, size, content, instance,
        uidl, retrieved)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    row.bind(1, account.id)
    row.bind(2, mailbox.state.id)
    row.bind(3, uid)
    row.bind(4, modSeq)
    row.bind(5, Int64(message.flags.rawValue))
    row.bind(6, message.keywords)
    row.bind(7, message.date.seconds)
    row.bind(8, Int64(message.date.zoneMinutes))
    row.bind(9, now)
    row.bind(10, message.size)
    row.bind(11, message.content)
    row.bind(12, message.instance)
    row.bind(13, message.uidl)
    row.bind(14, message.retrieved)
    try row.run()
    return MessageEntry(uid: uid, flags: message.flags, keywords: message.keywords, modSeq: modSeq)
  }

  func nextInstance(_ account: AccountBox) -> Int64 {
    touch(account)
    defer { account.counters.nextInstance += 1 }
    return account.counters.nextInstance
  }

  /// The first of `count` numbers in a row.
  func takeInstances(_ count: Int, _ account: AccountBox) -> Int64 {
    touch(account)
    defer { account.counters.nextInstance += Int64(count) }
    return account.counters.nextInstance
  }

  /// A row of `content` for bytes that are going to be blob number `blob`. Returns its number in the account.
  func insertContent(
    _ message: PreparedSQLMessage, trace: ByteBuffer, blob: Int64, account: AccountBox
  ) throws(StoreError) -> Int64 {
    touch(account)
    let content = account.counters.nextContent
    guard content < StoreLimits.contentsPerAccount else {
      throw .database(message: "account \(account.id) has no more content numbers")
    }
    account.counters.nextContent += 1
    let columns = message.columns
    let thread = try ContentRow.thread(of: columns.identifiers, content: content, account: account.id, db)
    try ContentRow.insert(
      columns, key: ContentKey.key(account.id, content), blob: blob, thread: thread, size: Int64(message.size),
      trace: trace, db)
    try sealContents(of: account)
    return content
  }

  /// One more message refers to each of these contents.
  func addReferences(toContents contents: some Sequence<Int64>, of account: AccountBox) throws(StoreError) {
    hasWritten = true
    let row = try db(
      "INSERT INTO content_extra (key, refs) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET refs = refs + 1")
    for content in contents {
      row.bind(1, ContentKey.key(account.id, content))
      try row.run()
    }
  }

  // MARK: Keywords

  /// Bits for these names in the mailbox. With `adding`, new names get a bit each; else they are passed over.
  func keywordBits(
    _ names: [String], in mailbox: MailboxBox, of account: AccountBox, adding: Bool
  ) throws(StoreError) -> UInt64 {
    var bits: UInt64 = 0
    for name in names {
      // RFC 9051 §2.3.2: keywords are the same without regard to ASCII case.
      let lower = Names.account(name)
      if let bit = mailbox.state.keywords.firstIndex(where: { Names.account($0) == lower }) {
        bits |= 1 << UInt64(bit)
        continue
      }
      guard adding else { continue }
      let bit = mailbox.state.keywords.count
      guard bit < StoreLimits.keywordsPerMailbox, !name.isEmpty, name.utf8.count <= StoreLimits.keywordBytes else {
        throw .tooManyKeywords(limit: StoreLimits.keywordsPerMailbox)
      }
      touch(mailbox, of: account)
      mailbox.state.keywords.append(name)
      let row = try db("INSERT INTO keyword (account, mailbox, bit, name) VALUES (?, ?, ?, ?)")
      row.bind(1, account.id)
      row.bind(2, mailbox.state.id)
      row.bind(3, bit)
      row.bind(4, name)
      try row.run()
      let all = mailbox.state.keywords
      change(mailbox, of: account) { $0.keywords = all }
      bits |= 1 << UInt64(bit)
    }
    return bits
  }
}
