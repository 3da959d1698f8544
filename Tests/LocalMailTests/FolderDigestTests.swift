import MailTestKit
import NIOCore
import Testing

@testable import LocalMail

@Suite struct FolderDigestTests {
  /// Three messages in the folder, one of them new.
  private func fill(_ folder: MaildirFolder) async throws -> [MaildirEntry] {
    try await withThreads { threads in
      let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
      let messages = (0..<3).map { number in
        IncomingMessage(message(number), flags: MaildirFlags(number == 0 ? "" : "S"), isNew: number == 0, date: nil)
      }
      return try await landing.commit(try await landing.stage(messages))
    }
  }

  @Test func `The digest of a folder is that of its messages, in any order`() async throws {
    try await withMaildir { folder in
      let entries = try await fill(folder)
      #expect(try folder.digest() == folder.digest(of: entries.reversed()))
      #expect(try folder.digest(of: entries.dropLast()) != folder.digest())
    }
  }

  @Test func `A flag, a move from new to cur, a removal and a keyword's name each show`() async throws {
    try await withMaildir { folder in
      let entries = try await fill(folder)
      var seen: Set<FolderDigest> = [try folder.digest()]
      _ = try folder.setFlags(MaildirFlags("SF"), of: entries[1])
      #expect(seen.insert(try folder.digest()).inserted)
      _ = try folder.setFlags(MaildirFlags("S"), of: entries[0])
      #expect(seen.insert(try folder.digest()).inserted)
      _ = try folder.setFlags(MaildirFlags("S", ["later"]), of: entries[2])
      #expect(seen.insert(try folder.digest()).inserted)
      try folder.disk.replace(folder.directory + "/dovecot-keywords", with: Array("0 sooner\n".utf8))
      #expect(seen.insert(try folder.digest()).inserted, "the same letters mean other keywords")
      try folder.remove(entries[2])
      #expect(seen.insert(try folder.digest()).inserted)
    }
  }
}
