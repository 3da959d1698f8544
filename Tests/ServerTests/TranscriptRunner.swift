import Foundation
import MailStore
import MailTestKit
import NIOCore
import Testing

/// Plays one transcript against a real server on loopback.
///
/// ```
/// @Test(arguments: Transcript.all(of: "pop3"))
/// func `A POP3 transcript holds`(transcript: Transcript) async throws {
///   try await TranscriptRun(transcript, server: .pop3).play()
/// }
/// ```
final class TranscriptRun {
  struct Mismatch: Error, CustomStringConvertible {
    var description: String
  }

  let transcript: Transcript
  let server: TestServer.Kind
  let clock = TestClock()
  let store: any MailStore
  /// What `@set` gave; handed to the server when the first line is spoken.
  var settings: [String: String] = [:]
  private(set) var running: TestServer?
  private var peers: [String: ScriptPeer] = [:]
  private var variables: [String: String] = [:]
  /// Every line both ways, for the message of a failure.
  private var dialogue: [String] = []
  private var isSkipping: Set<String> = []

  /// `makeStore` gives the store under the server; the default is the one in memory.
  init(
    _ transcript: Transcript, server: TestServer.Kind,
    makeStore: (TestClock) throws -> any MailStore = { clock in FakeStore(now: { clock.now }) }
  ) rethrows {
    self.transcript = transcript
    self.server = server
    self.store = try makeStore(clock)
  }

  func play() async throws {
    try #require(!transcript.steps.isEmpty, "\(transcript.name) has no steps")
    do {
      try await playSteps()
    } catch {
      for peer in peers.values { await peer.close() }
      await running?.stop()
      throw error
    }
    for peer in peers.values { await peer.close() }
    await running?.stop()
  }

  private func playSteps() async throws {
    var steps = transcript.steps[...]
    while let step = steps.popFirst() {
      do {
        switch step.action {
        case .directive(let words, let document): try await perform(words, document: document)
        case .send(let bytes):
          var bytes = substitute(bytes)
          dialogue.append(step.text)
          // Lines that follow one another are one write: pipelining, and what an injector would do.
          while let next = steps.first, next.connection == step.connection, case .send(let more) = next.action {
            bytes += substitute(more)
            dialogue.append(next.text)
            steps.removeFirst()
          }
          try await peer(step.connection).send(bytes)
        case .expect(let text): try await expect([(substitute(text), false)], on: step.connection)
        case .match(let pattern): try await expect([(substitute(pattern), true)], on: step.connection)
        case .inAnyOrder(let group):
          try await expect(group.map { (substitute($0.text), $0.isPattern) }, on: step.connection)
        case .skip: isSkipping.insert(step.connection)
        case .expectClose:
          let rest = try await peer(step.connection).untilClosed()
          guard rest.isEmpty || isSkipping.contains(step.connection) else {
            throw Mismatch(description: "before closing the server sent:\n\(rest)")
          }
          peers[step.connection] = nil
        case .close:
          await peers.removeValue(forKey: step.connection)?.close()
        case .startTLS: try await peer(step.connection).startTLS()
        case .compress(let isAhead): try await peer(step.connection).compress(isAhead: isAhead)
        case .plain: try await peer(step.connection).endCompression()
        }
      } catch {
        let tail = dialogue.suffix(30).map { "  \($0.prefix(200))" }.joined(separator: "\n")
        throw Mismatch(description: "\(transcript.name), line \(step.line): \(step.text)\n\(error)\nso far:\n\(tail)")
      }
    }
  }

  /// The peer of a connection; connects when it is spoken of for the first time.
  private func peer(_ name: String) async throws -> ScriptPeer {
    if let peer = peers[name] { return peer }
    let server = try await startedServer()
    let peer = try await ScriptPeer.connect(to: server.address, tls: settings["tls"] == "implicit")
    peers[name] = peer
    return peer
  }

  func startedServer() async throws -> TestServer {
    if let running { return running }
    let started = try await TestServer.start(server, store: store, settings: settings, clock: clock)
    running = started
    return started
  }

  private func expect(_ wanted: [(text: String, isPattern: Bool)], on connection: String) async throws {
    var left = wanted
    while !left.isEmpty {
      let line = try await peer(connection).line()
      dialogue.append("S\(connection): \(line)")
      if let index = try left.firstIndex(where: { try fits(line, $0.text, isPattern: $0.isPattern) }) {
        left.remove(at: index)
        isSkipping.remove(connection)
      } else if !isSkipping.contains(connection) {
        let expected = left.map { ($0.isPattern ? "~ " : ": ") + $0.text }.joined(separator: "\n      or ")
        throw Mismatch(description: "expected \(expected)\n     got : \(line)")
      }
    }
  }

  private func fits(_ line: String, _ text: String, isPattern: Bool) throws -> Bool {
    guard isPattern else { return line == text }
    guard let match = try Regex(text).wholeMatch(in: line) else { return false }
    for capture in match.output {
      if let name = capture.name, let value = capture.substring { variables[name] = String(value) }
    }
    return true
  }

  private func substitute(_ text: String) -> String {
    guard text.contains("${") else { return text }
    return variables.reduce(text) { $0.replacing("${\($1.key)}", with: $1.value) }
  }

  private func substitute(_ bytes: [UInt8]) -> [UInt8] {
    guard !variables.isEmpty, bytes.contains(UInt8(ascii: "$")) else { return bytes }
    return Array(substitute(String(decoding: bytes, as: UTF8.self)).utf8)
  }

  /// True when the line of a document (`@stored`) fits; a line that begins with `~ ` is a pattern.
  func documentFits(_ wanted: String, _ line: String) throws -> Bool {
    guard wanted.hasPrefix("~ ") else { return substitute(wanted) == line }
    return try fits(line, substitute(String(wanted.dropFirst(2))), isPattern: true)
  }
}
