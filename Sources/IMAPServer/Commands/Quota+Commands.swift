import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// GETQUOTA (RFC 9208 §4.1.1). An account has one quota root, whose name is empty.
  func getQuota(_ command: GetQuotaCommand) async throws(CommandError) -> Completion {
    guard command.root.isEmpty else {
      guard let owner = try await ownerOfRoot(command.root) else { throw .no(.nonExistent, "No such quota root") }
      try await writeQuota(command.root, owner)
      return .ok("GETQUOTA completed")
    }
    try await writeQuota("", try accountID())
    return .ok("GETQUOTA completed")
  }

  /// GETQUOTAROOT (RFC 9208 §4.1.2). The mailbox need not exist.
  func getQuotaRoot(_ name: MailboxName) async throws(CommandError) -> Completion {
    guard try await isOwn(name) else { return try await getSharedQuotaRoot(name) }
    connection.out.writeQuotaRoot(name, roots: [""], wire)
    try await writeQuota("", try accountID())
    return .ok("GETQUOTAROOT completed")
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
    if let root { try await writeQuota(root.name, root.owner) }
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

  private func writeQuota(_ root: String, _ account: AccountID) async throws(CommandError) {
    let quota = try await storeCall { store throws(StoreError) in
      let quota = try await store.quota(of: account)
      return Quota(usage: quota.usage, limits: quota.limits)
    }
    // RFC 9208 §4.2.1: resources that are not named are not limited. §5.1: STORAGE counts 1024 octets.
    var resources: [QuotaResource] = []
    if let bytes = quota.limits.bytes {
      resources.append(QuotaResource("STORAGE", usage: (quota.usage.bytes + 1023) / 1024, limit: bytes / 1024))
    }
    if let messages = quota.limits.messages {
      resources.append(QuotaResource("MESSAGE", usage: quota.usage.messages, limit: messages))
    }
    connection.out.writeQuota(root: root, resources, wire)
  }

  private struct Quota: Sendable {
    var usage: QuotaUsage
    var limits: QuotaLimits
  }
}
