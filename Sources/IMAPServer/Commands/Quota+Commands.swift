import Bytes
import IMAPCore
import Logging
import MailNet
import MailStore
import NIOCore

/// An account is one quota root. Its owner knows it by the empty name; administrators know every root by its account's.
extension IMAPSession {
  /// GETQUOTA (RFC 9208 §4.1.1).
  func getQuota(_ command: GetQuotaCommand) async throws(CommandError) -> Completion {
    try await writeQuota(command.root, of: try await owner(of: command.root))
    return .ok("GETQUOTA completed")
  }

  /// GETQUOTAROOT (RFC 9208 §4.1.2). The mailbox need not exist.
  func getQuotaRoot(_ name: MailboxName) async throws(CommandError) -> Completion {
    guard try await isOwn(name) else { return try await getSharedQuotaRoot(name) }
    let account = try accountID()
    connection.out.writeQuotaRoot(name, roots: [""], wire)
    try await writeQuota("", of: account)
    return .ok("GETQUOTAROOT completed")
  }

  /// SETQUOTA (RFC 9208 §4.1.3): bounds that are not named are removed, and the store's default holds for them.
  func setQuota(_ command: SetQuotaCommand) async throws(CommandError) -> Completion {
    // Without a look at whether there is such a root: who may not set any is told nothing of others.
    guard isQuotaAdministrator else { throw .no(.noPerm, "Quotas are set by the administrator") }
    let limits = try QuotaLimits(command.limits)
    let account = try await owner(of: command.root)
    _ = try await storeCall { store throws(StoreError) in
      try await store.updateAccount(account, AccountChange(quota: limits))
    }
    listener.logger.info(
      "imap quota set",
      metadata: [
        "by": "\(self.account?.name ?? "-")", "account": "\(account)", "limits": "\(command.limits.map(\.text))",
      ])
    // As it is now: another default, or somebody else, may have had a say.
    try await writeQuota(command.root, of: account)
    return .ok("SETQUOTA completed")
  }

  /// QUOTASET is for accounts that the configuration names.
  var isQuotaAdministrator: Bool {
    guard let account else { return false }
    return settings.quotaAdministrators.contains { $0.equalsIgnoringASCIICase(account.name) }
  }

  /// Whose root it is. Of others' roots administrators learn that they are there, and whoever may read a mailbox of theirs.
  private func owner(of root: String) async throws(CommandError) -> AccountID {
    let own = try accountID()
    if root.isEmpty { return own }
    if isQuotaAdministrator {
      let found = try await storeCall { store throws(StoreError) in try await store.account(named: root) }
      if let found { return found.id }
    }
    guard let owner = try await ownerOfRoot(root) else { throw .no(.nonExistent, "No such quota root") }
    return owner
  }

  /// Mailboxes of others count in their owner's quota. RFC 9208 §6: it is told to whoever has `r`; to all others there is
  /// none, whether the mailbox exists or not.
  private func getSharedQuotaRoot(_ name: MailboxName) async throws(CommandError) -> Completion {
    var root: (name: String, owner: AccountID)?
    do throws(CommandError) {
      let found = try await find(name, .read)
      let shown = try await shownName(found, name)
      let prefix = shown.utf8.dropLast(found.info.name.utf8.count + 1)
      root = (String(Substring(prefix)), found.account)
    } catch {
      switch error {
      case .no, .store(.noSuchMailbox): break
      default: throw error
      }
    }
    connection.out.writeQuotaRoot(name, roots: root.map { [$0.name] } ?? [], wire)
    if let root { try await writeQuota(root.name, of: root.owner) }
    return .ok("GETQUOTAROOT completed")
  }

  /// The account whose root this is, if one of its mailboxes may be read.
  private func ownerOfRoot(_ root: String) async throws(CommandError) -> AccountID? {
    guard case .others(let user, _) = listener.namespaces.meaning(of: root + "/INBOX") else { return nil }
    let account = try accountID()
    let owner = try await storeCall { store throws(StoreError) in try await store.account(named: user) }
    guard let owner, owner.id != account else { return nil }
    let shared = try await storeCall { store throws(StoreError) in
      try await store.sharedMailboxes(with: account, of: owner.id)
    }
    return shared.contains { $0.rights.contains(.read) } ? owner.id : nil
  }

  private func writeQuota(_ root: String, of account: AccountID) async throws(CommandError) {
    let quota = try await storeCall { store throws(StoreError) in
      let quota = try await store.quota(of: account)
      var shown = Quota(usage: quota.usage, limits: quota.limits)
      if shown.limits.mailboxes != nil || shown.limits.annotationBytes != nil {
        shown.holdings = try await store.holdings(of: account)
      }
      return shown
    }
    guard !isOver else { throw .connectionClosed }
    connection.out.writeQuota(root: root, quota.resources, wire)
  }

  private struct Quota: Sendable {
    var usage: QuotaUsage
    var holdings = QuotaHoldings()
    var limits: QuotaLimits

    /// RFC 9208 §4.2.1: resources that are not named are not limited. §5.1, §5.4: units of 1024 octets.
    var resources: [QuotaResource] {
      var resources: [QuotaResource] = []
      if let bytes = limits.bytes {
        resources.append(QuotaResource("STORAGE", usage: (usage.bytes + 1023) / 1024, limit: bytes / 1024))
      }
      if let messages = limits.messages {
        resources.append(QuotaResource("MESSAGE", usage: usage.messages, limit: messages))
      }
      if let mailboxes = limits.mailboxes {
        resources.append(QuotaResource("MAILBOX", usage: holdings.mailboxes, limit: mailboxes))
      }
      if let bytes = limits.annotationBytes {
        let used = (holdings.annotationBytes + 1023) / 1024
        resources.append(QuotaResource("ANNOTATION-STORAGE", usage: used, limit: bytes / 1024))
      }
      return resources
    }
  }
}

extension QuotaLimits {
  init(_ wanted: [SetQuotaCommand.Limit]) throws(CommandError) {
    self.init()
    var seen: Set<String> = []
    for limit in wanted {
      guard seen.insert(limit.resource).inserted else { throw .bad("\(limit.resource) is given twice") }
      switch limit.resource {
      case "STORAGE": bytes = try Self.octets(limit)
      case "MESSAGE": messages = limit.limit
      case "MAILBOX": mailboxes = limit.limit
      case "ANNOTATION-STORAGE": annotationBytes = try Self.octets(limit)
      // RFC 9208 §4.1.3: NO for what cannot be set.
      default: throw .no(.cannot, "Unknown resource \(limit.resource)")
      }
    }
  }

  /// Limits come in units of 1024 octets (RFC 9208 §5.1).
  private static func octets(_ limit: SetQuotaCommand.Limit) throws(CommandError) -> Int64 {
    let (octets, isTooMuch) = limit.limit.multipliedReportingOverflow(by: 1024)
    guard !isTooMuch else { throw .no(.limit, "The limit of \(limit.resource) is too large") }
    return octets
  }
}
