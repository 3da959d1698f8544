import Foundation
import MailTestKit
import NIOCore
import Testing

@testable import BlobStore

/// Packs as they were written by others than today's code: they are read for ever. The bytes are seeds of the fuzzer, behind
/// an octet that says what it does with them.
@Suite struct PackFixtureTests {
  private func store(_ name: String) throws -> (store: PackStore, disk: RecordingFileSystem) {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let seed = try Data(contentsOf: root.appendingPathComponent("Fuzz/Seeds/PackFuzz/\(name)"))
    let disk = RecordingFileSystem()
    _ = try disk.createDirectory("/packs")
    let file = try disk.open("/packs/000000000001.pack", .createNew)
    try file.pwritev([ByteBuffer(bytes: seed.dropFirst())], at: 0)
    try file.fdatasync()
    return (try PackStore(directory: "/packs", fileSystem: disk), disk)
  }

  /// By the code of before there were dictionaries.
  @Test func `A pack without a dictionary is what it was`() throws {
    let (store, _) = try store("two-frames")
    let (frames, result) = try store.scanned(1)
    #expect(result.isClean && frames.count == 2 && frames.allSatisfy { $0.dictionaryID == 0 })
    #expect(store.headBytes(1) == 0 && store.beginsPlain(1) && store.dictionary == nil)
    for frame in frames { #expect(try store.bytes(frame.location).readableBytes == Int(frame.location.rawSize)) }
  }

  /// Put together in another language from the description in `FrameHeader+Small`, compressed by zstd's own command.
  @Test func `A pack with a dictionary is what its description says`() throws {
    let (store, _) = try store("dictionary-packed")
    let (frames, result) = try store.scanned(1)
    #expect(result.isClean && result.dictionaryCopies == 2 && frames.count == 3)
    #expect(store.dictionary?.trained == 1_750_000_000)
    for (uid, frame) in zip([1, 2], frames) {
      let owner = try #require(frame.owners.first)
      #expect(owner.accountName == "budi" && owner.mailboxName == "INBOX" && owner.uid == UInt32(uid))
      #expect(owner.account == 3 && owner.zoneMinutes == 420 && owner.internalSeconds == 1_750_000_000 + Int64(uid))
      #expect(String(buffer: owner.trace).hasSuffix("with LMTP id \(uid);\r\n"))
      let text = "From: Ana <ana@example.org>\r\nSubject: Surat nomor \(uid)\r\n\r\nSelamat pagi,\r\nSalam hangat\r\n"
      #expect(String(buffer: try store.bytes(frame.location)) == text)
    }
    #expect(frames.last?.owners == [] && frames.last?.location.rawSize == 0)
    // And it goes on.
    let next = try store.addMail(0..<2)
    try store.sync()
    #expect(next.allSatisfy { $0.pack == 1 })
    #expect(try store.bytes(next[1]) == mail(1))
  }
}
