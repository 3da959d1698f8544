import Foundation
import Logging
import MailNet
import MailStore
import MailTransfer
import NIOCore
import NIOPosix

@testable import MerpatiServer

/// A data folder of its own with the account `ana`, and a server's control socket on it while a test wants one. `serve`
/// does the same with the same parts.
actor ControlBed {
  nonisolated let path: String
  private var store: (any MailStore)?
  private var listener: Listener?
  private var running: Task<Void, any Error>?

  init() async throws {
    path = FileManager.default.temporaryDirectory.path + "/merpati-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let store = try DataFolder.openStore(path, try await Self.settings(path), logger: Self.quiet(), upkeep: false)
    _ = try await store.addAccount(NewAccount(name: "ana", credentials: "x"))
    await store.close()
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private static func settings(_ path: String) async throws -> Settings {
    try Settings(await EffectiveConfig.load(flags: ["data": path]))
  }

  private static func quiet() -> Logger {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
  }

  /// Returns the server's store, to be looked at beside its socket.
  @discardableResult
  func startServer() async throws -> any MailStore {
    let settings = try await Self.settings(path)
    let store = try DataFolder.openStore(path, settings, logger: Self.quiet(), upkeep: false)
    let administration = Administration(
      store: store, defaultQuota: settings.defaultQuota, scramIterations: 4096, credentialsChanged: { _ in })
    let deliveries = LocalDeliveries(store: store, settings: settings, logger: Self.quiet())
    let listener = Listener(
      settings: ControlSession.listenerSettings(directory: path), tls: nil,
      group: MultiThreadedEventLoopGroup.singleton,
      makeSession: { ControlSession(connection: $0, administration: administration, deliveries: deliveries) },
      logger: Self.quiet())
    try await listener.bind()
    running = Task { try await listener.run() }
    self.listener = listener
    self.store = store
    return store
  }

  func stopServer() async {
    listener?.beginShutdown(grace: .zero)
    _ = try? await running?.value
    await store?.close()
    listener = nil
    running = nil
    store = nil
  }
}

enum Way: String, CaseIterable, Sendable { case server, alone }

/// Runs a test on a door, through a server and with the folder opened by the door itself.
func withDoor(_ way: Way, _ body: (StoreDoor, ControlBed) async throws -> Void) async throws {
  let bed = try await ControlBed()
  if way == .server { try await bed.startServer() }
  let door = try await StoreDoor.open(directory: bed.path)
  do { try await body(door, bed) } catch {
    await door.close()
    await bed.stopServer()
    throw error
  }
  await door.close()
  await bed.stopServer()
}

/// What `read` brought, message by message; nil for one that is damaged.
func gather(_ source: any ExportSource, _ mailbox: String, _ uids: [UID]) async throws -> [UID: String?] {
  var result: [UID: String?] = [:]
  var current: (uid: UID, size: Int, bytes: ByteBuffer)?
  try await source.read(mailbox, uids) { event in
    switch event {
    case .begin(let uid, let size): current = (uid, size, ByteBuffer())
    case .piece(let bytes): current?.bytes.writeImmutableBuffer(bytes)
    case .end:
      if let (uid, size, bytes) = current, bytes.readableBytes == size { result[uid] = String(buffer: bytes) }
      current = nil
    case .damaged(let uid, _):
      result[uid] = .some(nil)
      current = nil
    }
  }
  return result
}

func text(_ number: Int, octets: Int = 0) -> String {
  var text = "From: ana@example.org\r\nSubject: Number \(number)\r\n\r\n"
  var line = 0
  while text.utf8.count < octets {
    text += "\(number) \(line &* 7919) \(line)\r\n"
    line += 1
  }
  return text
}
