public import MailStore

extension FakeStore {
  public func prepareImport(
    _ wanted: ImportedMailbox, of account: AccountID
  ) async throws(StoreError) -> MailboxInfo {
    try await transaction { state throws(StoreError) in
      if state.accounts[account]?.index(named: wanted.name) == nil {
        _ = try state.createMailbox(wanted.name, of: account, specialUse: nil)
      }
      var entry = try state.account(account)
      guard let index = entry.index(named: wanted.name) else { throw .noSuchMailbox(wanted.name) }
      var mailbox = entry.mailboxes[index]
      mailbox.isSelectable = true
      if let value = wanted.uidValidity, value != mailbox.uidValidity {
        guard value > 0 else { throw .importRefused(.uidValidityOutOfRange(value)) }
        guard mailbox.uidNext == 1 else {
          throw .importRefused(.uidValidityFixed(mailbox: mailbox.name, current: mailbox.uidValidity))
        }
        mailbox.uidValidity = value
        state.nextUIDValidity = max(state.nextUIDValidity, value + 1)
        // Sessions see the end of the mailbox that was.
        state.notify.append(contentsOf: mailbox.listeners.values)
        mailbox.listeners = [:]
        mailbox.id = MailboxID(entry.nextMailbox)
        entry.nextMailbox += 1
      }
      mailbox.uidNext = max(mailbox.uidNext, wanted.uidNext ?? 1)
      mailbox.specialUse = mailbox.specialUse ?? wanted.specialUse
      mailbox.isSubscribed = mailbox.isSubscribed || wanted.isSubscribed
      mailbox.rebuild(modSeq: mailbox.highestModSeq)
      entry.mailboxes[index] = mailbox
      state.accounts[account] = entry
      return mailbox.info
    }
  }
}

extension FakeStoreState {
  func checkUIDLs(_ wanted: [String], of id: AccountID) throws(StoreError) {
    var taken = Set(try account(id).mailboxes.flatMap { $0.messages.map(\.uidl) })
    for uidl in wanted {
      guard (1...70).contains(uidl.utf8.count), uidl.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
        throw .importRefused(.malformedUIDL(uidl))
      }
      guard taken.insert(uidl).inserted else { throw .importRefused(.uidlInUse(uidl)) }
    }
  }
}
