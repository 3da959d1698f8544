import MailStore
import NIOCore
import Synchronization
import Testing

/// Messages for tests, and short forms of store calls.
enum Mail {
  static func text(
    _ subject: String = "Hello", id: String? = nil, references: [String] = [], body: String = "Good day.\r\n"
  ) -> String {
    var lines = ["From: Ana <ana@example.org>", "To: budi@example.org", "Subject: \(subject)"]
    lines.append("Date: Mon, 21 Sep 2026 14:13:20 +0700")
    if let id { lines.append("Message-ID: <\(id)>") }
    if !references.isEmpty { lines.append("References: " + references.map { "<\($0)>" }.joined(separator: " ")) }
    return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
  }

  static func large(_ bytes: Int, seed: UInt64 = 1) -> String {
    var text = Mail.text("Large \(seed)", body: "")
    var state = seed
    while text.utf8.count < bytes {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      text += String(state, radix: 36) + "\r\n"
    }
    return text
  }
}

extension MailStore {
  func prepare(_ text: String) async throws(StoreError) -> any PreparedMessage {
    let message = newIncomingMessage()
    try await message.append(ByteBuffer(string: text))
    return try await message.finish()
  }

  func add(_ name: String, quota: QuotaLimits = QuotaLimits(), expire: POP3Expire = .never) async throws(StoreError)
    -> Account
  {
    try await addAccount(NewAccount(name: name, credentials: "x", quota: quota, pop3Expire: expire))
  }

  @discardableResult
  func put(
    _ text: String = Mail.text(), in mailbox: String = "INBOX", of account: Account, flags: SystemFlags = [],
    keywords: [String] = [], date: InternalDate? = nil
  ) async throws(StoreError) -> UID {
    let message = try await prepare(text)
    let result = try await append(
      [AppendedMessage(message: message, flags: flags, keywords: keywords, date: date)], to: mailbox, of: account.id)
    return result.assigned.first ?? 0
  }

  /// Many messages in one call.
  @discardableResult
  func fill(_ count: Int, in mailbox: String = "INBOX", of account: Account, flags: SystemFlags = [])
    async throws(StoreError) -> [UID]
  {
    var messages: [AppendedMessage] = []
    for number in 0..<count {
      messages.append(AppendedMessage(message: try await prepare(Mail.text("Number \(number)")), flags: flags))
    }
    return try await append(messages, to: mailbox, of: account.id).assigned
  }

  func ref(_ mailbox: String, of account: Account) async throws -> MailboxRef {
    let info = try #require(try await self.mailbox(named: mailbox, of: account.id))
    return MailboxRef(account: account.id, mailbox: info.id)
  }

  func info(_ mailbox: String, of account: Account) async throws -> MailboxInfo {
    try #require(try await self.mailbox(named: mailbox, of: account.id))
  }

  /// The whole message as FETCH sends it; nil when it is not there.
  func body(_ uid: UID, in ref: MailboxRef) async throws -> String? {
    guard let reader = try await openMessage(uid, in: ref) else { return nil }
    return String(buffer: try await reader.read(0..<reader.size))
  }

  /// UIDs, flags and keyword names as a fresh view shows them.
  func state(_ mailbox: String, of account: Account) async throws -> [SeenMessage] {
    let open = try await openMailbox(mailbox, of: account.id) {}
    defer { open.close() }
    return try #require(open.current).seen
  }

  func usage(_ account: Account) async throws -> QuotaUsage { try await quota(of: account.id).usage }
}

struct SeenMessage: Hashable, Sendable {
  var uid: UID
  var flags: SystemFlags
  var keywords: Set<String>
  init(_ uid: UID, _ flags: SystemFlags = [], _ keywords: Set<String> = []) {
    self.uid = uid
    self.flags = flags
    self.keywords = keywords
  }
}

extension MailboxSnapshot {
  var seen: [SeenMessage] {
    var result: [SeenMessage] = []
    forEach(in: 0..<count) { _, entry in
      let names = keywords.indices.filter { entry.keywords & (1 << UInt64($0)) != 0 }.map { keywords[$0] }
      result.append(SeenMessage(entry.uid, entry.flags, Set(names)))
    }
    return result
  }

  var uids: [UID] {
    var result: [UID] = []
    forEach(in: 0..<count) { result.append($1.uid) }
    return result
  }
}

/// Gathers what a visitor saw.
final class Gathered<Value: Sendable>: Sendable {
  private let list = Mutex<[Value]>([])
  func add(_ value: Value) { list.withLock { $0.append(value) } }
  var values: [Value] { list.withLock { $0 } }
}

/// The error a call throws, or nil.
func thrown(_ body: () async throws -> Void) async -> StoreError? {
  do {
    try await body()
    return nil
  } catch { return error as? StoreError }
}
