import Foundation
import NIOCore
import Testing

@testable import LocalMail

/// Runs over the real mail that lies beside the project, when it does.
@Suite struct CorpusTests {
  private static let archive: URL? = {
    let environment = ProcessInfo.processInfo.environment["MERPATI_SHARED"].map { URL(fileURLWithPath: $0) }
    let package = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let shared = environment ?? package.deletingLastPathComponent().appendingPathComponent("shared")
    let archive = shared.appendingPathComponent("corpus/edge.tar.xz")
    return FileManager.default.fileExists(atPath: archive.path) ? archive : nil
  }()

  @Test(.enabled(if: archive != nil)) func `Odd mail goes through a Maildir and an mbox without a change`() async throws
  {
    let archive = try #require(Self.archive)
    try await withMaildir { folder in
      let corpus = folder.directory + "/corpus"
      try FileManager.default.createDirectory(atPath: corpus, withIntermediateDirectories: false)
      let tar = Process()
      tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      tar.arguments = ["tar", "-xJf", archive.path, "-C", corpus]
      try tar.run()
      tar.waitUntilExit()
      #expect(tar.terminationStatus == 0)
      let messages = try messages(in: corpus)
      #expect(messages.count > 10)
      try await withThreads { threads in
        let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
        let incoming = messages.map { IncomingMessage($0, flags: MaildirFlags(), isNew: false, date: 1) }
        let entries = try await landing.commit(try await landing.stage(incoming))
        for (message, entry) in zip(messages, entries) {
          #expect(try folder.fingerprint(of: entry) == Fingerprint(of: message))
        }
      }
      let places = try MboxWriter(path: corpus + "/mbox").append(messages.map { MboxMessage(.bytes($0)) })
      var settings = MboxReadSettings()
      settings.usesContentLength = false
      let reader = try MboxReader(path: corpus + "/mbox", settings: settings)
      for (message, place) in zip(messages, places) {
        let entry = try #require(try reader.next())
        #expect(entry.offset == place.offset && entry.length == place.length)
        #expect(try reader.fingerprint(of: entry) == Fingerprint(of: message))
      }
      #expect(try reader.next() == nil)
    }
  }

  private func messages(in corpus: String) throws -> [ByteBuffer] {
    let names = FileManager.default.enumerator(atPath: corpus)?.compactMap { $0 as? String } ?? []
    return try names.sorted().compactMap { name in
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: corpus + "/" + name, isDirectory: &isDirectory)
      guard !isDirectory.boolValue else { return nil }
      return ByteBuffer(bytes: try Data(contentsOf: URL(fileURLWithPath: corpus + "/" + name)))
    }
  }
}
