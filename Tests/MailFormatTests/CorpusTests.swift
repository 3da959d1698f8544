import Foundation
import MailFormat
import Testing

/// Runs over the real mail that lies beside the project, when it does.
@Suite struct CorpusTests {
  private static let archives: [URL] = {
    let environment = ProcessInfo.processInfo.environment["MERPATI_SHARED"].map { URL(fileURLWithPath: $0) }
    let package = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let shared = environment ?? package.deletingLastPathComponent().appendingPathComponent("shared")
    return ["edge.tar.xz", "spamassassin.tar.xz"].map { shared.appendingPathComponent("corpus/\($0)") }
      .filter { FileManager.default.fileExists(atPath: $0.path) }
  }()

  @Test(.enabled(if: !archives.isEmpty)) func `What must hold for every message holds for real mail`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("merpati-corpus-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for archive in Self.archives {
      let tar = Process()
      tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      tar.arguments = ["tar", "-xJf", archive.path, "-C", folder.path]
      try tar.run()
      tar.waitUntilExit()
      #expect(tar.terminationStatus == 0)
    }
    let files = try #require(
      FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.isRegularFileKey]))
    var count = 0
    for case let file as URL in files {
      guard try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else { continue }
      let bytes = [UInt8](try Data(contentsOf: file))
      #expect(violations(of: bytes) == [], "\(file.lastPathComponent)")
      #expect(violations(of: bytes.withCRLF) == [], "\(file.lastPathComponent) with CRLF")
      count += 1
    }
    #expect(count > 1_000)
  }
}

extension [UInt8] {
  /// Bare line feeds as CRLF.
  fileprivate var withCRLF: [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count + count / 40)
    var previous: UInt8 = 0
    for byte in self {
      if byte == 0x0A, previous != 0x0D { result.append(0x0D) }
      result.append(byte)
      previous = byte
    }
    return result
  }
}
