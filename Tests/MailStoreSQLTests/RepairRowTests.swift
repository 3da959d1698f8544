import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// Whatever `check` finds wrong with rows is right after a repair, and no message is lost by it.
@Suite struct RepairRowTests {
  @Test(arguments: CheckerTests.damages) func `A repair mends what check names`(_ damage: CheckerTests.Damage)
    async throws
  {
    let bed = try await CheckerTests().damagedBed(damage.sql)
    let plan = try bed.repair(RepairOptions(dryRun: true))
    #expect(plan.isDryRun && plan.setAside == [])
    let report = try bed.repairClean()
    #expect(report.actions != [])
    #expect(report.setAside.count > 0)
    let store = try bed.openSQL()
    #expect(try await store.check().problems == [])
    let bodies = try await everything(store)
    var inbox = (bodies["ana/INBOX"] ?? []) + (bodies["ana/Recovered"] ?? [])
    for (name, more) in bodies where name != "ana/INBOX" && name != "ana/Recovered" { inbox += more }
    for number in 1...3 { #expect(inbox.contains(Mail.text("Number \(number)")), "\(bodies)") }
    await store.close()
    // Nothing is left to do, and nothing is done.
    let again = try bed.repair()
    #expect(again.actions == [] && again.setAside == [], "\(again.actions)")
  }

  @Test func `A sound store is left alone`() async throws {
    let bed = try await CheckerTests().damagedBed()
    let before = DiskFile.contents(bed.volume)
    let report = try bed.repair()
    #expect(report == RepairReport())
    #expect(DiskFile.contents(bed.volume) == before)
    #expect(!DiskFile.names(bed.data).contains("repair.work"))
    // Somebody else's files are not touched.
    _ = try PosixFileSystem().createDirectory("\(bed.data)/repair.work")
    DiskFile.write([1, 2], to: "\(bed.data)/repair.work/mine")
    #expect(await thrown { _ = try bed.repair() } != nil)
    #expect(DiskFile.contents("\(bed.data)/repair.work/mine") == [1, 2])
  }

  @Test func `A new mailbox does not come into the key and the annotations of one whose row is lost`() async throws {
    let bed = try await CheckerTests().damagedBed()
    var store = try bed.openSQL()
    var ana = try #require(try await store.account(named: "ana"))
    func annotate(_ mailbox: MailboxID) async throws {
      _ = try await store.setAnnotations(
        [AnnotationChange("/private/comment", ByteBuffer(string: "a"))], in: mailbox, of: ana.id,
        limits: .init(entries: 10, octets: 1000), by: [])
      _ = try await store.accessKey(.replace([1, 2]), of: MailboxRef(account: ana.id, mailbox: mailbox))
    }
    let inbox = try await store.info("INBOX", of: ana).id
    let lost = try await store.createMailbox("Kerja", of: ana.id, specialUse: nil).id
    try await annotate(inbox)
    try await annotate(lost)
    await store.close()
    try bed.execute("DELETE FROM mailbox WHERE name = 'Kerja'")
    try bed.execute("UPDATE account_state SET next_mailbox = \(lost.rawValue)")
    _ = try bed.repairClean()
    store = try bed.openSQL()
    ana = try #require(try await store.account(named: "ana"))
    let new = try await store.createMailbox("Baru", of: ana.id, specialUse: nil).id
    let annotations = try await store.annotations(of: ana.id)
    #expect(annotations[new] == nil)
    #expect(annotations[inbox]?.count == 1)
    #expect(try await store.accessKey(.read, of: MailboxRef(account: ana.id, mailbox: new)) == nil)
    #expect(try await store.accessKey(.read, of: MailboxRef(account: ana.id, mailbox: inbox)) == [1, 2])
    await store.close()
  }

  @Test func `A store that somebody has open is refused`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    guard case .folderInUse = await thrown({ _ = try bed.repair() }) else {
      Issue.record("the lock was not asked")
      return
    }
    await store.close()
  }

  @Test func `A UIDNEXT that has fallen behind costs the UIDVALIDITY unless somebody remembers`() async throws {
    let sql = "UPDATE mailbox SET uidnext = 3 WHERE name = 'INBOX'"
    for remembers in [false, true] {
      let bed = try await CheckerTests().damagedBed()
      var store = try bed.openSQL()
      var ana = try #require(try await store.account(named: "ana"))
      let before = try await store.info("INBOX", of: ana)
      await store.close()
      try bed.execute(sql)
      let ceilings = UIDCeilings { _, _ in remembers ? UIDCeiling(uidNext: 50, modSeq: 700) : nil }
      let report = try bed.repair(ceilings: ceilings)
      store = try bed.openSQL()
      ana = try #require(try await store.account(named: "ana"))
      let after = try await store.info("INBOX", of: ana)
      #expect((after.uidValidity == before.uidValidity) == remembers)
      #expect(try await store.put(of: ana) == (remembers ? 50 : 4))
      #expect(report.accounts.contains { $0.renewed == ["INBOX"] } == !remembers)
      if remembers { #expect(try await store.info("INBOX", of: ana).highestModSeq > 700) }
      #expect(try await store.check().problems == [])
      await store.close()
    }
  }

  @Test(arguments: ["whole", "another store's", "damaged", "lost"])
  func `A UIDNEXT that has fallen behind is put right from the marks, if they are whole and of this store`(
    _ marks: String
  ) async throws {
    let bed = try await CheckerTests().damagedBed()
    var store = try bed.openSQL()
    var ana = try #require(try await store.account(named: "ana"))
    let before = try await store.info("INBOX", of: ana)
    await store.close()
    let path = "\(bed.data)/marks.sqlite"
    try bed.execute("UPDATE mailbox SET uidnext = 3 WHERE name = 'INBOX'")
    switch marks {
    case "another store's": try bed.execute("UPDATE volume_state SET value = value - 1 WHERE name = 'store_id'")
    case "damaged": DiskFile.change(path) { bytes in for index in bytes.indices { bytes[index] ^= 0x5A } }
    case "lost": DiskFile.remove(path)
    default: break
    }
    let report = try bed.repair()
    store = try bed.openSQL()
    ana = try #require(try await store.account(named: "ana"))
    let after = try await store.info("INBOX", of: ana)
    #expect((after.uidValidity == before.uidValidity) == (marks == "whole"))
    #expect(report.accounts.contains { $0.renewed == ["INBOX"] } == (marks != "whole"))
    if marks == "whole" {
      #expect(after.uidNext > before.uidNext && after.highestModSeq > before.highestModSeq)
    }
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A message whose row is lost comes back under its UID, and the log says nothing against it`() async throws
  {
    let bed = try await CheckerTests().damagedBed("DELETE FROM message WHERE uid = 2")
    let report = try bed.repairClean()
    #expect(report.accounts.first?.restored == 1)
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    let inbox = try await store.ref("INBOX", of: ana)
    #expect(try await store.body(2, in: inbox) == Mail.text("Number 2"))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A message that nothing is left of goes to the expunge log and is named`() async throws {
    let bed = try await CheckerTests().damagedBed(
      "DELETE FROM content WHERE (key & 68719476735) = 2; DELETE FROM blob WHERE id = 2")
    DiskFile.change(bed.pack(1)) { bytes in
      // The second frame's magic.
      let starts = bytes.indices.dropLast(4).filter { Array(bytes[$0..<$0 + 4]) == [0xB7, 0x4D, 0x72, 0xF3] }
      bytes[starts[1]] ^= 1
    }
    let report = try bed.repair()
    #expect(report.damaged.contains { $0.contains("ana, INBOX, UID 2") && $0.contains("nothing is left") }, "\(report)")
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    #expect(try await store.state("INBOX", of: ana).map(\.uid) == [1, 3])
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A content that stands at another account's bytes never shows them`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    let budi = try await store.add("budi")
    try await store.put(Mail.text("For Ana"), of: ana)
    try await store.put(Mail.text("For Budi"), of: budi)
    await store.close()
    try bed.execute("UPDATE content SET blob = 1 WHERE key >> 36 = 2")
    try bed.repairClean()
    store = try bed.openSQL()
    let seen = try await everything(store)
    #expect(seen == ["ana/INBOX": [Mail.text("For Ana")], "budi/INBOX": [Mail.text("For Budi")]])
    await store.close()
  }

  @Test func `Mail of an account that an older directory lacks gets its name again, or the next best`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    for name in ["ana", "budi@example.org", "carl"] { try await store.put(Mail.text(name), of: store.add(name)) }
    await store.close()
    try bed.execute(
      "DELETE FROM account WHERE id <> 1; UPDATE account SET name = 'carl' WHERE id = 1", on: bed.directory)
    let report = try bed.repairClean()
    #expect(report.accounts.filter(\.needsPassword).map(\.name).sorted() == ["budi@example.org", "carl-recovered"])
    store = try bed.openSQL()
    let seen = try await everything(store)
    #expect(seen["budi@example.org/INBOX"] == [Mail.text("budi@example.org")])
    #expect(seen["carl-recovered/INBOX"] == [Mail.text("carl")])
    // No password, no login; mail goes on.
    let carl = try #require(try await store.account(named: "carl-recovered"))
    #expect(carl.credentials == "" && carl.isEnabled)
    #expect(try await store.put(of: carl) == 2)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  // MARK: The table of kinds

  @Test(arguments: CheckerTests.damages) func `Every problem is of a known kind`(_ damage: CheckerTests.Damage)
    async throws
  {
    let bed = try await CheckerTests().damagedBed(damage.sql)
    let store = try bed.openSQL()
    for problem in try await store.check().problems { #expect(RepairKinds.remedy(for: problem) != nil, "\(problem)") }
    await store.close()
  }

  /// The sentences in the checker's own sources: one that is added without a remedy is found here.
  @Test func `Every sentence of the checker has a remedy`() throws {
    let folder =
      String(#filePath.dropLast("Tests/MailStoreSQLTests/RepairRowTests.swift".utf8.count))
      + "Sources/MailStoreSQL/Upkeep"
    var sentences = 0
    for name in DiskFile.names(folder) where name.hasPrefix("Checker") {
      let source = String(decoding: DiskFile.contents("\(folder)/\(name)"), as: UTF8.self)
        .replacing("\\\n", with: "").replacing("\"\"\"", with: "\"")
        .replacing("\"\n            + \"", with: "")
      for match in source.matches(of: /"\s*((account|pack|blob|mail\.sqlite|directory\.sqlite)[ :][^"]*)"/) {
        sentences += 1
        // What the packs' scan says of a frame ends so.
        let plain = String(match.1).replacing("\\(damaged.what)", with: "is damaged").replacing(/\s+/, with: " ")
        #expect(RepairKinds.remedy(for: plain) != nil, "\(name): \(plain)")
        #expect(
          RepairKinds.remedy(for: plain) != RepairKinds.all.last?.remedy || plain.contains("(error)"),
          "\(name): \(plain)")
      }
    }
    #expect(sentences > 25)
  }
}
