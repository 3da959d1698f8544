import Foundation
import MailTestKit
import MerpatiServer
import Testing

/// The certificate of a first run, when that run was cut short.
@Suite struct SelfSignedTests {
  private func folder() throws -> String {
    let path = NSTemporaryDirectory() + "/tls-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  private func ensure(_ folder: String) throws -> Bool {
    try SelfSigned.ensure(certificate: folder + "/a.crt", key: folder + "/a.key", hostname: "mail.example.org")
  }

  private func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

  @Test func `A pair is made once`() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(try ensure(folder))
    let certificate = text(folder + "/a.crt")
    #expect(certificate?.contains("BEGIN CERTIFICATE") == true)
    #expect(try !ensure(folder))
    #expect(text(folder + "/a.crt") == certificate)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a.crt", "a.key"])
    let mode = try FileManager.default.attributesOfItem(atPath: folder + "/a.key")[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  /// What a power cut leaves: half written files under other names, or one of the pair.
  @Test(arguments: ["a.crt", "a.key"]) func `What is left of a pair is made anew, both halves`(_ lost: String) throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(try ensure(folder))
    let before = [text(folder + "/a.crt"), text(folder + "/a.key")]
    try FileManager.default.removeItem(atPath: "\(folder)/\(lost)")
    try "half".write(toFile: "\(folder)/\(lost).new", atomically: false, encoding: .utf8)
    #expect(try ensure(folder))
    #expect(text(folder + "/a.crt") != before[0])
    #expect(text(folder + "/a.key") != before[1])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a.crt", "a.key"])
  }
}
