import Foundation
import NIOCore

/// A client that believes nothing but the server: it keeps mailboxes by what it is sent, loses its connection at any moment,
/// comes back and asks for what it has missed (RFC 7162 §6). Whatever no client could make sense of is a `Violation`.
actor SyncClient {
  enum Kind: String, Sendable, CaseIterable {
    /// QRESYNC.
    case resync
    /// UIDONLY and QRESYNC.
    case uidOnly
    /// CONDSTORE alone.
    case condStore
    /// None of it, but IMAP4rev2.
    case plain

    var tellsModSeqs: Bool { self != .plain }
    var tellsVanished: Bool { self == .resync || self == .uidOnly }
  }

  struct Violation: Error, CustomStringConvertible { var description: String }
  /// The client has cut the connection.
  struct Cut: Error {}

  let kind: Kind
  let address: SocketAddress
  private(set) var caches: [String: ModelCache] = [:]
  private(set) var selected: String?
  /// UIDs by sequence number; nil: not known yet. Of a UIDONLY client only how many there are.
  private var order: [UInt32?] = []
  /// What `order` should be cannot be told yet: the client has just come back.
  private var isOrderOpen = false
  /// EXISTS of the last SELECT.
  private var openedWith = 0
  private var peer: ScriptPeer?
  private var commands = 0
  private(set) var dialogue: [String] = []

  // The command under way
  private var highestSeen: UInt64 = 0
  private var explicit: UInt64?
  private var selecting: (exists: Int, validity: UInt32, highest: UInt64)?
  private var found: [UInt32]?

  init(_ kind: Kind, _ address: SocketAddress) {
    self.kind = kind
    self.address = address
  }

  var isConnected: Bool { peer != nil }
  var cache: ModelCache { selected.flatMap { caches[$0] } ?? ModelCache() }

  private func change(_ body: (inout ModelCache) -> Void) {
    if let selected { body(&caches[selected, default: ModelCache()]) }
  }

  private func violation(_ what: String) -> Violation {
    Violation(description: "\(kind.rawValue): \(what)\n" + dialogue.suffix(40).joined(separator: "\n"))
  }

  private func note(_ line: String) {
    dialogue.append(String(line.prefix(300)))
    if dialogue.count > 400 { dialogue.removeFirst(200) }
  }

  // MARK: Connection

  func connect() async throws {
    let peer = try await ScriptPeer.connect(to: address)
    self.peer = peer
    note("-- connects")
    _ = try await peer.line()
    _ = try await run("LOGIN budi rahasia")
    switch kind {
    case .resync: _ = try await run("ENABLE QRESYNC")
    case .uidOnly: _ = try await run("ENABLE UIDONLY QRESYNC")
    case .condStore: _ = try await run("ENABLE CONDSTORE")
    case .plain: _ = try await run("ENABLE IMAP4rev2")
    }
  }

  func disconnect() async {
    note("-- is cut")
    await peer?.abort()
    peer = nil
    selected = nil
    order = []
    isOrderOpen = false
  }

  /// Sends a command and takes in all that comes up to its end. `cutAfter`: the connection is lost after so many lines.
  @discardableResult
  func run(_ text: String, literal: String? = nil, cutAfter: Int? = nil) async throws -> String {
    guard let peer else { throw violation("not connected") }
    commands += 1
    let tag = "a\(commands)"
    note("C: \(tag) \(text)")
    highestSeen = 0
    explicit = nil
    found = nil
    let bytes = "\(tag) \(text)" + (literal.map { " {\($0.utf8.count)+}\r\n\($0)" } ?? "") + "\r\n"
    try await peer.send(Array(bytes.utf8))
    if text == "IDLE" {
      while try await !line(peer).hasPrefix("+ ") {}
      try await peer.send(Array("DONE\r\n".utf8))
    }
    var lines = 0
    while true {
      if let cutAfter, lines >= cutAfter {
        await disconnect()
        throw Cut()
      }
      let line = try await line(peer)
      lines += 1
      if line.hasPrefix("\(tag) ") {
        try end(line)
        return String(line.dropFirst(tag.count + 1))
      }
    }
  }

  /// One line, literals drawn in; taken in unless it is tagged.
  private func line(_ peer: ScriptPeer) async throws -> String {
    var text = ""
    while true {
      text += try await peer.line()
      guard text.hasSuffix("}"), let open = text.lastIndex(of: "{"),
        let size = Int(text[text.index(after: open)...].dropLast())
      else { break }
      _ = try await peer.bytes(size)
      text = text[..<open] + "~"
    }
    note("S: \(text)")
    if text.hasPrefix("* ") { try take(String(text.dropFirst(2))) }
    return text
  }

  // MARK: What is sent

  private func end(_ line: String) throws {
    if let code = ServerWords.code("HIGHESTMODSEQ", in: line) { explicit = UInt64(code) }
    if line.contains(" BAD ") { throw violation("BAD") }
    if let selecting {
      guard line.contains(" OK ") else { throw violation("cannot select") }
      openedWith = selecting.exists
      return
    }
    // RFC 7162 §6: the code if there was one, else the highest that came since the last tag.
    if let explicit {
      change { $0.highest = explicit }
    } else if highestSeen > cache.highest {
      let highestSeen = highestSeen
      change { $0.highest = highestSeen }
    }
  }

  private func take(_ text: String) throws {
    let words = text.split(separator: " ", maxSplits: 2).map(String.init)
    if let number = UInt32(words[0]), words.count > 1 {
      switch words[1] {
      case "EXISTS": try exists(Int(number))
      case "EXPUNGE": try expunged(Int(number))
      case "FETCH": try fetched(Int(number), nil, words[2])
      case "UIDFETCH": try fetched(nil, number, words[2])
      case "RECENT": break
      default: throw violation("what is \(text)?")
      }
      return
    }
    switch words[0] {
    case "VANISHED":
      if words[1] == "(EARLIER)" { try vanishedEarlier(words[2]) } else { try vanished(words[1]) }
    case "OK":
      if let code = ServerWords.code("HIGHESTMODSEQ", in: text) {
        if selecting != nil { selecting?.highest = UInt64(code) ?? 0 } else { explicit = UInt64(code) }
      }
      if let code = ServerWords.code("UIDVALIDITY", in: text) { try opened(UInt32(code) ?? 0) }
    case "BYE": throw violation("BYE")
    case "NO" where text.contains("[HIGHESTMODSEQ"): throw violation("an odd place for HIGHESTMODSEQ")
    case "SEARCH": found = text.split(separator: " ").dropFirst().compactMap { UInt32($0) }
    case "ESEARCH":
      let all = text.split(separator: " ")
      found = all.firstIndex(of: "ALL").map { ServerWords.set(all[$0 + 1]) } ?? []
    default: break
    }
  }

  private func exists(_ count: Int) throws {
    if selecting != nil {
      selecting?.exists = count
      return
    }
    guard count >= order.count else { throw violation("\(count) EXISTS after \(order.count)") }
    order += Array(repeating: nil, count: count - order.count)
  }

  private func expunged(_ number: Int) throws {
    guard !kind.tellsVanished else { throw violation("EXPUNGE to a client that wants VANISHED") }
    guard (1...max(order.count, 1)).contains(number), !order.isEmpty else { throw violation("no message \(number)") }
    let uid = order.remove(at: number - 1)
    change { if let uid { $0.messages[uid] = nil } }
  }

  /// RFC 7162 §3.2.10.2: each is one that the client counts.
  private func vanished(_ set: String) throws {
    guard kind.tellsVanished else { throw violation("VANISHED that nobody asked for") }
    for uid in ServerWords.set(set) {
      if kind == .uidOnly {
        guard !order.isEmpty else { throw violation("\(uid) of none") }
        order.removeLast()
        change { $0.messages[uid] = nil }
      } else if cache.messages[uid] != nil {
        change { $0.messages[uid] = nil }
        guard let index = order.firstIndex(of: uid) ?? order.firstIndex(of: nil) else {
          throw violation("\(uid) twice")
        }
        order.remove(at: index)
      } else {
        // One that it has not looked at yet: it stands behind all that are lower.
        let start = (order.lastIndex { $0.map { $0 < uid } ?? false } ?? -1) + 1
        guard let index = order[start...].firstIndex(of: nil) else { throw violation("\(uid) was never there") }
        order.remove(at: index)
      }
    }
  }

  private func vanishedEarlier(_ set: String) throws {
    guard kind.tellsVanished else { throw violation("VANISHED that nobody asked for") }
    for uid in ServerWords.set(set) {
      if selecting == nil, cache.messages[uid] != nil { throw violation("\(uid) is counted and called earlier") }
      change { $0.messages[uid] = nil }
    }
  }

  private func fetched(_ number: Int?, _ known: UInt32?, _ text: String) throws {
    let items = ServerWords.items(text)
    guard (number == nil) == (kind == .uidOnly) else { throw violation("FETCH of the wrong kind") }
    var uid = known ?? items["UID"].flatMap { UInt32($0) }
    if let number, selecting == nil, !isOrderOpen {
      guard (1...max(order.count, 1)).contains(number), !order.isEmpty else { throw violation("no message \(number)") }
      if let mine = order[number - 1], let theirs = uid, mine != theirs {
        throw violation("message \(number) is \(mine), not \(theirs)")
      }
      uid = uid ?? order[number - 1]
      order[number - 1] = uid
    }
    // RFC 7162 §3.2.4: whoever keeps MODSEQs is told them, and by UID.
    if kind.tellsModSeqs, items["FLAGS"] != nil, items["MODSEQ"] == nil { throw violation("FLAGS without MODSEQ") }
    guard let uid else { return }
    let modSeq = items["MODSEQ"].flatMap { UInt64($0.dropFirst().dropLast()) }
    if let modSeq { highestSeen = max(highestSeen, modSeq) }
    change { cache in
      var message = cache.messages[uid] ?? .init()
      if let flags = items["FLAGS"] {
        message.flags = Set(ServerWords.words(inParentheses: flags)).subtracting(["\\Recent"])
      }
      if let modSeq { message.modSeq = modSeq }
      if let id = items["EMAILID"] { message.emailID = id }
      cache.messages[uid] = message
    }
  }

  // MARK: Opening

  private func opened(_ validity: UInt32) throws {
    guard selecting != nil else { return }
    selecting?.validity = validity
    if cache.validity != validity { change { $0 = ModelCache(validity: validity) } }
  }

  /// Opens a mailbox and makes up for what was missed. `form`: what goes along with QRESYNC.
  func open(_ name: String, form: Int, cutAfter: Int? = nil) async throws {
    selected = name
    order = []
    isOrderOpen = false
    let before = caches[name] ?? ModelCache()
    selecting = (0, 0, 0)
    var command = "SELECT \(name)"
    let canResync = kind.tellsVanished && before.validity != 0 && before.highest != 0
    if canResync {
      var resync = "\(before.validity) \(before.highest)"
      let uids = before.uids
      if form & 1 != 0, !uids.isEmpty { resync += " \(ServerWords.set(uids))" }
      if form & 2 != 0, kind != .uidOnly, !uids.isEmpty, before.lastSeen >= (uids.last ?? 0) {
        // Every third of the messages by the numbers they had.
        let places = Array(stride(from: 0, to: uids.count, by: 3))
        resync += " (\(ServerWords.set(places.map { UInt32($0 + 1) })) \(ServerWords.set(places.map { uids[$0] })))"
      }
      command += " (QRESYNC (\(resync)))"
    } else if kind.tellsModSeqs, form & 1 != 0 {
      command += " (CONDSTORE)"
    }
    do { try await run(command, cutAfter: cutAfter) } catch {
      selecting = nil
      throw error
    }
    let highest = selecting?.highest ?? 0
    selecting = nil
    isOrderOpen = true
    // RFC 7162 §6: kept when all is made up for, and QRESYNC has done so.
    if canResync { change { $0.highest = highest } } else { try await compareByHand(before, cutAfter: cutAfter) }
    try await learn(always: true)
    change { $0.highest = max($0.highest, highest) }
  }

  func search(_ text: String) async throws -> [UInt32] {
    try await run("UID SEARCH \(text)")
    return found ?? []
  }

  /// Without QRESYNC: flags by CHANGEDSINCE or all of them, and what is gone by its absence.
  private func compareByHand(_ before: ModelCache, cutAfter: Int?) async throws {
    guard !cache.messages.isEmpty else { return }
    if kind == .plain {
      try await run("UID FETCH 1:* (FLAGS)", cutAfter: cutAfter)
    } else {
      try await run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE \(before.highest))", cutAfter: cutAfter)
    }
    try await run("UID SEARCH ALL", cutAfter: cutAfter)
    let there = Set(found ?? [])
    change { cache in cache.messages = cache.messages.filter { there.contains($0.key) } }
  }

  private var exists: Int { order.count }

  /// Fetches what the client has heard of and does not know.
  func learn(always: Bool = false) async throws {
    guard selected != nil else { return }
    guard always || order.contains(nil) && kind != .uidOnly || kind == .uidOnly && exists > cache.messages.count else {
      return
    }
    let items = kind.tellsModSeqs ? "(UID FLAGS MODSEQ EMAILID)" : "(UID FLAGS EMAILID)"
    try await run("UID FETCH \(cache.lastSeen + 1):* \(items)")
    let last = cache.uids.last ?? 0
    change { $0.lastSeen = max($0.lastSeen, last) }
    if isOrderOpen {
      isOrderOpen = false
      order = cache.uids
      guard order.count == openedWith else { throw violation("\(openedWith) EXISTS, but it knows \(order.count)") }
    }
  }

  func leave(_ command: String) async throws {
    try await run(command)
    selected = nil
    order = []
  }

  // MARK: Doing

  /// A STORE whose answer the client works out itself where it is silent.
  func store(_ uids: [UInt32], _ mode: String, _ flags: [String], silent: Bool, unchangedSince: Bool, byNumber: Bool)
    async throws
  {
    let numbers = uids.compactMap { uid in order.firstIndex(of: uid).map { UInt32($0 + 1) } }
    let isNumbered = byNumber && kind != .uidOnly && numbers.count == uids.count
    var command = isNumbered ? "STORE \(ServerWords.set(numbers))" : "UID STORE \(ServerWords.set(uids))"
    if unchangedSince { command += " (UNCHANGEDSINCE \(cache.highest))" }
    command += " \(mode)FLAGS\(silent ? ".SILENT" : "") (\(flags.joined(separator: " ")))"
    let answer = try await run(command)
    guard silent else { return }
    var failed = Set(ServerWords.set(ServerWords.code("MODIFIED", in: answer) ?? ""))
    if isNumbered { failed = Set(failed.compactMap { order[Int($0) - 1] }) }
    change { cache in
      for uid in uids where !failed.contains(uid) {
        guard var message = cache.messages[uid] else { continue }
        switch mode {
        case "+": message.flags.formUnion(flags)
        case "-": message.flags.subtract(flags)
        default: message.flags = Set(flags)
        }
        cache.messages[uid] = message
      }
    }
  }

  /// Sequence numbers and UIDs as the client has them: equal to what the server has when all has been told.
  var knowsAll: Bool { kind == .uidOnly ? exists == cache.messages.count : order.map { $0 ?? 0 } == cache.uids }
}
