import Foundation
import Testing

@testable import LocalMail

#if canImport(Glibc)
  import Glibc
#endif

/// What a hostile server, or somebody else who can write in the tree, might want to have written elsewhere.
@Suite struct HostileNameTests {
  static let names: [[String]] = [
    [".."], ["."], ["..", "..", ".ssh", "authorized_keys"], ["../../.ssh/authorized_keys"], ["/etc/passwd"],
    ["a/../../b"],
    ["cur"], ["new"], ["tmp"], ["cur", "new"], [""], ["", ""], ["a", ""], ["\u{0}"], ["a\u{0}b"], ["\n"], ["\u{1B}[2J"],
    ["\u{2028}"], ["\u{202E}x"], ["%2E%2E"], ["%2F"], ["%00"], [".%2E"], ["&AC8-"], ["&AC4AIw-"], ["\u{2024}\u{2024}"],
    ["\u{FF0E}\u{FF0E}", "x"], ["\u{2215}etc"], ["..merpati-deleted-1"], ["Inbox", "x"], ["A"], ["a"], ["\u{C9}"],
    ["maildirfolder"], ["dovecot-uidlist"], ["subscriptions"], [".merpati-root"], ["~"], ["-rf"], ["\\..\\x"],
  ]

  @Test func `Every name is one folder right in the tree, and comes back as it was`() async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/home/Mail")
      try tree.create()
      let before = try outside(folder)
      var directories: Set<String> = []
      for name in Self.names {
        let made = try tree.createFolder(name)
        #expect(made.directory.parentDirectory == tree.root, "\(name)")
        #expect(made.directory.lastPathComponent.hasPrefix("."), "\(name)")
        #expect(!["..", "."].contains(made.directory.lastPathComponent), "\(name)")
        directories.insert(made.directory)
        #expect(try tree.folders().contains { Array($0) == name }, "\(name)")
      }
      #expect(directories.count == Self.names.count, "no two names are one folder")
      try tree.setSubscriptions(Self.names)
      for name in Self.names { try tree.deleteFolder(name, withMail: true) }
      #expect(try outside(folder) == before)
      #expect(try tree.folders() == [["INBOX"]])
    }
  }

  /// Swift compares text as Unicode does. On a disk that does so, too, there could be one of them only anyway.
  @Test func `Names that are the same text in two encodings are one folder`() async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/Mail")
      try tree.create()
      #expect(try tree.createFolder(["\u{C9}"]) == tree.createFolder(["E\u{301}"]))
    }
  }

  @Test func `A name too long for the disk is refused`() async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/Mail")
      try tree.create()
      for name in [[String](repeating: "x", count: 200), [String(repeating: "鳩", count: 200)]] {
        #expect(throws: LocalMailError.self) { _ = try tree.createFolder(name) }
      }
      #expect(try tree.folders() == [["INBOX"]])
    }
  }

  /// Paths that are not below the tree.
  private func outside(_ folder: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder).filter { !$0.hasPrefix("home/Mail/") }.sorted()
  }

  // MARK: Links

  private static let isRoot = geteuid() == 0

  /// A tree with mail outside that a link could lead to.
  private func withLink(_ place: String, owner: uid_t, _ body: (MaildirTree, String) throws -> Void) async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/Mail")
      try tree.create()
      _ = try tree.createFolder(["Work"])
      let elsewhere = folder + "/elsewhere"
      try MaildirTree(root: elsewhere).create()
      try write("secret", to: elsewhere + "/cur/1.a.b:2,S")
      let path = tree.root + "/" + place
      try? FileManager.default.removeItem(atPath: path)
      symlink(elsewhere + (place.hasSuffix("cur") ? "/cur" : place.hasSuffix("new") ? "/new" : ""), path)
      lchown(path, owner, owner)
      let before = try FileManager.default.subpathsOfDirectory(atPath: elsewhere).sorted()
      try body(tree, path)
      #expect(try FileManager.default.subpathsOfDirectory(atPath: elsewhere).sorted() == before, "nothing was written")
    }
  }

  @Test(
    .enabled(if: isRoot, "needs root, to make a link of somebody else's"),
    arguments: [
      ".Work", ".Work/cur", ".Work/new", ".Work/tmp", ".New",
    ])
  func `A folder behind somebody else's link is not a folder of ours`(place: String) async throws {
    try await withLink(place, owner: 12_345) { tree, path in
      let error = #expect(throws: LocalMailError.self) { _ = try tree.folders() }
      #expect("\(String(describing: error))".contains("another user"))
      let name = place.hasPrefix(".New") ? ["New"] : ["Work"]
      #expect(throws: LocalMailError.self) { _ = try tree.createFolder(name) }
    }
  }

  @Test(arguments: [".Work", ".New"])
  func `One's own link to a folder is followed, as it always was`(place: String) async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/Mail")
      try tree.create()
      try MaildirTree(root: folder + "/elsewhere").create()
      symlink(folder + "/elsewhere", tree.root + "/" + place)
      #expect(try tree.folders().count == 2)
    }
  }

  @Test(.enabled(if: isRoot, "needs root, to make a link of somebody else's"))
  func `The parts of the root are no links of somebody else's`() async throws {
    try await withLink("cur", owner: 12_345) { tree, _ in
      #expect(throws: LocalMailError.self) { try tree.create() }
    }
  }

  @Test(.enabled(if: isRoot, "needs root, to make a link of somebody else's"))
  func `A message that is somebody else's link is not read, nor what it leads to sent anywhere`() async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/Mail")
      try tree.create()
      try write("root:secret", to: folder + "/shadow")
      let name = "1000.M1P1.host,S=11,W=11:2,S"
      symlink(folder + "/shadow", tree.root + "/cur/" + name)
      lchown(tree.root + "/cur/" + name, 12_345, 12_345)
      let inbox = tree.folder(["INBOX"])
      for entry in try inbox.scan(withDates: false) {
        #expect(throws: LocalMailError.self) { _ = try inbox.fingerprint(of: entry) }
        #expect(throws: LocalMailError.self) { _ = try inbox.openWire(entry) }
      }
      lchown(tree.root + "/cur/" + name, geteuid(), geteuid())
      #expect(try inbox.scan(withDates: false).map { try inbox.wireSize(of: $0) } == [11])
    }
  }

  @Test(
    .enabled(if: isRoot, "needs root, to make a link of somebody else's"),
    arguments: [
      "maildirfolder", "dovecot-uidlist", "dovecot-keywords",
    ])
  func `A list that is somebody else's link is neither read nor written through`(name: String) async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/Mail")
      try tree.create()
      _ = try tree.createFolder(["Work"])
      let path = tree.root + "/.Work/" + name
      try? FileManager.default.removeItem(atPath: path)
      let victim = folder + "/victim"
      symlink(victim, path)
      lchown(path, 12_345, 12_345)
      _ = try? tree.createFolder(["Work"])
      let folder = tree.folder(["Work"])
      if name == "dovecot-uidlist" { #expect(throws: LocalMailError.self) { _ = try folder.dovecotUIDList() } }
      if name == "dovecot-keywords" { #expect(throws: LocalMailError.self) { _ = try folder.scan() } }
      #expect(!FileManager.default.fileExists(atPath: victim))
    }
  }
}
