import IMAPClient
import MailStore
import MailTransfer
import MerpatiServer
import NIOCore
import Testing

@Suite struct IMAPImportTests {
  private func message(
    _ subject: String, uid: UID? = nil, octets: Int = 0, flags: SystemFlags = [], keywords: [String] = []
  ) -> NewStoreMessage {
    NewStoreMessage(
      ByteBuffer(string: mail(subject, octets: octets).wire), flags: flags, keywords: keywords,
      date: InternalDate(seconds: 1_000_000_000, zoneMinutes: 420), uid: uid)
  }

  /// Runs a test with an account on a server and another one to import into. A message of the source is not seen yet.
  private func withServer(
    _ fill: (AccountDoor) async throws -> Void,
    _ body: (IMAPServerBed, TransferBed) async throws -> Void
  ) async throws {
    let source = try await TransferBed()
    try await fill(source.ana)
    await source.door.close()
    let server = try await IMAPServerBed(data: source.path + "/data")
    do { try await withBed { try await body(server, $0) } } catch {
      await server.stop()
      throw error
    }
    await server.stop()
  }

  private func run(
    _ server: IMAPServerBed, _ destination: any ImportDestination, format: UIDLFormat? = nil,
    _ change: (inout ImportOptions) -> Void = { _ in }
  ) async throws -> TransferReport {
    var options = ImportOptions()
    change(&options)
    let client = try await server.logIn()
    let origin = IMAPOrigin(client, name: "test", uidlFormat: format)
    let report = await MailImport(from: origin, to: destination, options: options).run(account: "budi")
    await client.logOut()
    return report
  }

  @Test func `Another server's mail comes with UIDs, flags, keywords, dates, folders and uses`() async throws {
    try await withServer { ana in
      _ = try await ana.prepare(ImportedMailbox(name: "INBOX", uidValidity: 4711))
      _ = try await ana.append(
        [message("one", uid: 3, flags: [.seen, .answered], keywords: ["$Penting"]), message("two", uid: 9)],
        to: "INBOX")
      // Larger than what is held, and one that is exactly as large.
      _ = try await ana.append([message("large", uid: 10, octets: 3 << 20)], to: "INBOX")
      let even = ByteBuffer(repeating: 0x61, count: 2 * TransferLimits.wholeMessage)
      _ = try await ana.append([NewStoreMessage(even, uid: 11), NewStoreMessage(ByteBuffer(), uid: 12)], to: "INBOX")
      _ = try await ana.prepare(ImportedMailbox(name: "INBOX", uidNext: 50))
      _ = try await ana.prepare(
        ImportedMailbox(name: "Kerja/Tagihan é", specialUse: .flagged, isSubscribed: true))
      for start in [0, 350] {
        _ = try await ana.append((start..<start + 350).map { message("bill \($0)") }, to: "Kerja/Tagihan é")
      }
    } _: { server, bed in
      let report = try await run(server, bed.budi, format: .dovecot)
      #expect(report.isClean, "\(report.text)")
      #expect(report.messages == 705 && report.verified == 705)
      let inbox = try #require(try await bed.budi.mailbox("INBOX"))
      #expect(inbox.uidValidity == 4711 && inbox.uidNext == 50)
      let messages = try await bed.budi.all("INBOX")
      #expect(messages.map(\.uid) == [3, 9, 10, 11, 12])
      #expect(messages[0].flags == [.seen, .answered] && messages[0].keywords == ["$Penting"])
      #expect(messages[0].date == InternalDate(seconds: 1_000_000_000, zoneMinutes: 420))
      #expect(messages[0].uidl == "0000000300001267")
      let texts = try await bed.budi.texts("INBOX")
      #expect(texts[10] == mail("large", octets: 3 << 20).wire && texts[12] == "")
      let bills = try #require(try await bed.budi.mailbox("Kerja/Tagihan é"))
      #expect(bills.messages == 700 && bills.isSubscribed && bills.specialUse == .flagged)

      let again = try await run(server, bed.budi)
      #expect(again.isClean && again.transferred == 0 && again.present == 705, "\(again.text)")

      // Nothing has changed over there.
      let ana = try #require(try await server.store.account(named: "ana"))
      let info = try #require(try await server.store.mailbox(named: "INBOX", of: ana.id))
      #expect(info.unseen == 4 && info.messages == 5 && info.recentFloor == 1)
    }
  }

  @Test(arguments: 1...3)
  func `A cut import is completed`(_ at: Int) async throws {
    try await withServer { ana in
      _ = try await ana.append((0..<300).map { message("a \($0)") }, to: "INBOX")
      _ = try await ana.append([message("large", octets: 2 << 20)], to: "INBOX")
      _ = try await ana.append((0..<10).map { message("b \($0)") }, to: "INBOX")
    } _: { server, bed in
      let cut = try await run(server, TrickyDestination(bed.budi, .failAfter, at: at))
      #expect(cut.stopped != nil)
      let report = try await run(server, bed.budi)
      #expect(report.isClean && report.verified == 311 && report.present > 0, "\(report.text)")
      #expect(try await bed.budi.all("INBOX").map(\.uid) == (1...311).map { UID($0) })
    }
  }

  @Test func `Without UIDs messages get new ones, and are known again by their bytes`() async throws {
    try await withServer { ana in
      _ = try await ana.append([message("one", uid: 5), message("two", uid: 7), message("two", uid: 8)], to: "INBOX")
    } _: { server, bed in
      let report = try await run(server, bed.budi) { $0.keepsUIDs = false }
      #expect(report.isClean && report.transferred == 3)
      #expect(try await bed.budi.all("INBOX").map(\.uid) == [1, 2, 3])
      let again = try await run(server, bed.budi) { $0.keepsUIDs = false }
      #expect(again.isClean && again.transferred == 0 && again.present == 3, "\(again.text)")
    }
  }
}
