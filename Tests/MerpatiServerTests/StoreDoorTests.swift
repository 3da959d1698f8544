import Foundation
import LocalMail
import MailStore
import MailTransfer
import NIOCore
import Synchronization
import Testing

@testable import MerpatiServer

@Suite struct StoreDoorTests {
  private func message(_ text: String, uid: UID? = nil, uidl: String? = nil) -> NewStoreMessage {
    NewStoreMessage(
      ByteBuffer(string: text), flags: [.seen, .answered], keywords: ["$Work", "later"],
      date: InternalDate(seconds: 1_100_000_000, zoneMinutes: -300), uid: uid, uidl: uidl)
  }

  private func fingerprint(_ text: String) -> Fingerprint {
    var stream = FingerprintStream()
    stream.update(ByteBuffer(string: text))
    return stream.finish()
  }

  @Test(arguments: Way.allCases)
  func `What goes in by append comes out by describe, read and fingerprints`(_ way: Way) async throws {
    try await withDoor(way) { door, _ in
      let ana = door.account("ana")
      let made = try await ana.prepare(
        ImportedMailbox(name: "Old/Bills", uidValidity: 4711, specialUse: .flagged, isSubscribed: true))
      #expect(made.uidValidity == 4711 && made.isSubscribed && made.specialUse == .flagged)
      let given = try await ana.append(
        [message(text(1), uid: 3, uidl: "old-3"), message(text(2, octets: 3_000_000), uid: 9), message("")],
        to: "Old/Bills")
      #expect(given.assigned == [3, 9, 10] && given.uidValidity == 4711)
      #expect(try await ana.prepare(ImportedMailbox(name: "Old/Bills", uidNext: 100)).uidNext == 100)

      let listing = try await ana.listing()
      #expect(listing.mailboxes.first?.name == "INBOX")
      let bills = try #require(listing.mailboxes.first { $0.name == "Old/Bills" })
      #expect(bills.messages == 3 && bills.uidNext == 100)
      let page = try await ana.describe("Old/Bills", after: 0)
      #expect(page.next == nil && page.messages.map(\.uid) == [3, 9, 10])
      #expect(
        page.messages.first
          == StoreMessage(
            uid: 3, size: text(1).utf8.count, flags: [.seen, .answered], keywords: ["$Work", "later"],
            date: InternalDate(seconds: 1_100_000_000, zoneMinutes: -300), uidl: "old-3"))
      #expect(try await ana.describe("Old/Bills", after: 9).messages.map(\.uid) == [10])
      #expect(try await ana.describe("Old/Bills", after: 10) == StorePage(messages: [], next: nil))

      // UID 5 is not there, and is passed over.
      let found = try await ana.fingerprints("Old/Bills", of: [3, 5, 9, 10])
      #expect(
        found == [3: fingerprint(text(1)), 9: fingerprint(text(2, octets: 3_000_000)), 10: fingerprint("")])
      let read = try await gather(ana, "Old/Bills", [3, 5, 9, 10])
      #expect(read == [3: text(1), 9: text(2, octets: 3_000_000), 10: ""])
    }
  }

  @Test(arguments: Way.allCases)
  func `Many messages come in pages and in order`(_ way: Way) async throws {
    try await withDoor(way) { door, _ in
      let ana = door.account("ana")
      let count = ControlLimits.describedMessages + 500
      for start in stride(from: 0, to: count, by: 250) {
        _ = try await ana.append((start..<start + 250).map { message(text($0)) }, to: "INBOX")
      }
      var uids: [UID] = []
      var after: UID? = 0
      var pages = 0
      while let from = after {
        let page = try await ana.describe("INBOX", after: from)
        uids += page.messages.map(\.uid)
        after = page.next
        pages += 1
      }
      #expect(uids == (1...count).map { UID($0) } && pages == 2)
      let read = try await gather(ana, "INBOX", uids)
      #expect(read == Dictionary(uniqueKeysWithValues: uids.map { ($0, text(Int($0) - 1)) }))
      #expect(try await ana.fingerprints("INBOX", of: uids).count == count)
    }
  }

  @Test(arguments: Way.allCases)
  func `What the store refuses comes back as what it threw`(_ way: Way) async throws {
    try await withDoor(way) { door, bed in
      let ana = door.account("ana")
      _ = try await ana.append([message(text(1), uid: 8, uidl: "a")], to: "INBOX")
      await #expect(throws: StoreError.importRefused(.uidNotAbove(8, uidNext: 9))) {
        try await ana.append([message(text(2), uid: 8)], to: "INBOX")
      }
      await #expect(throws: StoreError.importRefused(.uidlInUse("a"))) {
        try await ana.append([message(text(2), uidl: "a")], to: "INBOX")
      }
      await #expect(throws: StoreError.noSuchMailbox("none")) {
        try await ana.append([message(text(2))], to: "none")
      }
      await #expect(throws: StoreError.noSuchMailbox("none")) { try await ana.read("none", [1]) { _ in } }
      await #expect(throws: StoreError.noSuchAccount("budi")) { try await door.account("budi").listing() }
      let inbox = try #require(try await ana.listing().mailboxes.first)
      await #expect(
        throws: StoreError.importRefused(.uidValidityFixed(mailbox: "INBOX", current: inbox.uidValidity))
      ) {
        try await ana.prepare(ImportedMailbox(name: "INBOX", uidValidity: 1))
      }
      #expect(try await ana.listing().mailboxes.first?.messages == 1)
    }
  }

  @Test(arguments: Way.allCases)
  func `The quota holds, unless the door is told to let it be`(_ way: Way) async throws {
    try await withDoor(way) { door, bed in
      _ = try await door.account("ana").append([message(text(1))], to: "INBOX")
      await door.close()
      let request = ControlRequest.accountChange(name: "ana", settings: AccountSettings(quotaMessages: 1))
      _ = try await DataFolder.call(request, in: bed.path)
      let again = try await StoreDoor.open(directory: bed.path)
      await #expect(throws: StoreError.overQuota(OverQuota(resource: .messages, limit: 1, usage: 1))) {
        try await again.account("ana").append([message(text(2))], to: "INBOX")
      }
      _ = try await again.account("ana", ignoringQuota: true).append([message(text(2))], to: "INBOX")
      #expect(try await again.listing(of: "ana").mailboxes.first?.messages == 2)
      await again.close()
    }
  }

  @Test(arguments: Way.allCases)
  func `Line ends are those of the house, whatever was sent`(_ way: Way) async throws {
    try await withDoor(way) { door, _ in
      let ana = door.account("ana")
      _ = try await ana.append([message("Subject: x\n\nbare\rand\0"), message("a\r\n\r\nb\r")], to: "INBOX")
      let read = try await gather(ana, "INBOX", [1, 2])
      #expect(read[2] == "a\r\n\r\nb\r\n")
      #expect(read[1]??.hasPrefix("Subject: x\r\n\r\nbare\r\nand") == true)
    }
  }

  @Test(arguments: Way.allCases)
  func `A message that fails in the middle brings nothing into the store, and work goes on`(_ way: Way) async throws {
    struct Broken: Error {}
    try await withDoor(way) { door, _ in
      let ana = door.account("ana")
      let pieces = Pieces(4, of: 200_000)
      let broken = NewStoreMessage {
        guard let piece = pieces.next() else { throw Broken() }
        return piece
      }
      await #expect(throws: Broken.self) { try await ana.append([message(text(1)), broken], to: "INBOX") }
      #expect(try await ana.listing().mailboxes.first?.messages == 0)
      _ = try await ana.append([message(text(2))], to: "INBOX")
      #expect(try await ana.listing().mailboxes.first?.messages == 1)
    }
  }

  @Test(arguments: Way.allCases)
  func `A damaged message is named, and the others are read`(_ way: Way) async throws {
    try await withDoor(way) { door, bed in
      let ana = door.account("ana")
      _ = try await ana.append((0..<3).map { message(text($0, octets: 20_000)) }, to: "INBOX")
      let folder = bed.path + "/volumes/1/packs"
      let files = try FileManager.default.contentsOfDirectory(atPath: folder)
      let pack = try #require(files.first { $0.hasSuffix(".pack") })
      let file = try #require(FileHandle(forUpdatingAtPath: "\(folder)/\(pack)"))
      // The middle of the second message.
      try file.seek(toOffset: try file.seekToEnd() / 2)
      try file.write(contentsOf: Data(repeating: 0x55, count: 64))
      try file.close()
      let read = try await gather(ana, "INBOX", [1, 2, 3])
      #expect(read[1] == text(0, octets: 20_000) && read[3] == text(2, octets: 20_000))
      #expect(read[2] == .some(nil))
      let found = try await ana.fingerprints("INBOX", of: [1, 2, 3])
      #expect(Set(found.keys) == [1, 3])
    }
  }

  @Test func `A door goes on by itself when the server has stopped between two calls`() async throws {
    let bed = try await ControlBed()
    try await bed.startServer()
    let door = try await StoreDoor.open(directory: bed.path)
    let ana = door.account("ana")
    _ = try await ana.append([message(text(1))], to: "INBOX")
    await bed.stopServer()
    _ = try await ana.append([message(text(2))], to: "INBOX")
    let read = try await gather(ana, "INBOX", [1, 2])
    #expect(read == [1: text(1), 2: text(2)])
    await door.close()
    // The folder is free again.
    try await bed.startServer()
    await #expect(throws: StoreError.shuttingDown) { try await ana.listing() }
    await bed.stopServer()
  }

  @Test func `A server that goes away in the middle of an append is told as such, and nothing came in`() async throws {
    let bed = try await ControlBed()
    try await bed.startServer()
    let door = try await StoreDoor.open(directory: bed.path)
    let ana = door.account("ana")
    let pieces = Pieces(100, of: 100_000)
    let cut = NewStoreMessage {
      if pieces.left == 50 { await bed.stopServer() }
      return pieces.next()
    }
    do {
      _ = try await ana.append([cut], to: "INBOX")
      Issue.record("the append went through")
    } catch let failure as ControlFailure {
      #expect(failure.code == .temporary)
    }
    #expect(try await ana.listing().mailboxes.first?.messages == 0)
    await door.close()
  }

  @Test func `What is in the store while the server runs is seen by its sessions`() async throws {
    let bed = try await ControlBed()
    let store = try await bed.startServer()
    let account = try #require(try await store.account(named: "ana"))
    let open = try await store.openMailbox("INBOX", of: account.id) {}
    let door = try await StoreDoor.open(directory: bed.path)
    _ = try await door.account("ana").append([message(text(1), uid: 7)], to: "INBOX")
    #expect(open.current?.count == 1 && open.current?[0].uid == 7)
    open.close()
    await door.close()
    await bed.stopServer()
  }

  @Test(arguments: Way.allCases)
  func `Keywords, flags and dates that IMAP could not show are refused`(_ way: Way) async throws {
    try await withDoor(way) { door, _ in
      let text = ByteBuffer(string: text(1))
      let bad = [
        NewStoreMessage(text, keywords: ["two words"]), NewStoreMessage(text, keywords: ["\\Seen"]),
        NewStoreMessage(text, flags: SystemFlags(rawValue: 32)),
        NewStoreMessage(text, date: InternalDate(seconds: .max)),
      ]
      for message in bad {
        await #expect(throws: ControlFailure.self) { try await door.append([message], to: "INBOX", of: "ana") }
      }
      let listing = try await door.listing(of: "ana")
      #expect(listing.mailboxes.first?.messages == 0)
    }
  }

  @Test func `A folder without a store is refused at once`() async throws {
    await #expect(throws: ControlFailure.self) { try await StoreDoor.open(directory: "/nonexistent") }
  }

  @Test func `More than fits one request is refused`() async throws {
    try await withDoor(.server) { door, _ in
      let many = (0...ControlLimits.appendMessages).map { message(text($0)) }
      await #expect(throws: ControlFailure.self) { try await door.append(many, to: "INBOX", of: "ana") }
      let some = [UID](repeating: 1, count: 2)
      await #expect(throws: ControlFailure.self) { try await door.read("INBOX", of: "ana", some) { _ in } }
      let listing = try await door.listing(of: "ana")
      #expect(listing.mailboxes.first?.messages == 0)
    }
  }
}

/// Pieces of a message, one after another. One task at a time.
final class Pieces: Sendable {
  private let count: Mutex<Int>
  private let octets: Int
  init(_ count: Int, of octets: Int) {
    self.count = Mutex(count)
    self.octets = octets
  }
  var left: Int { count.withLock { $0 } }
  func next() -> ByteBuffer? {
    let isOver = count.withLock { count in
      guard count > 0 else { return true }
      count -= 1
      return false
    }
    return isOver ? nil : ByteBuffer(repeating: 0x61, count: octets)
  }
}
