import IMAPCore
import MailStore
import MailTestKit
import Testing

@testable import IMAPServer

/// Results of searches as a client has them that believes nothing but ADDTO, REMOVEFROM and EXPUNGE.
private final class ContextModel {
  struct Wrong: Error, CustomStringConvertible { var description: String }

  struct Results {
    var command: String
    var isUID: Bool
    var isSorted: Bool
    var list: ResultList
  }

  var results: [String: Results] = [:]
  var cancelled: Set<String> = []
  var messages = 0
  /// ALL of the last ESEARCH response without updates.
  var last: [UInt32] = []

  func hear(_ line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    guard words.first == "*", words.count > 2 else { return }
    if words[2] == "EXISTS", let count = Int(words[1]) { messages = count }
    if words[2] == "EXPUNGE", let number = UInt32(words[1]) {
      messages -= 1
      for tag in results.keys where results[tag]?.isUID == false {
        guard results[tag]?.list.numbers.contains(number) == false else {
          throw Wrong(description: "\(number) is expunged before it was taken from \(tag)")
        }
        let numbers = results[tag]?.list.numbers ?? []
        results[tag]?.list.numbers = numbers.map { $0 > number ? $0 - 1 : $0 }
      }
    }
    if words[1] == "ESEARCH" { try hearResults(words) }
    if line.contains("[NOUPDATE") || line.contains("[NOTIFICATIONOVERFLOW") { throw Wrong(description: line) }
  }

  private func hearResults(_ words: [String]) throws {
    // * ESEARCH (TAG "t") [UID] [ALL set] [REMOVEFROM (p s p s)] [ADDTO (p s)]
    let tag = words[3].filter { $0 != "\"" && $0 != ")" }
    var index = 4
    last = []
    while index < words.count {
      switch words[index] {
      case "ALL":
        last = numbers(words[index + 1])
        if results[tag] != nil { results[tag]?.list.numbers = last }
        index += 2
      case "REMOVEFROM", "ADDTO":
        let isAddition = words[index] == "ADDTO"
        var changes: [ContextChange] = []
        var isOver = false
        index += 1
        while !isOver, index + 1 < words.count {
          isOver = words[index + 1].hasSuffix(")")
          let position = Int(words[index].filter(\.isNumber)) ?? -1
          changes.append(ContextChange(position, numbers(words[index + 1].filter { $0 != ")" })))
          index += 2
        }
        if cancelled.contains(tag) { continue }
        guard let isSorted = results[tag]?.isSorted else { throw Wrong(description: "nobody asked for \(tag)") }
        if isSorted, changes.contains(where: { $0.position == 0 }) { throw Wrong(description: "no place in \(tag)") }
        if isAddition { try results[tag]?.list.add(changes) } else { try results[tag]?.list.remove(changes) }
      default: index += 1
      }
    }
  }
}

private actor ContextPlayer {
  private static let searches = [
    "UID SEARCH RETURN (%ALL) UNFLAGGED", "SEARCH RETURN (%ALL) OR SEEN SUBJECT a", "SEARCH RETURN (%ALL) TEXT bb",
    "UID SORT RETURN (%ALL) (SUBJECT) UTF-8 NOT DELETED",
    "SORT RETURN (%ALL) (REVERSE SUBJECT SIZE) UTF-8 KEYWORD kerja",
    "UID SORT RETURN (%ALL) (SIZE) UTF-8 ALL", "SEARCH RETURN (%ALL) NOT KEYWORD kerja LARGER 30",
  ]
  private static let flags = ["\\Seen", "\\Flagged", "\\Deleted", "kerja"]

  private let session: ModelSession
  private let model = ContextModel()
  private var random: SeededRandom
  private var count = 0

  init(_ server: TestServer, _ name: String, seed: UInt64) async throws {
    session = try await ModelSession.connect(to: server, name: name)
    random = SeededRandom(seed: seed)
  }

  func start(notifies: Bool) async throws {
    let model = model
    session.hear = { line in try model.hear(line) }
    if notifies { try await session.must("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))") }
    try await session.must("SELECT INBOX")
    for _ in 0..<4 { try await begin() }
  }

  func play(_ operations: Int) async throws {
    isWrong = true
    for _ in 0..<operations {
      switch random.int(0...11) {
      case 0...3:
        let subject = random.pick(["a", "bb", "ab", "c", "ba"])
        let text = "Subject: \(subject)\r\n\r\n\(String(repeating: "x", count: random.int(0...20)))"
        let flags = Self.flags.filter { _ in random.int(0...3) == 0 }.joined(separator: " ")
        try await session.must("APPEND INBOX (\(flags)) {\(text.utf8.count)+}\r\n\(text)")
      case 4...7:
        guard model.messages > 0 else { break }
        let uids = (0...random.int(0...3)).map { _ in "\(random.int(1...max(1, model.messages * 2)))" }
        let mode = random.pick(["+FLAGS", "-FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT"])
        try await session.must("UID STORE \(uids.joined(separator: ",")) \(mode) (\(random.pick(Self.flags)))")
      case 8:
        // So that the mailbox stays small.
        if model.messages > 40 { _ = try await session.run("STORE 1:20 +FLAGS.SILENT (\\Deleted)") }
        try await session.must("EXPUNGE")
      case 9 where model.results.count < 8: try await begin()
      case 10:
        guard model.results.count > 2, let tag = model.results.keys.sorted().first else { break }
        // Until the command is done its updates may come, or not.
        model.results[tag] = nil
        model.cancelled.insert(tag)
        try await session.must("CANCELUPDATE \"\(tag)\"")
      default: try await session.must("NOOP")
      }
    }
    isWrong = false
  }

  private func begin() async throws {
    let search = random.pick(Self.searches)
    let tag = session.nextTag
    model.results[tag] = .init(
      command: search, isUID: search.hasPrefix("UID"), isSorted: search.contains("SORT"), list: ResultList(numbers: []))
    try await session.must(search.replacing("%", with: "UPDATE "))
  }

  func compare() async throws {
    isWrong = true
    try await session.must("NOOP")
    try await session.must("NOOP")
    for (tag, results) in model.results {
      model.last = []
      try await session.must(results.command.replacing("%", with: ""))
      let believed = model.results[tag]?.list.numbers ?? []
      guard believed == model.last else {
        throw ContextModel.Wrong(description: "\(tag), \(results.command): \(believed) for \(model.last)")
      }
    }
    isWrong = false
  }

  func close() async { await session.close() }
  var story: [String] { session.story }
  private(set) var isWrong = false
}

@Suite struct ContextModelTests {
  struct Different: Error, CustomStringConvertible { var description: String }

  @Test(arguments: ModelStore.allCases)
  func `A client that follows ADDTO and REMOVEFROM has the results, whatever four do at once`(kind: ModelStore)
    async throws
  {
    let (store, remove) = try kind.open()
    defer { remove() }
    _ = try await ModelRun.addAccount(to: store)
    let server = try await TestServer.start(.imap, store: store, settings: ["tls": "off"], clock: TestClock())
    let seed = ModelRun.seed
    print("CONTEXT over \(kind): seed \(seed)")
    var players: [ContextPlayer] = []
    for number in 0..<4 {
      let player = try await ContextPlayer(server, "c\(number)x", seed: seed &* 37 &+ UInt64(number))
      try await player.start(notifies: number.isMultiple(of: 2))
      players.append(player)
    }
    var random = SeededRandom(seed: seed)
    var rounds = 0
    var left = ModelRun.operations(400)
    while left > 0 {
      let each = random.int(1...5)
      left -= 4 * each
      do {
        try await withThrowingTaskGroup { group in
          for player in players { group.addTask { try await player.play(each) } }
          try await group.waitForAll()
        }
        // Searching anew is most of the work.
        rounds += 1
        if rounds.isMultiple(of: left > 1000 ? 20 : 1) || left <= 0 {
          for player in players { try await player.compare() }
        }
      } catch {
        for player in players where await player.isWrong { print(await player.story.joined(separator: "\n"), "\n---") }
        throw Different(description: "seed \(seed), \(left) left: \(error)")
      }
    }
    for player in players { await player.close() }
    await server.stop()
    await store.close()
  }
}
