import Foundation
import LocalMail
import NIOPosix
import Testing

@testable import MailPull

@Suite(.timeLimit(.minutes(1)))
struct JournalTests {
  private func open(_ folder: String, account: String = "pop3://ana@host", target: String = "maildir:/m") async throws
    -> PullJournal
  {
    try await PullJournal.open(folder: folder, account: account, target: target, threads: .singleton)
  }

  private func intent(_ uidl: String?, _ byte: UInt8 = 1) -> JournalIntent {
    JournalIntent(
      uidl: uidl, octets: 100, fingerprint: Fingerprint(bytes: [UInt8](repeating: byte, count: 32)), topHash: [byte],
      messageID: "m@x", receipt: "plan")
  }

  private func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder + "/state/pull")
  }

  @Test func `What was written is there when it is opened again`() async throws {
    try await withFolder { folder in
      let first = try await open(folder)
      let ids = try await first.intend([intent("a"), intent(nil, 2), intent("c", 3), intent("d", 4)], at: 10)
      try await first.write(
        [
          .landed(ids[0], receipt: "base"), .landed(ids[1], receipt: "x"), .doubtful(ids[2]), .deleteAsked(ids[0]),
          .gone(ids[1]), .witness(JournalWitness(uidl: "w", octets: 5)),
        ], at: 20)
      await first.close()
      let second = try await open(folder)
      let lines = try await second.lines()
      #expect(lines.map(\.id) == [ids[0], ids[2], ids[3]])
      #expect(lines.map(\.state) == [.deleteAsked, .doubtful, .intended])
      #expect(lines[0].landedAt == 20)
      let unsettled = try await second.unsettled()
      #expect(unsettled.map(\.uidl) == ["c", "d"])
      #expect(unsettled[1].fingerprint.bytes == [UInt8](repeating: 4, count: 32))
      #expect((unsettled[1].topHash, unsettled[1].messageID, unsettled[1].receipt) == ([4], "m@x", "plan"))
      #expect(unsettled[1].firstSeen == 10)
      #expect(try await second.witness() == JournalWitness(uidl: "w", octets: 5))
      await second.close()
    }
  }

  @Test func `What is gone is found by its unique-id, comes back with a new one, and is forgotten in the end`()
    async throws
  {
    try await withFolder { folder in
      let journal = try await open(folder)
      let ids = try await journal.intend([intent("a"), intent("b", 2)], at: 10)
      try await journal.write(ids.map { .landed($0, receipt: "r") } + ids.map { .gone($0) }, at: 100)
      #expect(try await journal.gone(uidls: ["x", "a"]).map(\.id) == [ids[0]])
      try await journal.write([.bind(ids[0], uidl: "z", octets: 7, byTop: true)], at: 110)
      let line = try #require(try await journal.lines().first)
      #expect((line.uidl, line.octets, line.state, line.isBoundByTop) == ("z", 7, .landed, true))
      try await journal.prune(goneBefore: 101)
      #expect(try await journal.gone(uidls: ["b"]).isEmpty)
      #expect(try await journal.lines().count == 1)
      await journal.close()
    }
  }

  @Test func `A change that fails takes the whole transaction back`() async throws {
    try await withFolder { folder in
      let seam = JournalSeam(after: { throw Crash() })
      let journal = try await PullJournal.open(
        folder: folder, account: "a", target: "t", threads: .singleton, seam: JournalSeam(before: { throw Crash() }))
      await #expect(throws: Crash.self) { try await journal.intend([intent("a")], at: 1) }
      #expect(try await journal.lines().isEmpty)
      await journal.close()
      let second = try await PullJournal.open(
        folder: folder, account: "a", target: "t", threads: .singleton, seam: seam)
      await #expect(throws: Crash.self) { try await second.intend([intent("a")], at: 1) }
      #expect(try await second.lines().count == 1)
      await second.close()
    }
  }

  @Test func `Commits reach the disk: WAL with synchronous FULL`() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let database = try JournalDatabase(path: folder + "/j.sqlite")
    #expect(try database.pragma("synchronous") == 2)
    #expect(try database.pragma("page_size") > 0)
    try JournalSchema.prepare(database, account: "a", target: "t")
    #expect(FileManager.default.fileExists(atPath: folder + "/j.sqlite-wal"))
    #expect(try database.pragma("user_version") == JournalSchema.version)
    let mode = try FileManager.default.attributesOfItem(atPath: folder + "/j.sqlite")[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func `A journal of a newer version is refused`() async throws {
    try await withFolder { folder in
      let journal = try await open(folder)
      let path = journal.path
      await journal.close()
      try JournalDatabase(path: path).execute("PRAGMA user_version = 99")
      await #expect(throws: PullError.self) { try await open(folder) }
    }
  }

  @Test func `A file that is no journal is refused by name`() async throws {
    try await withFolder { folder in
      let journal = try await open(folder)
      let path = journal.path
      await journal.close()
      try? FileManager.default.removeItem(atPath: path + "-wal")
      try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path))
      do {
        _ = try await open(folder)
        Issue.record("opened")
      } catch { #expect("\(error)".contains(path)) }
    }
  }

  @Test func `An account is locked whatever its target, other accounts are not`() async throws {
    try await withFolder { folder in
      let journal = try await open(folder)
      await #expect(throws: PullError.self) { try await open(folder, target: "mbox:/x") }
      let other = try await open(folder, account: "pop3://budi@host")
      await other.close()
      await journal.close()
      let again = try await open(folder, target: "mbox:/x")
      #expect(try await again.lines().isEmpty)
      #expect(again.path != journal.path)
      await again.close()
      await #expect(throws: PullError.self) { try await again.lines() }
    }
  }

  @Test func `The lines of an empty run come from an index alone`() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let database = try JournalDatabase(path: folder + "/j.sqlite")
    try JournalSchema.prepare(database, account: "a", target: "t")
    let plan = try database(
      "EXPLAIN QUERY PLAN SELECT id, uidl, octets, state, landed_at, by_top FROM message WHERE state < 4 ORDER BY id")
    #expect(try plan.step())
    #expect(plan.text(3)?.contains("COVERING INDEX live") == true, "\(plan.text(3) ?? "")")
    let unsettled = try database("EXPLAIN QUERY PLAN SELECT receipt FROM message WHERE state < 2 ORDER BY id")
    #expect(try unsettled.step())
    #expect(unsettled.text(3)?.contains("INDEX unsettled") == true)
    let gone = try database("EXPLAIN QUERY PLAN SELECT receipt FROM message WHERE uidl = ?1 AND state = 4 ORDER BY id")
    #expect(try gone.step())
    #expect(gone.text(3)?.contains("INDEX gone_uidl") == true)
  }
}
