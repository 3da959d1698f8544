import Foundation
import LocalMail
import MailClient
import MailStore
import MailTransfer
import MerpatiServer
import NIOCore
import Synchronization
import Testing

@Suite struct MaildirImportTests {
  private func run(
    _ bed: TransferBed, to destination: (any ImportDestination)? = nil, format: UIDLFormat? = nil,
    _ change: (inout ImportOptions) -> Void = { _ in }
  ) async -> TransferReport {
    var options = ImportOptions()
    change(&options)
    let origin = MaildirOrigin(MaildirTree(root: bed.maildir), uidlFormat: format, threads: threads)
    return await MailImport(from: origin, to: destination ?? bed.ana, options: options).run(account: "ana")
  }

  @Test func `UIDs, UIDVALIDITY, UIDLs, flags, keywords, dates and subscriptions are kept`() async throws {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      let report = await run(bed)
      #expect(report.isClean, "\(report.text)")
      #expect(report.messages == 5 && report.transferred == 5 && report.verified == 5 && report.present == 0)

      let inbox = try #require(try await bed.ana.mailbox("INBOX"))
      // UID 20 is for the message that Dovecot had not seen: 9 to 19 were given out and deleted there.
      #expect(inbox.uidValidity == 1_234_567_890 && inbox.uidNext == 21)
      let messages = try await bed.ana.all("INBOX")
      #expect(messages.map(\.uid) == [3, 7, 8, 20])
      #expect(messages.map(\.flags) == [[.seen, .answered], [.flagged], [], []])
      #expect(messages.map(\.keywords) == [["$Penting"], ["NonJunk"], [], []])
      #expect(messages.map(\.date.seconds) == [1_000_000_003, 1_000_000_007, 1_000_000_008, 1_000_000_100])
      #expect(messages[0].uidl == "old-uidl-3")
      #expect(try await bed.ana.texts("INBOX")[7] == mail("seven").wire)

      let bills = try #require(try await bed.ana.mailbox("Kerja/Tagihan & Co"))
      #expect(bills.uidValidity == 77 && bills.uidNext == 6 && bills.isSubscribed)
      let bill = try await bed.ana.all("Kerja/Tagihan & Co")
      #expect(bill.map(\.uid) == [5] && bill.map(\.flags) == [[.seen, .deleted]])
      #expect(try await bed.ana.mailbox("Kerja")?.isSubscribed == false)
    }
  }

  @Test func `With the host's UIDL format POP3 clients find their messages again`() async throws {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      let report = await run(bed, format: .dovecot)
      #expect(report.isClean)
      let uidls = try await bed.ana.all("INBOX").map(\.uidl)
      // What Dovecot 2.3 prints for these; its own word where the list has one.
      #expect(uidls.prefix(3) == ["old-uidl-3", "00000007499602d2", "00000008499602d2"])
      // A message that no POP3 client can have seen has no UIDL to keep.
      #expect(!uidls[3].hasSuffix("499602d2"))
    }
  }

  @Test func `A second run brings nothing, and a third what is new`() async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.dovecot()
      _ = await run(bed)
      let before = try await bed.ana.all("INBOX")
      let again = await run(bed)
      #expect(again.isClean, "\(again.text)")
      #expect(again.transferred == 0 && again.present == 5 && again.verified == 5)
      #expect(try await bed.ana.all("INBOX") == before)

      // Dovecot gives the late message the UID that it has here too, and a new one comes.
      try fixture.file("new/3000.M1P1.host", mail("new"), date: 1_000_000_200)
      let third = await run(bed)
      #expect(third.isClean && third.transferred == 1 && third.present == 5)
      #expect(try await bed.ana.all("INBOX").map(\.uid) == [3, 7, 8, 20, 21])
    }
  }

  @Test(arguments: [true, false], 1...4)
  func `A run that is cut anywhere is completed by the next one, nothing twice`(after: Bool, at: Int) async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.dovecot()
      // Large ones go alone: each is a call to be cut at.
      for number in 30..<33 {
        try fixture.file(
          "cur/\(number).M1P1.host:2,", mail("big \(number)", octets: TransferLimits.wholeMessage + 1000),
          date: Int64(number))
      }
      var list = try fixture.read("dovecot-uidlist").replacingOccurrences(of: "N20", with: "N33")
      for number in 30..<33 { list += "\(number) :\(number).M1P1.host\n" }
      try fixture.file("dovecot-uidlist", list)
      let cut = await run(bed, to: TrickyDestination(bed.ana, after ? .failAfter : .failBefore, at: at))
      #expect(cut.stopped != nil && !cut.isClean)
      let report = await run(bed)
      #expect(report.isClean, "\(report.text)")
      #expect(report.messages == 8 && report.verified == 8 && report.transferred + report.present == 8)
      #expect(try await bed.ana.all("INBOX").map(\.uid) == [3, 7, 8, 30, 31, 32, 33])
      #expect(try await bed.ana.texts("INBOX")[31] == mail("big 31", octets: TransferLimits.wholeMessage + 1000).wire)
      #expect(report.mailboxes.allSatisfy { $0.others == 0 && $0.renumbered == 0 })
    }
  }

  /// The new message takes UID 7, and has the date of the source's UID 7, or another one.
  @Test(arguments: [1_000_000_007, 1_700_000_000] as [Int64])
  func `A message that came in meanwhile under the UID of another hides nothing`(_ date: Int64) async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.dovecot()
      _ = try await bed.ana.prepare(ImportedMailbox(name: "INBOX", uidValidity: 1_234_567_890, uidNext: 7))
      let strange = NewStoreMessage(ByteBuffer(string: mail("strange").wire), date: InternalDate(seconds: date))
      _ = try await bed.ana.append([strange], to: "INBOX")
      let report = await run(bed)
      #expect(report.isClean, "\(report.text)")
      #expect(report.mailboxes[0].renumbered == 2 && report.mailboxes[0].others == 1)
      let texts = try await bed.ana.texts("INBOX")
      #expect(texts.count == 5 && texts[7] == mail("strange").wire && texts[8] == mail("eight").wire)
      for subject in ["three", "seven", "late"] { #expect(texts.values.count { $0 == mail(subject).wire } == 1) }
    }
  }

  @Test func `Mail that comes in during the import keeps its UID, and the rest comes behind it`() async throws {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      let mail = TrickyDestination.NewMail(text: "Subject: now\r\n\r\n", date: 1_700_000_000)
      let report = await run(bed, to: TrickyDestination(bed.ana, .deliver(mail), at: 1))
      #expect(report.isClean, "\(report.text)")
      // It took UID 1; the UIDs of the source are all above it.
      #expect(try await bed.ana.all("INBOX").map(\.uid) == [1, 3, 7, 8, 20])
      #expect(report.mailboxes[0].others == 1)
    }
  }

  @Test func `Mail that takes a UID of the source in the middle of the import costs later ones theirs, no more`()
    async throws
  {
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.folder()
      var list = "3 V99 N5 G00\n"
      for number in 1...4 {
        let octets = number == 4 ? 0 : TransferLimits.wholeMessage + 1
        try fixture.file("cur/\(number).a:2,S", mail("m\(number)", octets: octets), date: Int64(number))
        list += "\(number) P\(number) :\(number).a\n"
      }
      try fixture.file("dovecot-uidlist", list)
      let mail = TrickyDestination.NewMail(text: "Subject: now\r\n\r\n", date: 1_700_000_000)
      let report = await run(bed, to: TrickyDestination(bed.ana, .deliver(mail), at: 2))
      #expect(report.isClean, "\(report.text)")
      let inbox = report.mailboxes[0]
      // UID 2 went to the new message: 2 comes behind, 3 and 4 are still above it.
      #expect(inbox.renumbered == 1 && inbox.others == 1 && inbox.keepsUIDValidity)
      let messages = try await bed.ana.all("INBOX")
      #expect(messages.map(\.uid) == [1, 2, 3, 4, 5])
      #expect(messages.filter { $0.uid != 2 }.map(\.uidl) == ["1", "3", "4", "2"])
      let again = await run(bed)
      #expect(again.isClean && again.transferred == 0, "\(again.text)")
    }
  }

  @Test func `In a mailbox with messages of its own UIDs are new, and messages that are there are not doubled`()
    async throws
  {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      let there = NewStoreMessage(ByteBuffer(string: mail("seven").wire))
      _ = try await bed.ana.append([there, NewStoreMessage(ByteBuffer(string: "Subject: own\r\n\r\n"))], to: "INBOX")
      let report = await run(bed)
      #expect(report.isClean, "\(report.text)")
      let inbox = report.mailboxes[0]
      #expect(!inbox.keepsUIDValidity && inbox.present == 1 && inbox.transferred == 3 && inbox.renumbered == 3)
      #expect(inbox.others == 1 && inbox.notes.count == 1)
      #expect(try await bed.ana.all("INBOX").map(\.uid) == [1, 2, 3, 4, 5])
      let again = await run(bed)
      #expect(again.isClean && again.transferred == 0 && again.present == 5)
    }
  }

  @Test func `A UIDL that is taken is left out, and said`() async throws {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      let other = NewStoreMessage(ByteBuffer(string: "Subject: x\r\n\r\n"), uidl: "old-uidl-3")
      _ = try await bed.ana.append([other], to: "Archive")
      let report = await run(bed)
      #expect(report.isClean && report.mailboxes[0].newUIDLs == 1)
      #expect(try await bed.ana.all("INBOX").map(\.uid) == [3, 7, 8, 20])
    }
  }

  @Test func `A full account stops the import, and more room lets it go on`() async throws {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      func setQuota(_ messages: Int64) async throws {
        await bed.door.close()
        let settings = AccountSettings(quotaMessages: messages)
        _ = try await DataFolder.call(.accountChange(name: "ana", settings: settings), in: bed.path + "/data")
      }
      try await setQuota(2)
      let door = try await StoreDoor.open(directory: bed.path + "/data")
      let full = await run(bed, to: door.account("ana"))
      #expect(full.stopped?.contains("full") == true && !full.isClean)
      let rest = await run(bed, to: door.account("ana", ignoringQuota: true))
      #expect(rest.isClean, "\(rest.text)")
      await door.close()
    }
  }

  @Test func `Odd messages come in by the rule for line ends, and compare`() async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.folder()
      try fixture.file("cur/1.a:2,", "Subject: cr\r\n\r\nbare\rcr\nlf\r\n")
      try fixture.file("cur/2.a:2,", "")
      try fixture.file("cur/3.a:2,", "no header, and a nul \0 and no end")
      try fixture.file("cur/4.a:2,", mail("large", octets: 3 << 20) + "tail\r")
      let report = await run(bed)
      #expect(report.isClean, "\(report.text)")
      let texts = try await bed.ana.texts("INBOX")
      #expect(Set(texts.values).contains("Subject: cr\r\n\r\nbare\r\ncr\r\nlf\r\n") && texts.values.contains(""))
      #expect(texts.values.contains(mail("large", octets: 3 << 20).wire + "tail\r\n"))
      let again = await run(bed)
      #expect(again.isClean && again.transferred == 0)
    }
  }

  @Test func `Only the mailboxes asked for come, and one that is not there is named`() async throws {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      let report = await run(bed) { $0.mailboxes = ["Kerja/Tagihan & Co", "Nowhere"] }
      #expect(report.mailboxes.map(\.name) == ["Kerja/Tagihan & Co"] && report.transferred == 1)
      #expect(report.problems.count == 1 && report.problems[0].contains("Nowhere") && !report.isClean)
    }
  }

  @Test func `Bytes that the destination has lost are found, and brought again`() async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.folder()
      for number in 1...3 { try fixture.file("cur/\(number).a:2,", mail("m\(number)", octets: 20_000), date: 5) }
      _ = await run(bed)
      let packs = bed.path + "/data/volumes/1/packs"
      let files = try FileManager.default.contentsOfDirectory(atPath: packs)
      let pack = try #require(files.first { $0.hasSuffix(".pack") })
      let file = try #require(FileHandle(forUpdatingAtPath: "\(packs)/\(pack)"))
      try file.seek(toOffset: try file.seekToEnd() / 2)
      try file.write(contentsOf: Data(repeating: 0x55, count: 64))
      try file.close()
      let report = await run(bed)
      #expect(report.isClean && report.transferred == 1 && report.mailboxes[0].others == 1, "\(report.text)")
      // So that the check at the end of the test sees a store without the damaged message.
      try FileManager.default.removeItem(atPath: bed.path + "/data")
      await bed.door.close()
      _ = try await DataFolder.call(
        .accountAdd(name: "ana", password: "secret", settings: AccountSettings()), in: bed.path + "/data")
    }
  }

  @Test func `Events tell how far it is, and end with the outcome`() async throws {
    try await withBed { bed in
      try Fixture(root: bed.maildir).dovecot()
      let events = Mutex<[JobEvent]>([])
      let origin = MaildirOrigin(MaildirTree(root: bed.maildir), uidlFormat: nil, threads: threads)
      let work = MailImport(from: origin, to: bed.ana, options: ImportOptions())
      _ = await work.run(account: "ana") { event in events.withLock { $0.append(event) } }
      let seen = events.withLock { $0 }
      #expect(seen.first?.event == .started && seen.last?.event == .finished)
      #expect(seen.last?.done == 5 && seen.last?.total == 5 && (seen.last?.bytes ?? 0) > 0)
    }
  }
}

/// Messages that the test makes up.
private final class MadeUpOrigin: ImportOrigin {
  let name = "made up"
  let listing: OriginListing
  let texts: [String: String]

  init(_ messages: [(OriginMessage, String)]) {
    listing = OriginListing(messages: messages.map(\.0))
    texts = Dictionary(uniqueKeysWithValues: messages.filter { !$1.isEmpty }.map { ($0.key, $1) })
  }

  func mailboxes() -> [OriginMailbox] { [OriginMailbox(name: "Old", path: ["Old"], messages: listing.messages.count)] }
  func list(_ mailbox: OriginMailbox) -> OriginListing { listing }
  func bodies(
    _ messages: [OriginMessage], of mailbox: OriginMailbox, _ handle: (Int, OriginBody) async throws -> Void
  ) async throws {
    for (index, message) in messages.enumerated() {
      try await handle(index, texts[message.key].map { .whole(ByteBuffer(string: $0)) } ?? .unreadable("torn"))
    }
  }
}

@Suite struct OddOriginTests {
  private func run(_ origin: MadeUpOrigin, _ destination: any ImportDestination) async -> TransferReport {
    await MailImport(from: origin, to: destination, options: ImportOptions()).run(account: "ana")
  }

  @Test func `Keywords that IMAP cannot show are changed, and those beyond the limit cost nobody else's`() async throws
  {
    try await withBed { bed in
      let many = (0..<70).map { "k\($0)" }
      let origin = MadeUpOrigin([
        (OriginMessage(key: "a", keywords: ["To Do", "\\Odd", "plain"]), "Subject: a\r\n\r\n"),
        (OriginMessage(key: "b", keywords: many), "Subject: b\r\n\r\n"),
        (OriginMessage(key: "c", keywords: ["plain"]), "Subject: c\r\n\r\n"),
      ])
      let report = await run(origin, bed.ana)
      #expect(report.isClean && report.mailboxes[0].notes.count == 3, "\(report.text)")
      let keywords = try await bed.ana.all("Old").map(\.keywords)
      #expect(keywords == [["To_Do", "_Odd", "plain"], [], ["plain"]])
    }
  }

  @Test func `What the store refuses and what cannot be read is named, and all else comes`() async throws {
    try await withBed { bed in
      let origin = MadeUpOrigin([
        (OriginMessage(key: "a", uidl: "a"), "Subject: a\r\n\r\n"),
        (OriginMessage(key: "b", uidl: "b"), "Subject: b\r\n\r\n"),
        (OriginMessage(key: "c", uidl: "not a uidl"), "Subject: c\r\n\r\n"),
        (OriginMessage(key: "d"), ""),
      ])
      let picky = TrickyDestination(bed.ana, .refuse(uidl: "b", .messageTooLarge(limit: 10)), at: 0)
      let report = await run(origin, picky)
      #expect(!report.isClean && report.transferred == 2 && report.verified == 2, "\(report.text)")
      #expect(report.mailboxes[0].problemCount == 2 && report.mailboxes[0].problems.contains("d: torn"))
      #expect(report.mailboxes[0].problems.contains { $0.hasPrefix("b: larger than 10") })
      #expect(report.mailboxes[0].newUIDLs == 1)
      let texts = try await bed.ana.texts("Old")
      #expect(Set(texts.values) == ["Subject: a\r\n\r\n", "Subject: c\r\n\r\n"])
    }
  }
}

@Suite struct UIDLFormatTests {
  /// The right sides are what `dovecot 2.3.19` printed for UID 30, UIDVALIDITY 1234567890.
  @Test(arguments: [
    ("%08Xu%08Xv", "0000001e499602d2"), ("%Xu", "1e"), ("%08u", "00000030"), ("%Xv.%Xu", "499602d2.1e"),
    ("%v-%u", "1234567890-30"), ("%f", "1700000000.M1P1.host"), ("%g", "1700000000.M1P1.host"),
    ("UID%u-%v", "UID30-1234567890"),
  ])
  func `UIDLs are those that Dovecot makes`(format: String, uidl: String) async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.folder()
      try fixture.file("cur/1700000000.M1P1.host:2,S", mail("x"))
      try fixture.file("dovecot-uidlist", "3 V1234567890 N50 G00\n30 :1700000000.M1P1.host\n")
      let origin = MaildirOrigin(
        MaildirTree(root: bed.maildir), uidlFormat: try UIDLFormat(format), threads: threads)
      let report = await MailImport(from: origin, to: bed.ana, options: ImportOptions()).run(account: "ana")
      #expect(report.isClean)
      #expect(try await bed.ana.all("INBOX").map(\.uidl) == [uidl])
    }
  }

  @Test(arguments: ["", "plain", "%", "%q", "%99u", "%08f", "%5X"])
  func `A format that makes no UIDLs is refused`(_ format: String) {
    #expect(throws: UIDLFormat.Refusal.self) { try UIDLFormat(format) }
  }
}
