import BlobStore
import IMAPServer
import LMTPServer
import Logging
import MailAuth
import MailNet
import MailStore
import MailStoreMemory
import MailStoreSQL
import MailTestKit
import NIOCore
import NIOPosix
import POP3Server
import SASL

/// One store with the three servers on it and the script's clients before them. Everything on sockets runs on one event
/// loop, and a step is over when it is answered: what another session is told of it is on its way before the answer is
/// (the store tells before it answers), and is read when the bell has been heard.
final class World {
  enum Engine { case sqlite, memory(MemoryFault?) }

  let script: SimulationScript
  let clock = TestClock()
  let group: any EventLoopGroup
  private let engine: Engine
  private let folder: String
  private let disk = MemoryStore.Disk()
  private let credentials: String
  private(set) var store: any MailStore
  private var listeners: [SimulationScript.Speech: Listener] = [:]
  private var running: [Task<Void, Never>] = []
  var lines: [Int: Line] = [:]
  var normaliser = Normaliser()
  private var openings = 0
  private let bell: Bell

  /// A client's connection and what it has under way.
  struct Line {
    var peer: Peer
    var commands = 0
    /// The tag of the IDLE that stands.
    var idle: String?
    /// Tags of searches that asked for updates.
    var updates: [String] = []
  }

  /// URLs that sessions were given by GENURLAUTH.
  var urls: [String] = []

  static let password = "rahasia"

  private init(
    _ engine: Engine, _ script: SimulationScript, folder: String, group: any EventLoopGroup, bell: Bell,
    credentials: String
  ) throws {
    self.engine = engine
    self.bell = bell
    self.script = script
    self.folder = folder
    self.group = group
    self.credentials = credentials
    store = try Self.open(engine, script, folder: folder, disk: disk, clock: clock)
    normaliser.isShared = script.isShared
  }

  /// `folder` must exist; `credentials` is the stored form of `password`.
  static func start(
    _ engine: Engine, _ script: SimulationScript, folder: String, group: any EventLoopGroup, credentials: String
  ) async throws -> World {
    let bell = try await Bell.hang(in: group)
    let world = try World(engine, script, folder: folder, group: group, bell: bell, credentials: credentials)
    for owner in script.owners {
      _ = try await world.store.addAccount(
        NewAccount(
          name: owner.name, credentials: credentials,
          quota: QuotaLimits(bytes: owner.octets, messages: owner.messages),
          pop3Expire: owner.expireDays < 0 ? .never : owner.expireDays == 0 ? .onRetrieve : .days(owner.expireDays)))
    }
    try await world.listen()
    return world
  }

  private static func open(
    _ engine: Engine, _ script: SimulationScript, folder: String, disk: MemoryStore.Disk, clock: TestClock
  ) throws -> any MailStore {
    switch engine {
    case .memory(let fault):
      return MemoryStore(
        MemoryStore.Settings(
          maximumMessageBytes: 1 << 20, expungedRetentionDays: script.retention, fault: fault,
          now: { clock.now }), disk: disk)
    case .sqlite:
      var settings = StoreSettings(maximumMessageBytes: 1 << 20, now: { clock.now })
      settings.upkeepInterval = 0
      settings.searchIndexing = .on
      settings.searchIndexPause = 2
      settings.expungedRetentionDays = script.retention
      if script.forgetsViews { settings.cachedViewEntries = 0 }
      // A few messages are several chunks of flags, some have none yet.
      settings.flagChunks = FlagChunkSizes(capacity: 5, loose: 8, least: 3)
      settings.contentChunks = ContentChunkSizes(capacity: 4, loose: 7)
      if script.smallSlices {
        settings.packs.maxPackBytes = 64 << 10
        settings.packs.spoolThreshold = 2 << 10
      }
      var logger = Logger(label: "simulation")
      logger.logLevel = .critical
      return try SQLStore.open(directory: folder + "/data", settings: settings, logger: logger)
    }
  }

  private func listen() async throws {
    var logger = Logger(label: "simulation")
    logger.logLevel = .critical
    let authenticator = Authenticator(
      store: store, settings: AuthSettings(allowCleartext: true, failureDelay: .zero, scramIterations: 1000),
      logger: logger, threads: NIOThreadPool.singleton)
    await authenticator.refresh()
    openings += 1
    let imap = IMAPListener(
      store: store, authenticator: authenticator, settings: imapSettings(), logger: logger)
    let clock = clock
    // Time-outs run on the machine's clock, which is not part of a script.
    let pop3 = POP3Server(
      store: store, authenticator: authenticator,
      settings: POP3ServerSettings(
        hostname: "mail.example.id", offersSTLS: false, idleSeconds: 1_000_000, loginSeconds: 1_000_000,
        lockSilenceSeconds: 1_000_000, now: { clock.now }), logger: logger)
    let lmtp = LMTPServer(
      store: store,
      settings: LMTPServerSettings(
        hostname: "mail.example.id", offersSTARTTLS: false, maxMessageBytes: 1 << 20, idleSeconds: 1_000_000,
        now: { clock.now }), logger: logger)
    try await add(.imap, { imap.makeSession($0) }, logger)
    try await add(.pop3, { pop3.makeSession($0) }, logger)
    try await add(.lmtp, { lmtp.makeSession($0) }, logger)
  }

  private func imapSettings() -> IMAPServerSettings {
    var settings = IMAPServerSettings(now: { [clock] in clock.now })
    settings.idleTimeout = .hours(24)
    settings.appendLimit = 1 << 20
    settings.quotaAdministrators = [SimulationScript.quotaAdministrator]
    settings.submissionAccounts = ["citra@example.org"]
    // So that all bounds of annotations are met.
    settings.metadataValue = 600
    settings.metadataEntries = 4
    settings.metadataOctets = 3000
    if script.smallSlices {
      settings.wholeMessageLimit = 1 << 10
      settings.searchWholeMessageLimit = 2 << 10
      settings.messagesOnLoop = 4
      settings.messagesPerVisit = 3
      settings.outputChunk = 1 << 10
    }
    return settings
  }

  private func add(
    _ speech: SimulationScript.Speech, _ makeSession: @escaping @Sendable (Connection) -> any ConnectionSession,
    _ logger: Logger
  ) async throws {
    let listener = Listener(
      settings: ListenerSettings(
        name: speech.rawValue, address: .unix(path: "\(folder)/\(speech.rawValue)\(openings)", mode: 0o600),
        implicitTLS: false, refusalLine: ""), tls: nil, group: group, makeSession: makeSession, logger: logger)
    try await listener.bind()
    listeners[speech] = listener
    running.append(Task { try? await listener.run() })
  }

  private func listener(_ speech: SimulationScript.Speech) -> Listener? { listeners[speech == .imap2 ? .imap : speech] }

  func connect(_ speech: SimulationScript.Speech) async throws -> Peer {
    guard let address = listener(speech)?.boundAddress else { throw ScriptError("no listener") }
    return try await Peer.connect(to: address, group: group)
  }

  // MARK: Ends

  /// Ends a client's connection and waits until the server has noticed.
  func hangUp(_ client: SimulationScript.Client) async throws {
    guard let line = lines.removeValue(forKey: client.number), let listener = listener(client.speech) else { return }
    let before = listener.connectionCount
    line.peer.close()
    var tries = 0
    // The count may have gone down already: the server ended it.
    let mine = script.clients.count { lines[$0.number] != nil && self.listener($0.speech) === listener }
    while listener.connectionCount > mine, tries < 200_000 {
      try await settle()
      tries += 1
    }
    if listener.connectionCount > mine { throw ScriptError("\(before) connections do not end") }
  }

  /// Returns when the loop has done what waited on it, and its sockets hold nothing unread: a session is woken by the first
  /// turn, and has spoken by the second.
  func settle() async throws {
    try await bell.ring()
    try await bell.ring()
  }

  func reopen() async throws {
    try await closeServers()
    await store.close()
    store = try Self.open(engine, script, folder: folder, disk: disk, clock: clock)
    try await listen()
  }

  private func closeServers() async throws {
    for client in script.clients { try await hangUp(client) }
    for listener in listeners.values { listener.beginShutdown(grace: .zero) }
    for task in running { await task.value }
    running = []
    listeners = [:]
  }

  func stop() async {
    try? await closeServers()
    await store.close()
    bell.takeDown()
  }
}
