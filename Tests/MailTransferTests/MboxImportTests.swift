import Foundation
import LocalMail
import MailStore
import MailTransfer
import MerpatiServer
import NIOCore
import Testing

@Suite struct MboxImportTests {
  private func run(_ bed: TransferBed, _ path: String, mailbox: String? = nil) async throws -> TransferReport {
    let origin = try await MboxOrigin(path, mailbox: mailbox, threads: threads)
    return await MailImport(from: origin, to: bed.ana, options: ImportOptions()).run(account: "ana")
  }

  @Test func `A file as Dovecot and UW-IMAP keep it brings UIDs, flags and keywords`() async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.path)
      try fixture.file(
        "mail",
        """
        From ana@example.org Sun Sep  9 01:46:40 2001
        X-IMAPbase: 1234567890 0000000009 $Penting
        X-UID: 4
        Status: RO
        X-Status: A
        X-Keywords: $Penting
        Subject: one

        Hello
        >From here on.

        From ana@example.org Sun Sep  9 01:46:41 2001
        X-UID: 7
        Status: O
        Subject: two

        no end
        """)
      let report = try await run(bed, bed.path + "/mail", mailbox: "INBOX")
      #expect(report.isClean && report.verified == 2, "\(report.text)")
      let inbox = try #require(try await bed.ana.mailbox("INBOX"))
      #expect(inbox.uidValidity == 1_234_567_890 && inbox.uidNext == 10)
      let messages = try await bed.ana.all("INBOX")
      #expect(messages.map(\.uid) == [4, 7] && messages.map(\.flags) == [[.seen, .answered], []])
      #expect(messages[0].keywords == ["$Penting"] && messages[0].date.seconds == 1_000_000_000)
      let texts = try await bed.ana.texts("INBOX")
      #expect(texts[4]?.hasSuffix("Hello\r\nFrom here on.\r\n") == true && texts[7]?.hasSuffix("no end") == true)
      let again = try await run(bed, bed.path + "/mail", mailbox: "INBOX")
      #expect(again.isClean && again.transferred == 0 && again.present == 2, "\(again.text)")
    }
  }

  @Test func `A tree of files becomes a tree of mailboxes, and other files are passed over`() async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.path + "/Mail")
      for folder in ["", "Work.sbd"] {
        try FileManager.default.createDirectory(
          atPath: "\(fixture.root)/\(folder)", withIntermediateDirectories: true)
      }
      func message(_ subject: String) -> String {
        "From - Sun Sep  9 01:46:40 2001\nSubject: \(subject)\n\ntext\n\n"
      }
      try fixture.file("Inbox", message("a") + message("b"))
      try fixture.file("Inbox.msf", "// <!-- Mork -->")
      try fixture.file("Work", message("c"))
      try fixture.file("Work.sbd/Bills.mbox", message("d"))
      try fixture.file("Work.sbd/Empty.mbox", "")
      try fixture.file("notes.txt", "From here on, no mail.\n")
      try FileManager.default.createSymbolicLink(
        atPath: fixture.root + "/Loop", withDestinationPath: fixture.root)
      let report = try await run(bed, fixture.root)
      let names = report.mailboxes.map(\.name).sorted()
      #expect(names == ["INBOX", "Work", "Work/Bills", "Work/Empty"])
      #expect(report.isClean && report.transferred == 4 && report.verified == 4, "\(report.text)")
      #expect(try await bed.ana.mailbox("INBOX")?.messages == 2)
    }
  }

  @Test func `Large messages are read whole, and known again`() async throws {
    try await withBed { bed in
      let fixture = Fixture(root: bed.path)
      let large = mail("large", octets: 3 << 20).replacingOccurrences(of: "\nFrom ", with: "\n>From ")
      let line = "From - Sun Sep  9 01:46:40 2001\n"
      try fixture.file(
        "old.mbox", line + large + "\n" + line + mail("small").replacingOccurrences(of: "\nFrom ", with: "\n>From "))
      for transferred in [2, 0] {
        let report = try await run(bed, bed.path + "/old.mbox")
        #expect(report.isClean && report.transferred == transferred, "\(report.text)")
      }
      let texts = try await bed.ana.texts("old")
      #expect(Set(texts.values) == [mail("large", octets: 3 << 20).wire, mail("small").wire])
    }
  }
}
