import Foundation
import Logging
import MailNet
import MailStore
import Testing

@testable import MerpatiServer

private func quiet() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

/// A folder that goes with the test.
private func withFolder(_ body: (String) async throws -> Void) async throws {
  let path = FileManager.default.temporaryDirectory.path + "/merpati-\(UUID().uuidString.prefix(8))"
  try FileManager.default.createDirectory(
    atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  defer { try? FileManager.default.removeItem(atPath: path) }
  try await body(path)
}

private func mode(_ path: String) -> mode_t {
  FileOwner(of: path, followingLinks: false)?.permissions ?? 0
}

@Suite struct FolderOwnerTests {
  @Test(arguments: [0o720, 0o702, 0o770, 0o777, 0o1777] as [mode_t])
  func `A data folder in which others can write is refused`(mode: mode_t) async throws {
    try await withFolder { path in
      let store = try DataFolder.openStore(path, try await settings(path), logger: quiet(), upkeep: false)
      await store.close()
      for folder in [path, path + "/volumes", path + "/volumes/1"] {
        let before = MerpatiServerTests.mode(folder)
        chmod(folder, mode)
        let settings = try await settings(path)
        let error = #expect(throws: StoreError.self) {
          _ = try DataFolder.openStore(path, settings, logger: quiet(), upkeep: false)
        }
        guard case .folderRefused(folder, _)? = error else {
          Issue.record("\(String(describing: error))")
          return
        }
        #expect(error.map { ControlFailure($0).code } == .noPermission)
        chmod(folder, before)
      }
    }
  }

  @Test func `One that others may look into is not, nor one that is to be made`() async throws {
    try await withFolder { path in
      chmod(path, 0o755)
      try FolderOwner.check(path)
      try FolderOwner.check(path + "/not-there")
    }
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to give a folder away"))
  func `A data folder of another user is refused, for root as well`() async throws {
    try await withFolder { path in
      chown(path, 12_345, 12_345)
      let error = #expect(throws: StoreError.self) { try FolderOwner.check(path) }
      #expect("\(error.map { ControlFailure($0).sentence } ?? "")".contains("user 12345"))
    }
  }

  private func settings(_ path: String) async throws -> Settings {
    try Settings(await EffectiveConfig.load(flags: ["data": path], environment: [:]))
  }
}

@Suite struct DecoySecretTests {
  @Test func `The secret is made once, for nobody else's eyes, and stays`() async throws {
    try await withFolder { path in
      let first = DecoySecret.load(from: path, quiet())
      #expect(first?.count == 32)
      #expect(mode(path + "/" + DecoySecret.fileName) == 0o600)
      #expect(DecoySecret.load(from: path, quiet()) == first)
      try await withFolder { #expect(DecoySecret.load(from: $0, quiet()) != first) }
    }
  }

  @Test func `A damaged one is replaced, a link is not followed`() async throws {
    try await withFolder { path in
      let file = path + "/" + DecoySecret.fileName
      try Data("short".utf8).write(to: URL(fileURLWithPath: file))
      let fresh = DecoySecret.load(from: path, quiet())
      #expect(fresh?.count == 32)
      #expect(DecoySecret.load(from: path, quiet()) == fresh)
      unlink(file)
      let elsewhere = path + "/elsewhere"
      try Data(repeating: 65, count: 32).write(to: URL(fileURLWithPath: elsewhere))
      symlink(elsewhere, file)
      #expect(DecoySecret.load(from: path, quiet()) != [UInt8](repeating: 65, count: 32))
      #expect(try Data(contentsOf: URL(fileURLWithPath: elsewhere)) == Data(repeating: 65, count: 32))
    }
  }

  @Test func `Where it cannot be kept there is none`() async throws {
    #expect(DecoySecret.load(from: "/proc/merpati-has-no-folder-here", quiet()) == nil)
  }
}

@Suite struct InheritedSocketTests {
  @Test func `Sockets of another process, none, or too many are no sockets of ours`() throws {
    for environment in [
      [:], ["LISTEN_PID": "1", "LISTEN_FDS": "1"], ["LISTEN_FDS": "1"], ["LISTEN_PID": "\(getpid())"],
      ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "-1"], ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "99999999"],
    ] {
      #expect(try InheritedSockets(environment).sockets.isEmpty)
    }
  }

  @Test func `A socket without the name of a listener is refused by name`() throws {
    for names in ["", "unknown", "http", "IMAP"] {
      let error = #expect(throws: ConfigError.self) {
        _ = try InheritedSockets(["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "1", "LISTEN_FDNAMES": names])
      }
      #expect(error?.description.contains("FileDescriptorName must be one of imap, imaps, pop3, pop3s, lmtp") == true)
    }
  }

  @Test func `Inherited sockets take the place of configured ones of their kind, and of the usual ones`() async throws {
    var settings = try Settings(await EffectiveConfig.load(flags: [:], environment: [:]))
    #expect(settings.listensByDefault)
    var inherited = InheritedSockets.none
    #expect(try Doors(settings, inherited: inherited, privileged: false).all.count == 5)
    inherited.add(.imaps, 99)
    #expect(try Doors(settings, inherited: inherited, privileged: false).all.map(\.kind) == [.imaps])
    settings = try Settings(
      await EffectiveConfig.load(flags: ["imaps.listen": "127.0.0.1:9", "lmtp.listen": "unix:/x"], environment: [:]))
    let doors = try Doors(settings, inherited: inherited, privileged: false).all
    #expect(doors.map(\.kind) == [.imaps, .lmtp])
    #expect(doors.map(\.descriptor) == [99, nil])
  }
}

@Suite struct IdentityTests {
  @Test func `Who is not there cannot be become, and a group alone is nothing`() {
    #expect(throws: ConfigError.self) { try ProcessIdentity.wanted(user: "merpati-no-such-user", group: "") }
    #expect(throws: ConfigError.self) { try ProcessIdentity.wanted(user: "root", group: "merpati-no-such-group") }
    #expect(throws: ConfigError.self) { try ProcessIdentity.wanted(user: "", group: "root") }
  }

  @Test func `Without process.user nobody is become`() throws {
    #expect(try ProcessIdentity.wanted(user: "", group: "") == nil)
  }

  @Test(.enabled(if: geteuid() != 0, "for those who are not root"))
  func `Only root becomes somebody else`() throws {
    #expect(throws: ConfigError.self) { try ProcessIdentity.wanted(user: "root", group: "") }
    #expect(try ProcessIdentity.wanted(user: ProcessIdentity.name(of: geteuid()), group: "") == nil)
  }
}

@Suite struct KeyModeTests {
  @Test(
    arguments: [(0o600, false), (0o400, false), (0o640, false), (0o644, true), (0o620, true), (0o602, true)]
      as [(mode_t, Bool)])
  func `A private key that others can read or change is told of`(mode: mode_t, exposed: Bool) async throws {
    try await withFolder { path in
      let key = path + "/x.key"
      try Data("key".utf8).write(to: URL(fileURLWithPath: key))
      chmod(key, mode)
      let found = KeyModes.exposed([CertificateFiles(chain: path + "/x.crt", key: key)])
      #expect(found == (exposed ? [key] : []))
    }
  }
}
