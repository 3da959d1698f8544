import IMAPCore
public import MailNet

extension IMAPClient {
  /// GETQUOTAROOT; empty when the server has no QUOTA or the mailbox no root (RFC 9208 §4.1.2), or when it will not say.
  public func quota(_ mailbox: String) async throws(ClientError) -> [RemoteQuota] {
    guard capabilities.contains(where: { $0 == "QUOTA" || $0.hasPrefix("QUOTA=") }) else { return [] }
    let command = try await begin("GETQUOTAROOT") { printer in
      printer.word("GETQUOTAROOT ")
      write(mailbox, to: &printer)
    }
    var roots: [String] = []
    var quotas: [RemoteQuota] = []
    let line = try await finish(command) { response in
      switch response {
      case .quotaRoot(_, let names): roots = names
      case .quota(let root, let resources):
        for resource in resources where quotas.count < IMAPClientLimits.quotas {
          quotas.append(RemoteQuota(root, resource))
        }
      default: return false
      }
      return true
    }
    if line.condition == .bad, let refusal = refusal(line, command.name) { throw refusal }
    // Of roots that were named; some servers name none and send their quota all the same.
    return roots.isEmpty ? quotas : quotas.filter { roots.contains($0.root) }
  }
}

extension RemoteQuota {
  init(_ root: String, _ resource: QuotaResource) {
    // RFC 9208 §5.1: units of 1024 octets.
    let unit: Int64 = resource.name == "STORAGE" ? 1024 : 1
    func octets(_ number: Int64) -> Int64 {
      let (product, overflow) = number.multipliedReportingOverflow(by: unit)
      return overflow ? .max : product
    }
    self.init(root: root, resource: resource.name, usage: octets(resource.usage), limit: octets(resource.limit))
  }
}
