import MailTestKit

@testable import IMAPServer

/// A client's connection for tests with a model: sends a command, and hands every line that comes to the model in the
/// order in which it comes.
final class ModelSession {
  struct Refused: Error { var line: String }

  private let peer: ScriptPeer
  private var number = 0
  let name: String
  /// Called with each untagged line.
  var hear: (String) throws -> Void = { _ in }
  /// The command under way.
  private(set) var command = ""
  /// UIDs of whose flags FETCH lines of the command under way have told.
  private(set) var told: Set<UInt32> = []
  /// The untagged COPYUID of the last MOVE.
  var moved: String?
  /// The last lines both ways, for the story of a failure.
  private(set) var story: [String] = []

  init(_ peer: ScriptPeer, name: String) {
    self.peer = peer
    self.name = name
  }

  static func connect(to server: TestServer, name: String) async throws -> ModelSession {
    let session = ModelSession(try await ScriptPeer.connect(to: server.address), name: name)
    _ = try await session.peer.line()
    try await session.run("LOGIN budi rahasia")
    return session
  }

  /// The text behind the tag: `OK ...`.
  @discardableResult
  func run(_ command: String) async throws -> String {
    number += 1
    told = []
    self.command = command
    let tag = "\(name)\(number)"
    note("> \(tag) \(command)")
    try await peer.send(Array("\(tag) \(command)\r\n".utf8))
    while true {
      let line = try await peer.line()
      note("< \(line)")
      if line.hasPrefix(tag + " ") { return String(line.dropFirst(tag.count + 1)) }
      if line.contains("FLAGS ("), let uid = Self.uid(line) { told.insert(uid) }
      if line.contains("[COPYUID ") { moved = line }
      try hear(line)
    }
  }

  /// Of FETCH or UIDFETCH.
  private static func uid(_ line: String) -> UInt32? {
    let words = line.split(separator: " ")
    if line.contains(" FETCH (UID ") { return words.dropFirst(4).first.flatMap { UInt32($0) } }
    return line.contains(" UIDFETCH (") ? words.dropFirst().first.flatMap { UInt32($0) } : nil
  }

  /// What the next command will have.
  var nextTag: String { "\(name)\(number + 1)" }

  /// As `run`, but a NO ends the test.
  func must(_ command: String) async throws {
    let answer = try await run(command)
    guard answer.hasPrefix("OK") else { throw Refused(line: "\(command): \(answer)") }
  }

  private func note(_ line: String) {
    story.append(line)
    if story.count > 400 { story.removeFirst(100) }
  }

  func close() async { await peer.close() }
}

/// The numbers of a set, `2:4,7`.
func numbers(_ set: some StringProtocol) -> [UInt32] {
  set.split(separator: ",").flatMap { part -> [UInt32] in
    let ends = part.split(separator: ":").compactMap { UInt32($0) }
    guard let first = ends.first, let last = ends.last else { return [] }
    return Array(min(first, last)...max(first, last))
  }
}
