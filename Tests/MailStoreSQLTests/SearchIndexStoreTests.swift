import MailStore
import NIOCore
import SearchText
import Testing

@testable import MailStoreSQL

/// The index behind a store: filled, thrown away and begun anew while mail comes and goes.
@Suite struct SearchIndexStoreTests {
  private let needle = SearchTerm(.body, TextNeedle("needle"))
  private let subject = SearchTerm(.field(.subject), TextNeedle("needle"))

  private func mail(_ number: Int) -> String {
    Mail.text(number % 3 == 0 ? "Needle \(number)" : "Hay \(number)", body: number % 5 == 0 ? "a nEEdle" : "a straw")
  }

  /// Waits until the index has looked at so many messages since the store was opened.
  private func settle(_ store: SQLStore, indexed: Int64) async throws {
    for _ in 0..<4000 {
      if let status = store.searchIndexStatus(), status.indexed >= indexed, status.waiting == 0 { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("\(String(describing: store.searchIndexStatus()))")
  }

  private func uids(_ ranges: [ClosedRange<UID>]?) -> [UID]? { ranges?.flatMap { Array($0) } }

  private func bed() throws -> (StoreBed, BedSettings) {
    var settings = BedSettings()
    settings.searchIndexing = .on
    return (try StoreBed(), settings)
  }

  @Test func `Mail is indexed once however many copies there are, and what is known is true of each`() async throws {
    let (bed, settings) = try bed()
    let store = try bed.openSQL(settings)
    let ana = try await store.add("ana")
    for number in 1...30 { try await store.put(mail(number), of: ana) }
    let inbox = try await store.ref("INBOX", of: ana)
    // Backwards, so that contents and UIDs are in different orders.
    for uid in (UID(1)...30).reversed() { _ = try await store.copy([uid], from: inbox, to: "Archive") }
    try await settle(store, indexed: 30)
    #expect(store.searchIndexStatus()?.indexed == 30)
    let archive = try await store.ref("Archive", of: ana)
    for (ref, number) in [(inbox, { (uid: UID) in Int(uid) }), (archive, { (uid: UID) in 31 - Int(uid) })] {
      let answers = try await store.narrow([needle, subject], in: ref)
      #expect(uids(answers[0]?.no) == (1...30).filter { number($0) % 5 != 0 })
      #expect(answers[0]?.yes == [])
      #expect(uids(answers[1]?.yes) == (1...30).filter { number($0) % 3 == 0 })
      #expect(uids(answers[1]?.no) == (1...30).filter { number($0) % 3 != 0 })
    }
    // What came since is not spoken of until it is indexed.
    try await store.put(mail(45), of: ana)
    let answers = try await store.narrow([subject], in: inbox)
    #expect(answers[0]?.no.contains { $0.contains(31) } == false)
    await store.close()
  }

  @Test func `An index that knows numbers not given out yet is not believed`() async throws {
    let (bed, settings) = try bed()
    var store = try bed.openSQL(settings)
    let ana = try await store.add("ana")
    for number in 1...10 { try await store.put(mail(number), of: ana) }
    await store.close()
    let database = bed.data + "/volumes/1/mail.sqlite"
    let older = try BackupFiles.read(database, limit: 1 << 24)
    store = try bed.openSQL(settings)
    for number in 11...20 { try await store.put(mail(number), of: ana) }
    try await settle(store, indexed: 10)
    await store.close()
    // An older database is put back; then somebody delivers for whom the index is not there.
    try BackupFiles().write(older, to: database)
    store = try bed.openSQL(BedSettings())
    for number in 31...45 { try await store.put(mail(number), of: ana) }
    await store.close()
    store = try bed.openSQL(settings)
    let ref = try await store.ref("INBOX", of: ana)
    try await settle(store, indexed: 1)
    let answer = try #require(try await store.narrow([subject], in: ref)[0])
    let numbers = Array(1...10) + Array(31...45)
    #expect(uids(answer.yes) == numbers.indices.filter { numbers[$0] % 3 == 0 }.map { UID($0 + 1) })
    await store.close()
  }

  @Test func `The index is removed where it is switched off, and is not made by a command`() async throws {
    let (bed, settings) = try bed()
    let path = SearchIndexer.path(bed.data + "/volumes/1")
    var plain = BedSettings()
    var store = try bed.openSQL(plain)
    #expect(!FileSizes.exists(path))
    #expect(try await store.narrow([needle], in: try await store.ref("INBOX", of: store.add("ana"))) == [nil])
    await store.close()
    store = try bed.openSQL(settings)
    let ana = try #require(try await store.account(named: "ana"))
    try await store.put(mail(3), of: ana)
    try await settle(store, indexed: 1)
    #expect(FileSizes.exists(path))
    await store.close()
    store = try bed.openSQL(plain)
    #expect(FileSizes.exists(path))
    await store.close()
    plain.searchIndexing = .off
    store = try bed.openSQL(plain)
    #expect(!FileSizes.exists(path))
    await store.close()
  }

  @Test func `An index that is deleted or spoilt is begun anew`() async throws {
    let (bed, settings) = try bed()
    let store = try bed.openSQL(settings)
    let path = SearchIndexer.path(bed.data + "/volumes/1")
    let ana = try await store.add("ana")
    for number in 1...20 { try await store.put(mail(number), of: ana) }
    let ref = try await store.ref("INBOX", of: ana)
    try await settle(store, indexed: 20)
    for suffix in ["", "-wal", "-shm"] { try BackupFiles().remove(path + suffix) }
    try await settle(store, indexed: 40)
    #expect(uids(try await store.narrow([subject], in: ref)[0]?.yes) == [3, 6, 9, 12, 15, 18])
    try BackupFiles().write(Array(repeating: 0x55, count: 50_000), to: path)
    // Whether it is asked or not.
    _ = try await store.narrow([subject], in: ref)
    try await store.put(mail(21), of: ana)
    try await settle(store, indexed: 61)
    let answer = try await store.narrow([subject], in: ref)[0]
    #expect(uids(answer?.yes) == [3, 6, 9, 12, 15, 18, 21])
    #expect(try await store.check().problems == [])
    await store.close()
  }
}
