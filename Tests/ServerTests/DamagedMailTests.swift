import MailAuth
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Damaged messages at the clients: refused by themselves, in clear words, and the others are served.
@Suite struct DamagedMailTests {
  private static let bodies = [
    "Subject: one\r\n\r\nfirst words\r\n", "Subject: two\r\n\r\nsecond words\r\n",
    "Subject: three\r\n\r\n" + String(repeating: "third words of a long message\r\n", count: 30_000),
    "Subject: four\r\n\r\nfourth words\r\n",
  ]

  private final class Bed: Sendable {
    let path: String
    init() throws {
      var template = Array("/tmp/merpati-damaged-XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw StoreError.io(operation: "mkdtemp", path: "/tmp", errno: errno) }
      path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    var pack: String { "\(path)/data/volumes/1/packs/000000000001.pack" }
    func open() throws -> SQLStore {
      try SQLStore.open(directory: "\(path)/data", settings: StoreSettings(upkeepInterval: 0))
    }
    deinit {
      for name in [
        "data/volumes/1/packs/000000000001.pack", "data/volumes/1/packs/spool", "data/volumes/1/packs",
        "data/volumes/1/mail.sqlite", "data/volumes/1/mail.sqlite-wal", "data/volumes/1/mail.sqlite-shm",
        "data/volumes/1",
        "data/volumes", "data/directory.sqlite", "data/directory.sqlite-wal", "data/directory.sqlite-shm", "data/lock",
        "data", "",
      ] { _ = remove("\(path)/\(name)") }
    }
  }

  /// Four messages, of which the second (small) and the third (large) are damaged. `isMarked`: a repair has seen them.
  private func damaged(_ bed: Bed, isMarked: Bool) async throws -> SQLStore {
    var store = try bed.open()
    let account = try await store.addAccount(
      NewAccount(name: "budi", credentials: TestServer.credentials(password: "rahasia")))
    for body in Self.bodies {
      let incoming = store.newIncomingMessage()
      try await incoming.append(ByteBuffer(string: body))
      let message = AppendedMessage(message: try await incoming.finish())
      _ = try await store.append([message], to: "INBOX", of: account.id, ignoringQuota: false)
    }
    await store.close()
    let file = open(bed.pack, O_RDWR)
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Int(lseek(file, 0, SEEK_END)))
    pread(file, &bytes, bytes.count, 0)
    let starts = bytes.indices.dropLast(4).filter { Array(bytes[$0..<$0 + 4]) == [0xB7, 0x4D, 0x72, 0xF3] }
    bytes[starts[2] - 3] ^= 1
    // The second chunk of the large one: its beginning could be sent.
    bytes[starts[3] - 3] ^= 1
    pwrite(file, bytes, bytes.count, 0)
    store = try bed.open()
    if isMarked { #expect(try await store.repairOnline(RepairOptions()).damaged.count == 2) }
    return store
  }

  @Test func `IMAP sends what is whole, refuses what is damaged, and goes on`() async throws {
    let bed = try Bed()
    let store = try await damaged(bed, isMarked: true)
    let server = try await TestServer.start(.imap, store: store, settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    func command(_ line: String) async throws -> [String] {
      try await peer.send(Array("a \(line)\r\n".utf8))
      var lines: [String] = []
      while true {
        let line = try await peer.line()
        lines.append(line)
        if line.hasPrefix("a ") { return lines }
      }
    }
    _ = try await peer.line()
    _ = try await command("LOGIN budi rahasia")
    _ = try await command("SELECT INBOX")
    var answer = try await command("FETCH 1:* BODY.PEEK[]")
    #expect(answer.contains("first words") && answer.contains("fourth words"))
    #expect(!answer.contains("second words") && !answer.contains("third words of a long message"))
    #expect(answer.last?.hasPrefix("a NO [CORRUPTION] Some of the mail is damaged") == true, "\(answer.last ?? "")")
    answer = try await command("FETCH 2:3 (ENVELOPE RFC822.SIZE)")
    #expect(answer.filter { $0.contains("ENVELOPE") }.count == 2 && answer.last?.hasPrefix("a OK") == true, "\(answer)")
    answer = try await command("SEARCH BODY words")
    #expect(answer.first == "* SEARCH 1 4" && answer.last?.hasPrefix("a OK") == true, "\(answer)")
    answer = try await command("COPY 1:* Archive")
    #expect(answer.last?.hasPrefix("a OK") == true)
    await peer.close()
    await server.stop()
    await store.close()
  }

  @Test(arguments: [true, false]) func `POP3 refuses what is damaged with SYS/PERM, and its list stays as it was`(
    _ isMarked: Bool
  ) async throws {
    let bed = try Bed()
    let store = try await damaged(bed, isMarked: isMarked)
    let server = try await TestServer.start(.pop3, store: store, settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    try await peer.send(Array("USER budi\r\nPASS rahasia\r\nLIST\r\nRETR 2\r\nRETR 1\r\nTOP 2 0\r\n".utf8))
    for _ in 0..<3 { #expect(try await peer.line().hasPrefix("+OK")) }
    #expect(try await peer.line().hasPrefix("+OK"))
    for (index, body) in Self.bodies.enumerated() {
      #expect(try await peer.line() == "\(index + 1) \(body.utf8.count)")
    }
    #expect(try await peer.line() == ".")
    #expect(try await peer.line().hasPrefix("-ERR [SYS/PERM]"))
    #expect(try await peer.line().hasPrefix("+OK"))
    while try await peer.line() != "." {}
    #expect(try await peer.line().hasPrefix("-ERR [SYS/PERM]"))
    if isMarked {
      try await peer.send(Array("RETR 3\r\nRETR 4\r\n".utf8))
      #expect(try await peer.line().hasPrefix("-ERR [SYS/PERM]"))
      #expect(try await peer.line().hasPrefix("+OK"))
    }
    await peer.close()
    await server.stop()
    await store.close()
  }

  @Test func `A row without a content hides no other message`() async throws {
    let bed = try Bed()
    let store = try await damaged(bed, isMarked: false)
    try await store.writer.alone { writer throws(StoreError) in
      try writer.transaction.db.execute("DELETE FROM content WHERE key & 68719476735 = 2")
    }
    let server = try await TestServer.start(.imap, store: store, settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    _ = try await peer.line()
    try await peer.send(
      Array("a LOGIN budi rahasia\r\nb SELECT INBOX\r\nc FETCH 1:* ENVELOPE\r\nd SEARCH SUBJECT o\r\n".utf8))
    var lines: [String] = []
    while lines.last?.hasPrefix("d ") != true { lines.append(try await peer.line()) }
    #expect(lines.filter { $0.contains("ENVELOPE") }.count == 3, "\(lines)")
    #expect(lines.contains { $0.hasPrefix("c NO [CORRUPTION]") } && lines.contains("* SEARCH 1 4"), "\(lines)")
    await peer.close()
    await server.stop()
    await store.close()
  }
}
