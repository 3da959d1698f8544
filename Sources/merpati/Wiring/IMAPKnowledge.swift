import IMAPClient
import IMAPCore
import MailClient
import MailNet
import MailPull
import NIOCore
import NIOPosix

/// What the account's IMAP side knows of a POP3 drop: quota, and what nobody has looked at yet. EXAMINE only.
struct IMAPKnowledge: DropKnowledge {
  let server: RemoteServer
  let user: String
  let credential: Credential

  func quota() async throws -> DropQuota? {
    try await withClient { client in
      try await client.quota("INBOX").first { $0.resource == "STORAGE" && $0.limit > 0 }
        .map { DropQuota(limit: $0.limit, used: $0.usage) }
    }
  }

  func unseenMessageIDs() async throws -> Set<String> {
    try await withClient { client in
      _ = try await client.select("INBOX", readOnly: true, resync: nil)
      let unseen = try await client.search(SearchCommand(uid: true, key: .unflag(.seen))).sorted()
      var found: Set<String> = []
      let batches = stride(from: 0, to: unseen.count, by: 500).map {
        MessageSet(sorted: unseen[$0..<min($0 + 500, unseen.count)])
      }
      try await client.fetch(batches: batches, [.uid, .envelope], window: 2) { event in
        guard case .message(let message) = event, let id = message.envelope?.messageID else { return }
        found.formUnion(Self.names(String(buffer: id)))
      }
      return found
    }
  }

  /// What a journal may have noted of a Message-ID: what stands in its angle brackets. Servers hand the field out unfolded in
  /// different ways, so it counts with its spaces and without.
  private static func names(_ field: String) -> [String] {
    let inner = field.split(separator: "<", maxSplits: 1, omittingEmptySubsequences: false).last ?? ""
    let name = String(inner.prefix { $0 != ">" })
    return [name, name.filter { $0 != " " && $0 != "\t" }]
  }

  private func withClient<Value>(_ body: (IMAPClient) async throws -> Value) async throws -> Value {
    let client = try await IMAPClient.connect(
      to: server, group: MultiThreadedEventLoopGroup.singleton, timeouts: .init())
    do {
      try await client.logIn(user: user, credential, compress: true)
      let value = try await body(client)
      await client.logOut()
      return value
    } catch {
      await client.abandon()
      throw error
    }
  }
}
