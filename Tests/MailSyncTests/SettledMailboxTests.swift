import Foundation
import IMAPClient
import IMAPCore
import LocalMail
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailSync

/// A server with one mailbox that counts how often it is opened.
private final class OneMailbox: Sendable {
  struct State {
    /// Flags by UID.
    var messages: [UInt32: SyncFlags] = [:]
    var modSeq: UInt64 = 1
    var selections = 0
  }
  let state = Mutex(State())

  func arrive(_ uid: UInt32) {
    state.withLock {
      $0.messages[uid] = SyncFlags()
      $0.modSeq += 1
    }
  }

  static func body(_ uid: UInt32) -> ByteBuffer {
    ByteBuffer(string: "Message-ID: <\(uid)@x>\r\n\r\nNumber \(uid)\r\n")
  }
}

private final class OneMailboxRemote: SyncRemote {
  let server: OneMailbox
  let traits = RemoteTraits()
  let octetsReceived: Int64 = 0
  init(_ server: OneMailbox) { self.server = server }

  private var remoteStatus: RemoteStatus {
    server.state.withLock { state in
      var status = RemoteStatus()
      status.messages = state.messages.count
      status.uidNext = (state.messages.keys.max() ?? 0) + 1
      status.uidValidity = 7
      status.highestModSeq = state.modSeq
      return status
    }
  }

  func mailboxes() async throws -> [RemoteMailbox] {
    [RemoteMailbox(name: "INBOX", delimiter: "/", attributes: [], status: remoteStatus)]
  }
  func status(_ mailbox: String) async throws -> RemoteStatus { remoteStatus }
  func select(_ mailbox: String, readOnly: Bool, resync: ResyncPoint?) async throws -> SelectedMailbox {
    server.state.withLock { $0.selections += 1 }
    let status = remoteStatus
    return SelectedMailbox(
      name: mailbox, exists: status.messages ?? 0, uidValidity: 7, uidNext: status.uidNext,
      highestModSeq: status.highestModSeq, isReadOnly: readOnly, permanentFlags: FlagList(), acceptsNewKeywords: true)
  }
  func messages(_ set: MessageSet, _ facts: RemoteFacts, changedSince: UInt64?) async throws -> [RemoteMessage] {
    server.state.withLock { state in
      state.messages.sorted { $0.key < $1.key }.map { uid, flags in
        var message = RemoteMessage(uid: uid)
        message.flags = flags
        message.modSeq = 1
        message.size = Int64(OneMailbox.body(uid).readableBytes)
        return message
      }
    }
  }
  func uids() async throws -> [UInt32] { server.state.withLock { $0.messages.keys.sorted() } }
  func bodies(_ batches: [[UInt32]], window: Int, _ handle: (UInt32, ByteBuffer) async throws -> Void) async throws {
    for uid in batches.joined() { try await handle(uid, OneMailbox.body(uid)) }
  }
  func unselect() async throws {}
  func create(_ mailbox: String) async throws {}
  func delete(_ mailbox: String) async throws {}
  func rename(_ mailbox: String, to newName: String) async throws {}
  func subscribe(_ mailbox: String, _ subscribed: Bool) async throws {}
  func headers(_ batches: [[UInt32]], window: Int, _ handle: (RemoteHeader) async throws -> Void) async throws {}
  func piece(_ uid: UInt32, _ section: BodySection, offset: Int64, count: Int) async throws -> ByteBuffer? { nil }
  func store(_ changes: [FlagStore]) async throws {}
  func append(_ items: [AppendItem], to mailbox: String) async throws -> [Result<UInt32?, any Error>] { [] }
  func copy(_ uids: [UInt32], to mailbox: String) async throws -> [UInt32: UInt32] { [:] }
  func move(_ uids: [UInt32], to mailbox: String) async throws -> [UInt32: UInt32] { [:] }
  func expunge(_ uids: [UInt32]) async throws {}
  func idle(limit: Duration) async throws -> Bool { false }
  func watchAll() async throws -> Bool { false }
  func close() async {}
}

/// A mirror that has brought three messages home.
private func withMirror(
  _ body: (OneMailbox, MaildirFolder, _ pass: () async throws -> SyncReport) async throws -> Void
) async throws {
  let root = FileManager.default.temporaryDirectory.path + "/merpati-settled-\(UUID().uuidString)"
  defer { try? FileManager.default.removeItem(atPath: root) }
  let server = OneMailbox()
  for uid in 1...3 { server.arrive(UInt32(uid)) }
  let engine = try SyncEngine(
    account: "a", tree: MaildirTree(root: root), stateFolder: nil, settings: SyncSettings(mode: .mirror),
    threads: .singleton, connect: { OneMailboxRemote(server) }, report: nil)
  defer { engine.close() }
  #expect(try await engine.run().total.downloaded == 3)
  try await body(server, MaildirFolder(directory: root)) { try await engine.run() }
}

@Suite struct SettledMailboxTests {
  @Test("A mailbox in which nothing happened is not opened again, and stands in the report")
  func nothingHappened() async throws {
    try await withMirror { server, _, pass in
      let before = server.state.withLock(\.selections)
      for _ in 0..<2 {
        let report = try await pass()
        #expect(report.mailboxes == [MailboxReport(mailbox: "INBOX")])
      }
      let after = server.state.withLock(\.selections)
      #expect(after == before)
    }
  }

  @Test("New mail is seen, and so is what comes after it")
  func newMail() async throws {
    try await withMirror { server, folder, pass in
      for uid in 4...5 {
        server.arrive(UInt32(uid))
        let report = try await pass()
        #expect(report.total.downloaded == 1)
        let empty = try await pass()
        #expect(!empty.hasChanges)
      }
      let entries = try folder.scan()
      #expect(entries.count == 5)
    }
  }

  @Test("A flag that was set here is put right by a mirror although the server has nothing new")
  func localFlag() async throws {
    try await withMirror { _, folder, pass in
      let entry = try #require(try folder.scan().first)
      var flags = MaildirFlags()
      flags.flagged = true
      _ = try folder.setFlags(flags, of: entry)
      let report = try await pass()
      #expect(report.total.flagsToLocal == 1)
      let entries = try folder.scan()
      #expect(entries.allSatisfy { !$0.flags.flagged })
    }
  }

  @Test("A file that was removed here comes again, and one that was put here is told of in every pass")
  func files() async throws {
    try await withMirror { _, folder, pass in
      let entry = try #require(try folder.scan().first)
      try folder.remove(entry)
      let report = try await pass()
      #expect(report.total.downloaded == 1)
      try Data("X: y\n\nmine\n".utf8).write(to: URL(fileURLWithPath: "\(folder.directory)/new/mine"))
      for _ in 0..<2 {
        let again = try await pass()
        #expect(again.total.onlyLocal == 1)
      }
    }
  }
}
