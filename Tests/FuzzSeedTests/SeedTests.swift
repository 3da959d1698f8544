import Foundation
import FuzzKit
import NIOCore
import Testing

/// The inputs that fuzzing began with, and those with which it found something, through the same checks: each find stays
/// mended. What does not hold ends the process and names the input; the checks are those of Fuzz/Sources (see Checks).
@Suite struct Seeds {
  /// A target, and its check.
  struct Target: Sendable, CustomTestStringConvertible {
    var name: String
    var check: @Sendable (ByteBuffer) -> Void
    var testDescription: String { name }

    init(_ name: String, _ check: @escaping @Sendable (ByteBuffer) -> Void) {
      self.name = name
      self.check = check
    }
  }

  static let targets = [
    Target("AuthLineFuzz", authLineFuzz), Target("BinaryFuzz", binaryFuzz), Target("BytesFuzz", bytesFuzz),
    Target("ContentChunkFuzz", contentChunkFuzz), Target("ControlFuzz", controlFuzz),
    Target("CredentialsFuzz", credentialsFuzz),
    Target("DeflateFuzz", deflateFuzz), Target("DotFuzz", dotFuzz), Target("FlagChunkFuzz", flagChunkFuzz),
    Target("HeaderFuzz", headerFuzz),
    Target("IMAPCommandFuzz", imapCommandFuzz), Target("IMAPFramerFuzz", imapFramerFuzz),
    Target("IMAPResponseFuzz", imapResponseFuzz), Target("IndexFuzz", indexFuzz), Target("LMTPFuzz", lmtpFuzz),
    Target("LMTPReplyFuzz", lmtpReplyFuzz), Target("MaildirFuzz", maildirFuzz), Target("MboxFuzz", mboxFuzz),
    Target("MessageFuzz", messageFuzz), Target("PackFuzz", packFuzz), Target("POP3Fuzz", pop3Fuzz),
    Target("POP3ResponseFuzz", pop3ResponseFuzz), Target("SASLFuzz", saslFuzz), Target("SearchFuzz", searchFuzz),
    Target("TokenFuzz", tokenFuzz), Target("TransferFuzz", transferFuzz), Target("URLFuzz", urlFuzz),
  ]

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fuzz")

  static func names(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: Self.folder.appendingPathComponent(folder).path)
      .filter { !$0.hasPrefix(".") }.sorted()
  }

  @Test(arguments: targets)
  func `Every seed of a target passes its checks`(target: Target) throws {
    let seeds = try Self.names(in: "Seeds/\(target.name)")
    try #require(!seeds.isEmpty)
    for name in seeds {
      let seed = Self.folder.appendingPathComponent("Seeds/\(target.name)/\(name)")
      let input = ByteBuffer(bytes: try Data(contentsOf: seed))
      $checkedInput.withValue("\(target.name)/\(name)") { target.check(input) }
    }
  }

  @Test func `Every fuzz target has its seeds tested here`() throws {
    let targets = try Self.names(in: "Sources").filter { $0 != "Canary" }
    #expect(targets == Self.targets.map(\.name).sorted())
    #expect(try Self.names(in: "Seeds") == targets)
  }
}
