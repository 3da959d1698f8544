import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// Maildrops that are let in before their messages are known.
@Suite struct MaildropListingTests {
  private let count = StoreLimits.maildropAtOnce + 50

  private func filled() async throws -> (StoreBed, SQLStore, Account) {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let message = try await store.prepare(Mail.text("Many"))
    _ = try await store.append(
      Array(repeating: AppendedMessage(message: message), count: count), to: "INBOX", of: ana.id)
    return (bed, store, ana)
  }

  @Test func `Totals and messages of a large maildrop are of one moment`() async throws {
    let (bed, store, ana) = try await filled()
    defer { withExtendedLifetime(bed) {} }
    let octets = count * Mail.text("Many").utf8.count
    let drop = try await store.beginMaildrop(of: ana.id)
    #expect(drop.totals == (count, octets))
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.move([1, 2, 3], from: ref, to: "Trash")
    _ = try await store.append(
      [AppendedMessage(message: try await store.prepare(Mail.text("Later")))], to: "INBOX", of: ana.id)
    try await drop.listed()
    #expect(drop.isListed)
    #expect(drop.messages.map(\.uid) == (1...UID(count)).map { $0 })
    #expect(drop.totals == (count, octets))
    let reader = try await drop.openMessage(at: 1)
    #expect(reader.size == Mail.text("Many").utf8.count)
    drop.close()
    await store.close()
  }

  @Test func `A maildrop that is closed at once ends the reading of its messages`() async throws {
    let (bed, store, ana) = try await filled()
    defer { withExtendedLifetime(bed) {} }
    for _ in 0..<20 {
      let drop = try await store.beginMaildrop(of: ana.id)
      drop.close()
      let error = await thrown { try await drop.listed() }
      #expect(error == (drop.isListed ? nil : .shuttingDown))
    }
    await store.close()
  }

  @Test func `Whoever waits hears of totals, of messages, and of the end`() async throws {
    let listing = MaildropListing()
    let opening = Task { try await listing.opened() }
    listing.count(messages: 3, octets: 30)
    try await opening.value
    #expect(listing.totals == (3, 30) && !listing.isListed)
    let waiting = Task { await thrown { try await listing.listed() } }
    listing.end(with: .shuttingDown)
    #expect(await waiting.value == .shuttingDown)
    // What comes from the reading thread afterwards changes nothing.
    listing.list([])
    #expect(!listing.isListed && listing.isOver)
    let other = MaildropListing()
    other.list([])
    other.end(with: .shuttingDown)
    try await other.listed()
    #expect(other.isListed)
  }
}
