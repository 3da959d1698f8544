import MailStore
import MailTestKit
import NIOCore
import SASL

/// The `@` lines of a transcript.
///
/// ```
/// @set KEY VALUE...                                   a setting of the server, before the first C or S line
/// @account NAME password WORD [quota 10K] [messages 5] [mailboxes 9] [annotations 2K] [expire never|on-retrieve|7d] [disabled]
/// @change NAME [password WORD] [quota 10K] [messages 5] [expire …] [disabled|enabled]
/// @remove NAME                                        the account goes, with its mail
/// @mailbox NAME FOLDER                                creates a folder
/// @deliver NAME [folder F] [size N] <<END             a message; CRLF is put at the line ends. With `size`: N octets
/// @delivertimes NAME COUNT <<END                      the same message many times
/// @metadata ENTRY [VALUE]                             sets an entry of the server, as the administrator does; no value: removes it
/// @expunge NAME all|UID...                            takes messages out of INBOX as another session would
/// @inbox NAME COUNT                                   INBOX holds so many messages
/// @usage NAME BYTES MESSAGES                          what the account is charged
/// @stored NAME FOLDER UID <<END                       that message, byte for byte; lines `~ pattern` are patterns
/// @fail CALL / @heal CALL                             makes a call of the store fail (FakeFault)
/// @hold CALL / @release CALL                          makes a call of the store wait (FakeFault)
/// @advance SECONDS                                    moves the clock
/// @shutdown                                           the server is asked to stop, gracefully
/// ```
extension TranscriptRun {
  func perform(_ words: [String], document: [String]) async throws {
    var words = Words(words)
    let directive = try words.next("a directive")
    switch directive {
    case "set": settings[try words.next("a key")] = words.rest
    case "account": try await addAccount(&words)
    case "change": try await changeAccount(&words)
    case "remove": try await store.removeAccount(account(words.next("a name")).id)
    case "mailbox":
      let owner = try await account(words.next("a name"))
      _ = try await store.createMailbox(words.next("a folder"), of: owner.id, specialUse: nil)
    case "deliver", "delivertimes": try await deliver(directive, &words, document)
    case "metadata":
      let entry = try words.next("an entry")
      let value = words.isEmpty ? nil : ByteBuffer(string: words.rest)
      _ = try await store.setServerAnnotations(
        [AnnotationChange(entry, value)], limits: AnnotationLimits(entries: 10, octets: 1000))
    case "expunge": try await expunge(&words)
    case "inbox":
      let owner = try await account(words.next("a name"))
      let wanted = try words.number("a count")
      let messages = try await store.mailbox(named: "INBOX", of: owner.id)?.messages
      guard messages == wanted else { throw Mismatch(description: "INBOX holds \(messages ?? -1) messages") }
    case "usage":
      let owner = try await account(words.next("a name"))
      let (bytes, messages) = (try words.number("bytes"), try words.number("messages"))
      let usage = try await store.quota(of: owner.id).usage
      guard usage == QuotaUsage(bytes: Int64(bytes), messages: Int64(messages)) else {
        throw Mismatch(description: "the account is charged \(usage)")
      }
    case "stored": try await compareStored(&words, document)
    case "fail": try fake().fail(fault(words.next("a call")))
    case "heal": try fake().heal(fault(words.next("a call")))
    case "hold": try fake().hold(fault(words.next("a call")))
    case "release": try fake().release(fault(words.next("a call")))
    case "advance": clock.advance(try words.number("seconds"))
    case "shutdown": try await startedServer().shutDown()
    default: throw Mismatch(description: "no such directive: @\(directive)")
    }
  }

  func account(_ name: String) async throws -> Account {
    guard let account = try await store.account(named: name) else { throw StoreError.noSuchAccount(name) }
    return account
  }

  private func fake() throws -> FakeStore {
    guard let fake = store as? FakeStore else { throw Mismatch(description: "needs the store in memory") }
    return fake
  }

  private func fault(_ name: String) throws -> FakeFault {
    guard let fault = FakeFault(rawValue: name) else { throw Mismatch(description: "no such call: \(name)") }
    return fault
  }

  private func addAccount(_ words: inout Words) async throws {
    let name = try words.next("a name")
    let change = try accountChange(&words)
    let added = try await store.addAccount(
      NewAccount(
        name: name, credentials: change.credentials ?? "", quota: change.quota ?? QuotaLimits(),
        pop3Expire: change.pop3Expire ?? .never))
    if change.isEnabled == false { _ = try await store.updateAccount(added.id, AccountChange(isEnabled: false)) }
  }

  private func changeAccount(_ words: inout Words) async throws {
    let owner = try await account(words.next("a name"))
    _ = try await store.updateAccount(owner.id, try accountChange(&words))
  }

  private func accountChange(_ words: inout Words) throws -> AccountChange {
    var change = AccountChange()
    while !words.isEmpty {
      switch try words.next("a word") {
      case "password": change.credentials = try TestServer.credentials(password: words.next("a password"))
      case "quota":
        change.quota = change.quota ?? QuotaLimits()
        change.quota?.bytes = Int64(try words.number("octets"))
      case "messages":
        change.quota = change.quota ?? QuotaLimits()
        change.quota?.messages = Int64(try words.number("a count"))
      case "mailboxes":
        change.quota = change.quota ?? QuotaLimits()
        change.quota?.mailboxes = Int64(try words.number("a count"))
      case "annotations":
        change.quota = change.quota ?? QuotaLimits()
        change.quota?.annotationBytes = Int64(try words.number("octets"))
      case "expire":
        switch try words.next("a policy") {
        case "never": change.pop3Expire = .never
        case "on-retrieve": change.pop3Expire = .onRetrieve
        case let days: change.pop3Expire = .days(Int(days.dropLast()) ?? 0)
        }
      case "disabled": change.isEnabled = false
      case "enabled": change.isEnabled = true
      case let other: throw Mismatch(description: "what is “\(other)”?")
      }
    }
    return change
  }

  private func deliver(_ directive: String, _ words: inout Words, _ document: [String]) async throws {
    let owner = try await account(words.next("a name"))
    var folder: String?
    var bytes = ByteBuffer(string: document.map { $0 + "\r\n" }.joined())
    let count = directive == "delivertimes" ? try words.number("a count") : 1
    while !words.isEmpty {
      switch try words.next("a word") {
      case "folder": folder = try words.next("a folder")
      case "size": bytes = try Self.message(ofSize: words.number("octets"))
      case let other: throw Mismatch(description: "what is “\(other)”?")
      }
    }
    for _ in 0..<count {
      let incoming = store.newIncomingMessage()
      try await incoming.append(bytes)
      let prepared = try await incoming.finish()
      let target = DeliveryTarget(account: owner.id, folder: folder)
      for result in await store.deliver(prepared, to: [target], date: InternalDate(seconds: clock.now)) {
        _ = try result.get()
      }
    }
  }

  /// A message of exactly this many octets, in lines of 70 and CRLF.
  static func message(ofSize size: Int) throws -> ByteBuffer {
    var bytes = ByteBuffer(string: "Subject: large\r\n\r\n")
    guard size >= bytes.readableBytes + 4 else { throw Mismatch(description: "too small a size") }
    while size - bytes.readableBytes > 74 {
      bytes.writeRepeatingByte(UInt8(ascii: "a") + UInt8(bytes.readableBytes % 26), count: 70)
      bytes.writeString("\r\n")
    }
    bytes.writeRepeatingByte(UInt8(ascii: "z"), count: size - bytes.readableBytes - 2)
    bytes.writeString("\r\n")
    return bytes
  }

  private func expunge(_ words: inout Words) async throws {
    let owner = try await account(words.next("a name"))
    let mailbox = try await store.openMailbox("INBOX", of: owner.id, onChange: {})
    defer { mailbox.close() }
    var uids: [UID] = []
    if words.peek == "all" {
      mailbox.current?.forEach(in: 0..<(mailbox.current?.count ?? 0)) { uids.append($1.uid) }
    } else {
      while !words.isEmpty { uids.append(UID(try words.number("a UID"))) }
    }
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: uids, in: mailbox.ref)
    _ = try await store.expunge(uids, in: mailbox.ref)
  }

  private func compareStored(_ words: inout Words, _ document: [String]) async throws {
    let owner = try await account(words.next("a name"))
    let folder = try words.next("a folder")
    let uid = UID(try words.number("a UID"))
    guard let info = try await store.mailbox(named: folder, of: owner.id),
      let reader = try await store.openMessage(uid, in: MailboxRef(account: owner.id, mailbox: info.id))
    else { throw Mismatch(description: "no message \(uid) in \(folder)") }
    let stored = String(buffer: try await reader.read(0..<reader.size))
    guard stored.hasSuffix("\r\n") else { throw Mismatch(description: "the message does not end in CRLF: \(stored)") }
    let lines = stored.dropLast().split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    for (index, line) in lines.enumerated() {
      guard index < document.count, try documentFits(document[index], line) else {
        throw Mismatch(description: "line \(index + 1) of the stored message is: \(line)")
      }
    }
    guard lines.count == document.count else { throw Mismatch(description: "the stored message ends early") }
  }
}

/// Words of a directive, taken one after the other.
struct Words {
  private var words: ArraySlice<String>
  init(_ words: [String]) { self.words = words[...] }

  var isEmpty: Bool { words.isEmpty }
  var peek: String? { words.first }
  var rest: String { words.joined(separator: " ") }

  mutating func next(_ what: String) throws -> String {
    guard let word = words.popFirst() else { throw TranscriptRun.Mismatch(description: "\(what) is missing") }
    return word
  }

  /// 12, 10K, 5M.
  mutating func number(_ what: String) throws -> Int {
    let word = try next(what)
    let factors: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
    let factor = word.last.flatMap { factors[$0] }
    guard let number = Int(factor == nil ? word[...] : word.dropLast()) else {
      throw TranscriptRun.Mismatch(description: "\(word) is no number")
    }
    return number * (factor ?? 1)
  }
}
