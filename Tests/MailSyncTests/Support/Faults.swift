import LocalMail
import MailNet
import NIOCore
import Synchronization

@testable import MailSync

/// Lets the world end at a step: of the line, of the disk, of the state.
final class Faults: Sendable {
  enum Kind: Sendable {
    /// The process is killed: from then on nothing happens any more.
    case crash
    /// The line is cut once; new connections work.
    case cut
  }
  struct Crash: Error {}

  private let state: Mutex<(count: Int, isDead: Bool, isCut: Bool)>
  private let limit: Int
  private let kind: Kind
  /// Another way to say when.
  let condition = Mutex<@Sendable () -> Bool>({ false })

  /// Another hand at work meanwhile.
  let onStep = Mutex<@Sendable (String) -> Void>({ _ in })

  /// - at: number of the step, from 1; 0: never.
  init(at limit: Int = 0, _ kind: Kind = .crash) {
    self.limit = limit
    self.kind = kind
    state = Mutex((0, false, false))
  }

  /// Steps so far.
  var count: Int { state.withLock { $0.count } }
  var happened: Bool { state.withLock { $0.isDead || $0.isCut } }

  func step(_ what: String) throws {
    onStep.withLock { $0 }(what)
    let isNow = condition.withLock { $0() }
    let (isCrash, isCut) = state.withLock { state in
      if state.isDead { return (true, false) }
      state.count += 1
      guard state.count == limit || isNow else { return (false, false) }
      switch kind {
      case .crash: state.isDead = true
      case .cut: state.isCut = true
      }
      return (state.isDead, kind == .cut)
    }
    if isCrash { throw Crash() }
    if isCut { throw ClientError(.disconnected, server: "fake") }
  }
}

/// The real local side with steps before and after everything that changes it.
struct FaultyLocal: SyncLocal {
  let real: MaildirLocal
  let faults: Faults

  private func around<Value>(_ what: String, _ body: () async throws -> Value) async throws -> Value {
    try faults.step("before \(what)")
    let value = try await body()
    try faults.step("after \(what)")
    return value
  }

  var path: String { real.path }
  func mark() async throws -> String? { try await real.mark() }
  func setMark(_ mark: String) async throws { try await around("mark") { try await real.setMark(mark) } }
  func folders() async throws -> [[String]] { try await real.folders() }
  func createFolder(_ path: [String]) async throws {
    try await around("create folder") { try await real.createFolder(path) }
  }
  func renameFolder(_ path: [String], to newPath: [String]) async throws {
    try await around("rename folder") { try await real.renameFolder(path, to: newPath) }
  }
  func deleteFolder(_ path: [String]) async throws {
    try await around("delete folder") { try await real.deleteFolder(path) }
  }
  func subscriptions() async throws -> [[String]] { try await real.subscriptions() }
  func setSubscriptions(_ paths: [[String]]) async throws {
    try await around("subscriptions") { try await real.setSubscriptions(paths) }
  }
  func scan(_ place: LocalPlace) async throws -> [LocalMessage] { try await real.scan(place) }
  func facts(_ messages: [LocalMessage], in place: LocalPlace) async throws -> [String: LocalFacts] {
    try await real.facts(messages, in: place)
  }
  func setFlags(_ changes: [(LocalMessage, SyncFlags)], in place: LocalPlace) async throws -> [String: SyncFlags] {
    try await around("set flags") { try await real.setFlags(changes, in: place) }
  }
  func move(
    _ messages: [LocalMessage], from: LocalPlace, to: LocalPlace
  ) async throws -> [String: LocalMessage] {
    try await around("move") { try await real.move(messages, from: from, to: to) }
  }
  func remove(_ messages: [LocalMessage], from place: LocalPlace) async throws {
    try await around("remove") { try await real.remove(messages, from: place) }
  }
  func source(_ message: LocalMessage, in place: LocalPlace) async throws -> LocalSource? {
    try await real.source(message, in: place)
  }
  func stage(_ messages: [Incoming], in place: LocalPlace) async throws -> [StagedFile] {
    try await around("stage") { try await real.stage(messages, in: place) }
  }
  func stage(file: String, flags: SyncFlags, date: Int64?, in place: LocalPlace) async throws -> StagedFile {
    try await around("stage") { try await real.stage(file: file, flags: flags, date: date, in: place) }
  }
  func commit(_ files: [StagedFile], in place: LocalPlace) async throws -> [String: LocalMessage] {
    try await around("commit") { try await real.commit(files, in: place) }
  }
  func discard(_ files: [StagedFile], in place: LocalPlace) async { await real.discard(files, in: place) }
  func changeStamp() async throws -> UInt64 { try await real.changeStamp() }
}
