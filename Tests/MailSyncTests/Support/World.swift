import Foundation
import IMAPCore
import LocalMail
import MailNet
import NIOCore
import NIOPosix
import Testing

@testable import MailSync

/// A server, a Maildir in a temporary folder, and an engine between them.
final class World {
  let server: FakeServer
  let root: String
  let stateFolder: String
  let tree: MaildirTree
  var settings: SyncSettings
  /// Seconds since 1970.
  var now: Int64 = 1_790_000_000

  init(_ server: FakeServer = FakeServer(), mode: SyncMode = .sync) throws {
    self.server = server
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mailsync-\(UUID().uuidString)").path
    root = folder + "/mail"
    stateFolder = folder + "/state"
    try FileManager.default.createDirectory(atPath: stateFolder, withIntermediateDirectories: true)
    tree = MaildirTree(root: root)
    settings = SyncSettings(mode: mode)
    settings.connections = 1
  }

  deinit { try? FileManager.default.removeItem(atPath: (root as NSString).deletingLastPathComponent) }

  func engine(_ faults: Faults = Faults()) throws -> SyncEngine {
    let server = server
    let now = now
    let landing = {
      var settings = LandingSettings(); settings.owner = "sync"; return settings
    }()
    let real = MaildirLocal(tree: tree, settings: landing, threads: .singleton)
    return try SyncEngine(
      account: "budi", stateFolder: stateFolder, settings: settings, local: FaultyLocal(real: real, faults: faults),
      connect: {
        try faults.step("connect")
        return FakeRemote(server, faults)
      },
      report: nil, now: { now }, crash: { try faults.step($0) })
  }

  /// One run of a process of its own.
  @discardableResult
  func sync(_ faults: Faults = Faults()) async throws -> SyncReport {
    let engine = try engine(faults)
    defer { engine.close() }
    return try await engine.run()
  }

  /// Runs until nothing changes any more. Returns the last report.
  @discardableResult
  func settle(limit: Int = 6) async throws -> SyncReport {
    for _ in 0..<limit {
      let report = try await sync()
      if !report.hasChanges { return report }
    }
    Issue.record("the two sides never agree")
    return SyncReport()
  }

  // MARK: The owner's hand

  func folder(_ path: [String] = ["INBOX"]) -> MaildirFolder { tree.folder(path) }

  @discardableResult
  func deliver(
    _ text: String, to path: [String] = ["INBOX"], _ flags: SyncFlags = SyncFlags(), date: Int64 = 1_700_000_500
  ) async throws -> String {
    if path == ["INBOX"] { try tree.create() } else { _ = try tree.createFolder(path) }
    let landing = MaildirLanding(folder: folder(path), settings: LandingSettings(), threads: .singleton)
    let staged = try await landing.stage(
      ByteBuffer(string: text), flags: flags.maildir, isNew: flags.isEmpty, date: date)
    return try await landing.commit([staged])[0].base
  }

  func entries(_ path: [String] = ["INBOX"]) throws -> [MaildirEntry] { try folder(path).scan() }

  func entry(of text: String, in path: [String] = ["INBOX"]) throws -> MaildirEntry? {
    try entries(path).first { try self.text($0, in: path) == text }
  }

  func text(_ entry: MaildirEntry, in path: [String]) throws -> String {
    let reader = try folder(path).openWire(entry)
    var bytes = ByteBuffer()
    while var piece = try reader.next() { bytes.writeBuffer(&piece) }
    return String(buffer: bytes)
  }

  func remove(_ text: String, in path: [String] = ["INBOX"]) throws {
    try folder(path).remove(#require(try entry(of: text, in: path)))
  }

  func setFlags(_ text: String, in path: [String] = ["INBOX"], _ flags: SyncFlags) throws {
    _ = try folder(path).setFlags(flags.maildir, of: #require(try entry(of: text, in: path)))
  }

  func move(_ text: String, from: [String], to: [String]) throws {
    _ = try folder(from).move(#require(try entry(of: text, in: from)), to: folder(to))
  }

  // MARK: Both sides

  /// Everything on the server: mailbox path → text → flags (and how often).
  func remoteContents() -> Contents {
    let map = NameMap(FakeRemote(server, Faults()).traits)
    var contents = Contents()
    for name in server.names {
      let path = map.local(name) ?? [name]
      contents.boxes.insert(path)
      for message in server.messages(name) {
        contents.messages.append(.init(path: path, text: String(buffer: message.bytes), flags: message.flags))
      }
    }
    return contents
  }

  func localContents() throws -> Contents {
    var contents = Contents()
    for path in try tree.folders() {
      contents.boxes.insert(path)
      for entry in try entries(path) {
        contents.messages.append(.init(path: path, text: try text(entry, in: path), flags: SyncFlags(entry.flags)))
      }
    }
    return contents
  }

  func expectSame(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let (remote, local) = (remoteContents(), try localContents())
    #expect(remote.boxes == local.boxes, comment, sourceLocation: sourceLocation)
    #expect(remote.sorted == local.sorted, comment, sourceLocation: sourceLocation)
  }

  func quarantine() async throws -> [QuarantinedMessage] {
    let engine = try engine()
    defer { engine.close() }
    return try await engine.quarantine.list()
  }
}

struct Contents {
  struct Item: Hashable, CustomStringConvertible {
    var path: [String]
    var text: String
    var flags: SyncFlags
    var description: String {
      "\(path.joined(separator: "/")) \(text.split(separator: "\r\n").first ?? "") \(flags.system.rawValue) "
        + KeywordText.text(flags.keywords)
    }
  }
  var boxes: Set<[String]> = []
  var messages: [Item] = []
  var sorted: [String] { messages.map(\.description).sorted() }
  func count(_ text: String) -> Int { messages.count { $0.text == text } }
}

/// A small message of its own.
func mail(_ number: Int, lines: Int = 2) -> String {
  "Message-ID: <\(number)@test>\r\nSubject: number \(number)\r\n\r\n"
    + (0..<lines).map { "line \($0) of \(number)\r\n" }.joined()
}

/// The same without a Message-ID.
func nameless(_ number: Int) -> String { "Subject: number \(1000 + number)\r\n\r\nno name \(1000 + number)\r\n" }

extension SyncFlags {
  static let seen = SyncFlags(.seen)
  static let flagged = SyncFlags(.flagged)
  static func keyword(_ name: String) -> SyncFlags { SyncFlags([], keywords: [KeywordName(name)]) }
}
