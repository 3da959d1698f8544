public import MailStore

extension SQLStore {
  public func prepareImport(
    _ mailbox: ImportedMailbox, of account: AccountID
  ) async throws(StoreError) -> MailboxInfo {
    try await writer.write { transaction throws(StoreError) in
      try transaction.prepareImport(mailbox, of: transaction.account(account))
    }
  }
}

/// Numbers that come along with imported mail.
extension Transaction {
  func prepareImport(_ wanted: ImportedMailbox, of account: AccountBox) throws(StoreError) -> MailboxInfo {
    let name = Names.canonical(wanted.name)
    try Names.checkMailbox(name)
    if let value = wanted.uidValidity {
      guard value > 0, value <= StoreLimits.importedUIDValidity else {
        throw .importRefused(.uidValidityOutOfRange(value))
      }
    }
    var mailbox = try mailboxForImport(name, uidValidity: wanted.uidValidity, of: account)
    if !mailbox.state.isSelectable {
      _ = try createMailbox(name, of: account, specialUse: nil)
      mailbox = account.mailbox(named: name) ?? mailbox
    }
    if let use = wanted.specialUse { try assign(use, to: mailbox, of: account) }
    if let next = wanted.uidNext, next > mailbox.state.uidNext {
      touch(mailbox, of: account)
      mailbox.state.uidNext = next
      change(mailbox, of: account) { _ in }
    }
    if wanted.isSubscribed { try setSubscribed(true, name, of: account) }
    return account.info(mailbox)
  }

  /// The mailbox of this name under this UIDVALIDITY.
  private func mailboxForImport(
    _ name: String, uidValidity: UInt32?, of account: AccountBox
  ) throws(StoreError) -> MailboxBox {
    let old = account.mailbox(named: name)
    if let old, uidValidity == nil || uidValidity == old.state.uidValidity { return old }
    if let old, old.state.uidNext > 1 {
      throw .importRefused(.uidValidityFixed(mailbox: name, current: old.state.uidValidity))
    }
    if let uidValidity, try claimant(of: uidValidity, name: name, account: account.id) != nil {
      throw .importRefused(.uidValidityUsed(mailbox: name, uidValidity))
    }
    reshape(account)
    // Another mailbox takes the place of one that never held a message: who has that one open must not go on under a
    // UIDVALIDITY that is no longer its (RFC 9051 §2.3.1.1).
    if let old { try bury(old, of: account) }
    try addParents(of: name, account)
    let mailbox = try add(name, to: account, specialUse: old?.state.specialUse, uidValidity: uidValidity)
    if let uidValidity { try claim(uidValidity, name: name, mailbox.state.id, account: account.id) }
    return mailbox
  }

  /// A provisioned mailbox that nobody has used yet gives its use away, so that clients find the one with the mail.
  private func assign(_ use: SpecialUse, to mailbox: MailboxBox, of account: AccountBox) throws(StoreError) {
    guard mailbox.state.specialUse == nil, mailbox.state.name != Names.inbox else { return }
    for other in account.mailboxes.values where other.state.specialUse == use {
      guard other.state.uidNext == 1 else { return }
      try setSpecialUse(nil, of: other, account)
    }
    try setSpecialUse(use, of: mailbox, account)
  }

  private func setSpecialUse(_ use: SpecialUse?, of mailbox: MailboxBox, _ account: AccountBox) throws(StoreError) {
    reshape(account)
    touch(mailbox, of: account)
    mailbox.state.specialUse = use
    let row = try db("UPDATE mailbox SET special_use = ?3 WHERE account = ?1 AND id = ?2")
    row.bind(1, account.id)
    row.bind(2, mailbox.state.id)
    row.bind(3, use?.rawValue)
    try row.run()
  }

  // MARK: UIDVALIDITY

  /// The mailbox that has, or had, this name and this UIDVALIDITY by an import.
  private func claimant(of uidValidity: UInt32, name: String, account: Int64) throws(StoreError) -> Int64? {
    let row = try db("SELECT mailbox FROM imported_uidvalidity WHERE account = ? AND name = ? AND uidvalidity = ?")
    row.bind(1, account)
    row.bind(2, name)
    row.bind(3, uidValidity)
    return try row.first { $0.int(0) }
  }

  private func claim(_ uidValidity: UInt32, name: String, _ mailbox: Int64, account: Int64) throws(StoreError) {
    let row = try db(
      "INSERT OR IGNORE INTO imported_uidvalidity (account, name, uidvalidity, mailbox) VALUES (?, ?, ?, ?)")
    row.bind(1, account)
    row.bind(2, name)
    row.bind(3, uidValidity)
    row.bind(4, mailbox)
    try row.run()
  }

  /// For a mailbox that is about to end or to get another name: clients know its messages by the old one. An import must
  /// not bring others under it (RFC 9051 §2.3.1.1).
  func keepKnown(_ mailbox: MailboxBox, of account: AccountBox) throws(StoreError) {
    guard mailbox.state.uidNext > 1 else { return }
    try claim(mailbox.state.uidValidity, name: mailbox.state.name, mailbox.state.id, account: account.id)
  }

  /// For a mailbox that has just got another name. Values given out here are all different; those that came by imports
  /// need not be, so a name may have been known with this value for other messages (RFC 9051 §6.3.6): then the mailbox
  /// gets a new one.
  func keepUIDValidityApart(_ mailbox: MailboxBox, of account: AccountBox) throws(StoreError) {
    let value = mailbox.state.uidValidity
    if let other = try claimant(of: value, name: mailbox.state.name, account: account.id) {
      guard other != mailbox.state.id else { return }
      guard account.counters.lastUIDValidity < UInt32.max else {
        throw .database(message: "account \(account.id) has no more UIDVALIDITY values")
      }
      account.counters.lastUIDValidity = max(UInt32(clamping: now), account.counters.lastUIDValidity + 1)
      mailbox.state.uidValidity = account.counters.lastUIDValidity
      let row = try db("UPDATE mailbox SET uidvalidity = ?3 WHERE account = ?1 AND id = ?2")
      row.bind(1, account.id)
      row.bind(2, mailbox.state.id)
      row.bind(3, mailbox.state.uidValidity)
      return try row.run()
    }
    let imported = try db(
      "SELECT 1 FROM imported_uidvalidity WHERE account = ? AND mailbox = ? AND uidvalidity = ? LIMIT 1")
    imported.bind(1, account.id)
    imported.bind(2, mailbox.state.id)
    imported.bind(3, value)
    guard try imported.first({ _ in true }) != nil else { return }
    try claim(value, name: mailbox.state.name, mailbox.state.id, account: account.id)
  }

  // MARK: UIDL

  /// Refuses UIDLs that cannot be or that are taken. One look at the index for each, and one walk over the account's rows
  /// if there are any in the form that this account gives out itself (its own mail coming back).
  func checkUIDLs(_ wanted: [String], of account: AccountBox) throws(StoreError) {
    guard !wanted.isEmpty else { return }
    var seen: Set<String> = []
    var own: [Int64: String] = [:]
    // Rows of a deleted mailbox wait for the reaper, and nobody sees them any more.
    let find = try db(
      """
      SELECT 1 FROM message m JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox
      WHERE m.account = ? AND m.uidl = ? AND b.name IS NOT NULL LIMIT 1
      """)
    for uidl in wanted {
      // RFC 1939 §7.
      guard (1...70).contains(uidl.utf8.count), uidl.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
        throw .importRefused(.malformedUIDL(uidl))
      }
      find.bind(1, account.id)
      find.bind(2, uidl)
      guard seen.insert(uidl).inserted, try find.first({ _ in true }) == nil else {
        throw .importRefused(.uidlInUse(uidl))
      }
      guard let instance = PrintedID.instance(uidl, epoch: account.counters.uidlEpoch) else { continue }
      guard instance < account.counters.nextInstance else { throw .importRefused(.uidlInUse(uidl)) }
      own[instance] = uidl
    }
    guard !own.isEmpty else { return }
    let rows = try db(
      """
      SELECT m.instance FROM message m JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox
      WHERE m.account = ? AND m.uidl IS NULL AND b.name IS NOT NULL
      """)
    rows.bind(1, account.id)
    var taken: String?
    try rows.forEach { row in taken = taken ?? own[row.int(0)] }
    if let taken { throw .importRefused(.uidlInUse(taken)) }
  }
}
