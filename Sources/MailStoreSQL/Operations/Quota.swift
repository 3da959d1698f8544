import MailStore

/// Counting and bounding what an account holds, inside the transaction that changes it (design §4, Quota).
extension Transaction {
  /// Adds to the account's usage, or throws when a bound would be crossed.
  func charge(
    _ account: AccountBox, bytes: Int64, messages: Int64, ignoringLimits: Bool = false
  ) throws(StoreError) {
    // What adds nothing is not refused though a bound was lowered below what is there.
    if !ignoringLimits, messages > 0 {
      let limits = QuotaLimits(of: directory.account(account.id), default: settings.defaultQuota)
      let usage = QuotaUsage(bytes: account.counters.bytes, messages: account.counters.messages)
      try limits.check(usage, addingBytes: bytes, messages: messages)
    }
    touch(account)
    account.counters.bytes += bytes
    account.counters.messages += messages
  }

  /// A message takes the place of another, and is `bytes` larger. What adds nothing is not refused.
  func checkNet(_ account: AccountBox, bytes: Int64, usage: Int64) throws(StoreError) {
    let limits = QuotaLimits(of: directory.account(account.id), default: settings.defaultQuota)
    guard bytes > 0, let limit = limits.bytes, usage + bytes > limit else { return }
    throw .overQuota(OverQuota(resource: .storage, limit: limit, usage: usage))
  }

  /// Counts the account's mailboxes after a job has made some: more than there were before must fit (RFC 9208 §5.3).
  func checkMailboxes(_ account: AccountBox, before: Int64) throws(StoreError) {
    let limits = QuotaLimits(of: directory.account(account.id), default: settings.defaultQuota)
    guard let limit = limits.mailboxes else { return }
    let usage = account.selectableMailboxes
    guard usage > before, usage > limit else { return }
    throw .overQuota(OverQuota(resource: .mailboxes, limit: limit, usage: before))
  }

  func refund(_ account: AccountBox, bytes: Int64, messages: Int64) {
    touch(account)
    account.counters.bytes -= bytes
    account.counters.messages -= messages
  }
}

extension QuotaLimits {
  /// The bounds that hold for an account: its own, else the store's default.
  init(of account: Account?, default other: QuotaLimits) { self = account?.quota.filled(by: other) ?? other }

  func check(_ usage: QuotaUsage, addingBytes bytes: Int64, messages: Int64) throws(StoreError) {
    if let limit = self.bytes, usage.bytes + bytes > limit {
      throw .overQuota(OverQuota(resource: .storage, limit: limit, usage: usage.bytes))
    }
    if let limit = self.messages, usage.messages + messages > limit {
      throw .overQuota(OverQuota(resource: .messages, limit: limit, usage: usage.messages))
    }
  }
}
