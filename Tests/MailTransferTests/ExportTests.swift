import Foundation
import LocalMail
import MailStore
import MailTransfer
import MerpatiServer
import NIOCore
import Testing

@Suite struct ExportTests {
  private func message(
    _ subject: String, uid: UID, octets: Int = 0, flags: SystemFlags = [], keywords: [String] = [], uidl: String? = nil
  ) -> NewStoreMessage {
    NewStoreMessage(
      ByteBuffer(string: mail(subject, octets: octets).wire), flags: flags, keywords: keywords,
      date: InternalDate(seconds: 1_000_000_000 + Int64(uid)), uid: uid, uidl: uidl)
  }

  /// An account with gaps in its UIDs, flags, keywords, a large message and nested mailboxes.
  private func fill(_ ana: AccountDoor) async throws {
    _ = try await ana.prepare(ImportedMailbox(name: "INBOX", uidValidity: 4711))
    _ = try await ana.append(
      [
        message("one", uid: 2, flags: [.seen, .answered, .draft], keywords: ["$Forwarded", "Penting"], uidl: "old~1"),
        message("two", uid: 5, flags: [.flagged, .deleted]),
      ], to: "INBOX")
    _ = try await ana.append([message("large", uid: 9, octets: 3 << 20)], to: "INBOX")
    _ = try await ana.append(
      [message("From line", uid: 10), NewStoreMessage(ByteBuffer(string: "no end"), uid: 11)], to: "INBOX")
    _ = try await ana.prepare(ImportedMailbox(name: "INBOX", uidNext: 40))
    _ = try await ana.prepare(
      ImportedMailbox(name: "Kerja/Tagihan é", uidValidity: 5, specialUse: .flagged, isSubscribed: true))
    _ = try await ana.append([message("bill", uid: 1)], to: "Kerja/Tagihan é")
  }

  private func export(_ bed: TransferBed, from account: any ExportSource, mbox: Bool = false) async -> TransferReport {
    let target: any ExportTarget =
      mbox
      ? MboxTarget(bed.path + "/mbox", threads: threads)
      : MaildirTarget(MaildirTree(root: bed.maildir), threads: threads)
    return await MailExport(from: account, to: target, options: ExportOptions()).run(account: "ana")
  }

  private func importMaildir(_ bed: TransferBed, _ destination: any ImportDestination) async -> TransferReport {
    let origin = MaildirOrigin(MaildirTree(root: bed.maildir), uidlFormat: nil, threads: threads)
    return await MailImport(from: origin, to: destination, options: ImportOptions()).run(account: "budi")
  }

  @Test func `Exported to a Maildir and imported again, an account is the same`() async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      let out = await export(bed, from: bed.ana)
      #expect(out.isClean, "\(out.text)")
      #expect(out.messages == 6 && out.transferred == 6 && out.verified == 6)
      let back = await importMaildir(bed, bed.budi)
      #expect(back.isClean && back.messages == 6, "\(back.text)")
      for name in ["INBOX", "Kerja/Tagihan é"] {
        #expect(try await bed.ana.all(name).map(\.plain) == bed.budi.all(name).map(\.plain))
        #expect(try await bed.ana.texts(name) == bed.budi.texts(name))
        let one = try #require(try await bed.ana.mailbox(name))
        let other = try #require(try await bed.budi.mailbox(name))
        #expect(one.uidValidity == other.uidValidity && one.uidNext == other.uidNext)
        #expect(one.isSubscribed == other.isSubscribed && one.bytes == other.bytes)
      }
      // Without its first subscription an account could not tell its own from those that came.
      #expect(try Fixture(root: bed.maildir).read("subscriptions").contains("Kerja"))
    }
  }

  @Test(arguments: [false, true])
  func `A second export copies nothing, and a third what is new`(mbox: Bool) async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      _ = await export(bed, from: bed.ana, mbox: mbox)
      let again = await export(bed, from: bed.ana, mbox: mbox)
      #expect(again.isClean && again.transferred == 0 && again.present == 6 && again.verified == 6, "\(again.text)")
      _ = try await bed.ana.append([message("new", uid: 50)], to: "INBOX")
      let third = await export(bed, from: bed.ana, mbox: mbox)
      #expect(third.isClean && third.transferred == 1 && third.verified == 7, "\(third.text)")
    }
  }

  @Test func `Flags that have changed since are shown by the next export`() async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      _ = await export(bed, from: bed.ana)
      let files = try FileManager.default.contentsOfDirectory(atPath: bed.maildir + "/cur")
      let one = try #require(files.first { $0.hasSuffix(":2,DPRSab") })
      try FileManager.default.moveItem(
        atPath: bed.maildir + "/cur/" + one,
        toPath: bed.maildir + "/cur/" + one.replacingOccurrences(of: "DPRSab", with: "F"))
      #expect(await export(bed, from: bed.ana).isClean)
      #expect(try FileManager.default.contentsOfDirectory(atPath: bed.maildir + "/cur").contains(one))
    }
  }

  @Test func `An export that lost its list of UIDs knows its files again`() async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      _ = await export(bed, from: bed.ana)
      try Fixture(root: bed.maildir).remove("dovecot-uidlist")
      let report = await export(bed, from: bed.ana)
      #expect(report.isClean && report.transferred == 0 && report.present == 6, "\(report.text)")
      let back = await importMaildir(bed, bed.budi)
      #expect(back.isClean)
      #expect(try await bed.budi.all("INBOX").map(\.uid) == [2, 5, 9, 10, 11])
    }
  }

  @Test func `A Maildir with mail under another UIDVALIDITY is left alone`() async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      try Fixture(root: bed.maildir).dovecot()
      let list = try Fixture(root: bed.maildir).read("dovecot-uidlist")
      let report = await export(bed, from: bed.ana)
      #expect(!report.isClean && report.mailboxes[0].problems.count == 1)
      #expect(try Fixture(root: bed.maildir).read("dovecot-uidlist") == list)
      #expect(try FileManager.default.contentsOfDirectory(atPath: bed.maildir + "/cur").count == 2)
    }
  }

  @Test(.enabled(if: Dovecot.isInstalled))
  func `Dovecot finds the UIDs, flags, keywords and UIDLs of an exported Maildir`() async throws {
    let dovecot = Dovecot()
    try await withBed { bed in
      try await fill(bed.ana)
      #expect(await export(bed, from: bed.ana).isClean)
      let imap = try dovecot.imap(
        bed.maildir,
        "a STATUS INBOX (UIDVALIDITY UIDNEXT)\r\nb SELECT INBOX\r\nc FETCH 1:* (UID FLAGS INTERNALDATE)\r\n")
      #expect(imap.contains("UIDNEXT 40 UIDVALIDITY 4711"), "\(imap)")
      #expect(imap.contains("* 1 FETCH (UID 2 FLAGS (\\Answered \\Seen \\Draft "), "\(imap)")
      #expect(imap.contains("$Forwarded") && imap.contains("Penting"))
      #expect(imap.contains("* 5 FETCH (UID 11 "))
      #expect(imap.contains(#"INTERNALDATE "09-Sep-2001"#))
      let names = try dovecot.imap(bed.maildir, "a LSUB \"\" *\r\n")
      #expect(names.contains("Tagihan &AOk-"))
      #expect(try dovecot.pop3(bed.maildir, "UIDL\r\n").contains("1 old~1"))
    }
  }

  @Test(.enabled(if: Dovecot.isInstalled))
  func `What Dovecot made of a Maildir is imported with its numbers`() async throws {
    let dovecot = Dovecot()
    try await withBed { bed in
      let fixture = Fixture(root: bed.maildir)
      try fixture.folder()
      for number in 1...3 { try fixture.file("new/\(number).M1P1.host", mail("m\(number)"), date: 1_000_000_000) }
      let said = try dovecot.imap(
        bed.maildir,
        "a SELECT INBOX\r\nb UID STORE 2 +FLAGS (\\Deleted)\r\nc EXPUNGE\r\nd UID STORE 3 +FLAGS (\\Seen $Label1)\r\n"
          + "e STATUS INBOX (UIDVALIDITY)\r\nf CREATE Sub\r\ng SUBSCRIBE Sub\r\n")
      let uidls = try dovecot.pop3(bed.maildir, "UIDL\r\n")
      let origin = MaildirOrigin(MaildirTree(root: bed.maildir), uidlFormat: .dovecot, threads: threads)
      let report = await MailImport(from: origin, to: bed.budi, options: ImportOptions()).run(account: "budi")
      #expect(report.isClean, "\(report.text)")
      let inbox = try #require(try await bed.budi.mailbox("INBOX"))
      #expect(said.contains("UIDVALIDITY \(inbox.uidValidity)") && inbox.uidNext == 4)
      let messages = try await bed.budi.all("INBOX")
      #expect(messages.map(\.uid) == [1, 3])
      #expect(messages.last?.flags == [.seen], "\(said)")
      #expect(messages.last?.keywords == ["$Label1"])
      for message in messages { #expect(uidls.contains(" \(message.uidl)\r\n"), "\(uidls)") }
      #expect(try await bed.budi.mailbox("Sub")?.isSubscribed == true)
    }
  }

  // MARK: mbox

  @Test func `Exported to mbox files and imported again, messages, flags and UIDLs are the same`() async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      let out = await export(bed, from: bed.ana, mbox: true)
      #expect(out.isClean && out.verified == 6, "\(out.text)")
      #expect(try Fixture(root: bed.path + "/mbox").read("INBOX.mbox").contains("X-UID: 2\n"))
      let origin = try await MboxOrigin(bed.path + "/mbox", mailbox: nil, threads: threads)
      let back = await MailImport(from: origin, to: bed.budi, options: ImportOptions()).run(account: "budi")
      #expect(back.isClean && back.messages == 6, "\(back.text)")
      for name in ["INBOX", "Kerja/Tagihan é"] {
        let one = try await bed.ana.all(name)
        let other = try await bed.budi.all(name)
        #expect(one.map(\.flags) == other.map(\.flags) && one.map(\.uidl) == other.map(\.uidl))
        #expect(one.map(\.date.seconds) == other.map(\.date.seconds))
        #expect(one.map { Set($0.keywords) } == other.map { Set($0.keywords) })
        let (bytes, copies) = (try await bed.ana.texts(name), try await bed.budi.texts(name))
        #expect(one.map { bytes[$0.uid] } == other.map { copies[$0.uid] })
      }
    }
  }

  @Test(arguments: [1, 40, 3000, 2_000_000])
  func `An mbox file that was cut is completed, and nothing is lost`(octets: Int) async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      _ = await export(bed, from: bed.ana, mbox: true)
      let file = URL(fileURLWithPath: bed.path + "/mbox/INBOX.mbox")
      let whole = try Data(contentsOf: file)
      try whole.dropLast(octets).write(to: file)
      let report = await export(bed, from: bed.ana, mbox: true)
      #expect(report.isClean, "\(report.text)")
      // The empty line behind the last message is nobody's mail.
      #expect(try Data(contentsOf: file).count >= whole.count - 1)
    }
  }

  @Test func `An mbox file with mail of others is left alone`() async throws {
    try await withBed { bed in
      try await fill(bed.ana)
      let fixture = Fixture(root: bed.path + "/mbox")
      try FileManager.default.createDirectory(atPath: fixture.root, withIntermediateDirectories: true)
      let foreign = "From ana@example.org Mon Sep 21 14:13:20 2026\nSubject: mine\n\nKeep me.\n\n"
      try fixture.file("INBOX.mbox", foreign)
      let report = await export(bed, from: bed.ana, mbox: true)
      #expect(!report.isClean && report.mailboxes[0].problems.count == 1)
      #expect(try fixture.read("INBOX.mbox") == foreign)
    }
  }

  @Test func `A damaged message is named, and all others are exported`() async throws {
    let bed = try await TransferBed()
    for number in 1...3 {
      _ = try await bed.ana.append([message("m\(number)", uid: UID(number), octets: 20_000)], to: "INBOX")
    }
    let packs = bed.path + "/data/volumes/1/packs"
    let files = try FileManager.default.contentsOfDirectory(atPath: packs)
    let pack = try #require(files.first { $0.hasSuffix(".pack") })
    let file = try #require(FileHandle(forUpdatingAtPath: "\(packs)/\(pack)"))
    try file.seek(toOffset: try file.seekToEnd() / 2)
    try file.write(contentsOf: Data(repeating: 0x55, count: 64))
    try file.close()
    let report = await export(bed, from: bed.ana)
    #expect(!report.isClean && report.transferred == 2 && report.verified == 2, "\(report.text)")
    #expect(report.mailboxes[0].problems.count == 1 && report.mailboxes[0].problems[0].hasPrefix("UID 2:"))
    await bed.door.close()
  }
}

extension StoreMessage {
  /// What a Maildir can hold: no zone, and keywords in any order.
  var plain: StoreMessage {
    var message = self
    message.keywords.sort()
    message.date.zoneMinutes = 0
    return message
  }
}
