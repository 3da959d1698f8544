import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// GETQUOTA (RFC 9208 §4.1.1). An account has one quota root, whose name is empty.
  func getQuota(_ command: GetQuotaCommand) async throws(CommandError) -> Completion {
    guard command.root.isEmpty else { throw .no(.nonExistent, "No such quota root") }
    try await writeQuota()
    return .ok("GETQUOTA completed")
  }

  /// GETQUOTAROOT (RFC 9208 §4.1.2). The mailbox need not exist.
  func getQuotaRoot(_ name: MailboxName) async throws(CommandError) -> Completion {
    connection.out.writeQuotaRoot(name, roots: [""], wire)
    try await writeQuota()
    return .ok("GETQUOTAROOT completed")
  }

  private func writeQuota() async throws(CommandError) {
    let account = try accountID()
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
    connection.out.writeQuota(root: "", resources, wire)
  }

  private struct Quota: Sendable {
    var usage: QuotaUsage
    var limits: QuotaLimits
  }
}
