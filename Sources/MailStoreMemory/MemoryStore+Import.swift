public import MailStore

extension MemoryStore {
  public func prepareImport(_ wanted: ImportedMailbox, of id: AccountID) async throws(StoreError) -> MailboxInfo {
    try await write { state throws(StoreError) in
      let name = MemoryNames.canonical(wanted.name)
      _ = try state.account(id)
      try MemoryNames.check(name)
      if let value = wanted.uidValidity, value == 0 || value > MemoryBounds.importedUIDValidity {
        throw .importRefused(.uidValidityOutOfRange(value))
      }
      let ref = try state.mailboxForImport(name, uidValidity: wanted.uidValidity, of: id)
      if try !state.mailbox(ref).isSelectable { _ = try state.create(name, of: id, specialUse: nil) }
      if let use = wanted.specialUse { try state.assign(use, to: ref) }
      var mailbox = try state.mailbox(ref)
      if let next = wanted.uidNext, next > mailbox.uidNext {
        mailbox.uidNext = next
        state.put(mailbox, ref)
      }
      if wanted.isSubscribed { state.accounts[id]?.subscriptions.insert(name) }
      return try state.account(id).info(state.mailbox(ref))
    }
  }
}

extension MemoryState {
  /// The mailbox of this name under this UIDVALIDITY.
  fileprivate mutating func mailboxForImport(
    _ name: String, uidValidity: UInt32?, of id: AccountID
  ) throws(StoreError) -> MailboxRef {
    let account = try account(id)
    let old = account.mailbox(named: name)
    if let old, uidValidity == nil || uidValidity == old.uidValidity { return account.ref(old) }
    if let old, old.uidNext > 1 {
      throw .importRefused(.uidValidityFixed(mailbox: name, current: old.uidValidity))
    }
    if let uidValidity, account.known[KnownMailbox(name: name, uidValidity: uidValidity)] != nil {
      throw .importRefused(.uidValidityUsed(mailbox: name, uidValidity))
    }
    // Another one takes its place, and who has the old one open sees its end.
    if let old { bury(account.ref(old)) }
    for parent in MemoryNames.parents(name) where accounts[id]?.names[parent] == nil { _ = try add(parent, to: id) }
    let ref = try add(name, to: id, uidValidity: uidValidity)
    accounts[id]?.mailboxes[ref.mailbox]?.specialUse = old?.specialUse
    return ref
  }

  /// A use is taken from a mailbox that never held a message, from no other.
  fileprivate mutating func assign(_ use: SpecialUse, to ref: MailboxRef) throws(StoreError) {
    let mailbox = try mailbox(ref)
    guard mailbox.specialUse == nil, mailbox.name != "INBOX" else { return }
    for other in try account(ref.account).mailboxes.values where other.specialUse == use {
      guard other.uidNext == 1 else { return }
      accounts[ref.account]?.mailboxes[other.id]?.specialUse = nil
    }
    accounts[ref.account]?.mailboxes[ref.mailbox]?.specialUse = use
  }
}
