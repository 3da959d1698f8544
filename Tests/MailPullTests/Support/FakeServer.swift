import MailNet
import MailPull
import NIOCore
import POP3Client
import Synchronization

/// A maildrop in memory, and what may be odd about its server.
final class FakeServer: POP3Connector {
  struct Message: Sendable, Hashable {
    var uidl: String?
    var bytes: String
  }
  struct State: Sendable {
    var messages: [Message] = []
    var capabilities = POP3Capabilities()
    /// RETR takes messages away at QUIT, whatever DELE says.
    var retrievalDeletes = false
    /// -ERR to RETR or DELE of messages with these texts in them.
    var refusesToRetrieve: Set<String> = []
    var refusesToDelete: Set<String> = []
    /// QUIT deletes nothing and says so.
    var quitFails = false
    /// Messages longer than this come in pieces.
    var wholeOctets = Int.max
    /// Every session lists other UIDLs.
    var renumbers = false
    /// The first so many connections fail.
    var refusedConnections = 0
    /// LIST says so many octets more than there are.
    var extraOctets = 0
    /// Called with a message's number before it is sent; then the session ends if its task is cancelled.
    var onRetrieve: (@Sendable (Int) -> Void)?
    var sessions = 0
    var retrieved: [String] = []
    var topped = 0
    var quits = 0
    var abandons = 0
  }

  let faults: Faults
  private let state: Mutex<State>

  init(_ messages: [Message] = [], faults: Faults = Faults()) {
    var state = State()
    state.messages = messages
    state.capabilities.top = true
    state.capabilities.uidl = true
    self.state = Mutex(state)
    self.faults = faults
  }

  var now: State { state.withLock { $0 } }
  var bodies: [String] { now.messages.map(\.bytes).sorted() }
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
  func add(_ messages: [Message]) { set { $0.messages += messages } }

  func connect() async throws -> any POP3Session {
    if faults.isDead { throw Crash() }
    try faults.line("connect")
    let snapshot = try state.withLock { state throws(ClientError) in
      if state.refusedConnections > 0 {
        state.refusedConnections -= 1
        throw ClientError(.cannotConnect("nobody listens"), server: "fake")
      }
      state.sessions += 1
      if state.renumbers {
        for index in state.messages.indices { state.messages[index].uidl = "s\(state.sessions)-\(index)" }
      }
      return state
    }
    return FakeSession(self, snapshot)
  }

  /// Twelve small messages; the fourth and the eighth are the same but for their UIDL.
  static func twelve(uidl: Bool = true) -> [Message] {
    (1...12).map { number in
      let text = number == 8 ? 4 : number
      return Message(uidl: uidl ? "u\(number)" : nil, bytes: Self.mail(text))
    }
  }

  static func mail(_ number: Int, body: String? = nil) -> String {
    "Message-ID: <m\(number)@test>\r\nSubject: number \(number)\r\n\r\n\(body ?? "Text of \(number).")\r\n"
  }
}

/// One session: the drop as it was at login.
final class FakeSession: POP3Session {
  private let server: FakeServer
  private let drop: [FakeServer.Message]
  private let behaviour: FakeServer.State
  private var deleted: Set<Int> = []
  private var retrieved: Set<Int> = []
  private var isOpen = true
  let capabilities: POP3Capabilities

  init(_ server: FakeServer, _ state: FakeServer.State) {
    self.server = server
    drop = state.messages
    behaviour = state
    capabilities = state.capabilities
  }

  private func line(_ name: String) throws(ClientError) {
    guard isOpen else { throw ClientError(.disconnected, server: "closed") }
    do { try server.faults.line(name) } catch {
      isOpen = false
      throw error
    }
  }

  private func refusal(_ command: String) -> ClientError {
    ClientError(.refused(command: command, code: nil, text: "no"), server: "fake")
  }

  func listing() async throws(ClientError) -> [POP3Listing] {
    try line("list")
    return drop.enumerated().map { index, message in
      POP3Listing(
        number: index + 1, octets: Int64(message.bytes.utf8.count + behaviour.extraOctets), uidl: message.uidl)
    }
  }

  func retrieve(
    _ messages: [POP3Listing], window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws {
    for listing in messages {
      try line("retr \(listing.number)")
      behaviour.onRetrieve?(listing.number)
      if Task.isCancelled { throw ClientError(.cancelled, server: "fake") }
      let bytes = drop[listing.number - 1].bytes
      if behaviour.refusesToRetrieve.contains(where: { bytes.contains($0) }) {
        try await handle(.refused(number: listing.number, refusal("RETR")))
        continue
      }
      retrieved.insert(listing.number - 1)
      server.set { $0.retrieved.append(bytes) }
      let buffer = ByteBuffer(string: bytes)
      if buffer.readableBytes <= behaviour.wholeOctets {
        try await handle(.whole(number: listing.number, buffer))
        continue
      }
      try await handle(.begin(number: listing.number))
      var rest = buffer
      while let piece = rest.readSlice(length: min(behaviour.wholeOctets, rest.readableBytes)), piece.readableBytes > 0
      {
        try line("piece of \(listing.number)")
        try await handle(.piece(piece))
      }
      try await handle(.end(number: listing.number))
    }
    try line("retr done")
  }

  func top(
    _ messages: [POP3Listing], lines: Int, window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws {
    for listing in messages {
      try line("top \(listing.number)")
      server.set { $0.topped += 1 }
      let bytes = drop[listing.number - 1].bytes
      let parts = bytes.split(separator: "\r\n", omittingEmptySubsequences: false)
      let headers = parts.firstIndex(of: "") ?? parts.count
      let text = parts.prefix(headers + 1 + lines).joined(separator: "\r\n") + "\r\n"
      try await handle(.whole(number: listing.number, ByteBuffer(string: text)))
    }
  }

  func delete(_ numbers: [Int], window: Int) async throws(ClientError) -> [Int: ClientError] {
    var refused: [Int: ClientError] = [:]
    for number in numbers {
      try line("dele \(number)")
      let bytes = drop[number - 1].bytes
      if behaviour.refusesToDelete.contains(where: { bytes.contains($0) }) {
        refused[number] = refusal("DELE")
      } else {
        deleted.insert(number - 1)
      }
    }
    return refused
  }

  func quit() async throws(ClientError) {
    try line("quit sent")
    server.set { $0.quits += 1 }
    if behaviour.quitFails { throw refusal("QUIT") }
    let gone = behaviour.retrievalDeletes ? deleted.union(retrieved) : deleted
    // UIDLs may be equal or missing: take away by place, as nobody else changes the drop in the middle of it.
    server.set { state in
      let kept = drop.indices.filter { !gone.contains($0) }.map { drop[$0] }
      state.messages = kept + state.messages.dropFirst(drop.count)
    }
    try line("quit answered")
    isOpen = false
  }

  func abandon() async {
    isOpen = false
    server.set { $0.abandons += 1 }
  }
}
