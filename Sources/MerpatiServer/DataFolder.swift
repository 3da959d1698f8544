import BlobStore
import Foundation
import Logging
import MailStore
import MailStoreSQL
import NIOCore

/// The data folder as commands other than `serve` see it: through the running server if there is one, else opened for
/// the moment.
public enum DataFolder {
  /// The folder that flag, environment and configuration file name.
  public static func resolve(flag: String?) async throws -> String {
    let config = try await EffectiveConfig.load(flags: flag.map { ["data": $0] } ?? [:])
    return Settings.dataDirectory(config["data"])
  }

  static func controlSocket(_ directory: String) -> String { directory + "/control.sock" }

  /// How long a command waits for the folder while another has it: two deliveries of an MTA at once, a server that is
  /// starting or stopping.
  static let patience = Duration.seconds(30)

  public static func call(
    _ request: ControlRequest, in directory: String, body: (() throws -> [UInt8]?)? = nil
  ) async throws -> ControlReply {
    let deadline = ContinuousClock.now + patience
    while true {
      do {
        if let client = try ControlClient(socket: controlSocket(directory)) {
          let reply = try client.call(request, body: body)
          guard reply.isAnswer else { throw ControlFailure(.temporary, "the server gave no answer; try again") }
          return reply
        }
        return try await callAlone(request, directory, body)
      } catch StoreError.folderInUse where ContinuousClock.now < deadline {
        // Nothing of the body has been read yet.
        try await Task.sleep(for: .milliseconds(100))
      } catch let error as StoreError {
        throw refusal(of: request, ControlFailure(error))
      } catch let failure as ControlFailure {
        throw refusal(of: request, failure)
      }
    }
  }

  /// An MTA bounces a message on any code but 75, so what is our trouble and not the message's is told as 75.
  private static func refusal(of request: ControlRequest, _ failure: ControlFailure) -> ControlFailure {
    guard case .deliver = request else { return failure }
    switch failure.code {
    case .inputOutput, .software, .unavailable, .configuration, .noPermission:
      return ControlFailure(.temporary, failure.sentence)
    default: return failure
    }
  }

  private static func callAlone(
    _ request: ControlRequest, _ directory: String, _ body: (() throws -> [UInt8]?)?
  ) async throws -> ControlReply {
    try requireStore(for: request, in: directory)
    return try await withStore(directory) { store, settings, logger in
      if case .deliver(let delivery) = request {
        let intake = LocalDeliveries(store: store, settings: settings, logger: logger).begin(delivery)
        while let chunk = try body?(), !chunk.isEmpty { await intake.append(ByteBuffer(bytes: chunk)) }
        return try await intake.finish()
      }
      switch request {
      case .append, .read, .backup: throw ControlFailure(.software, "requests that carry messages go through StoreDoor")
      default: break
      }
      return try await Administration(
        store: store, defaultQuota: settings.defaultQuota, scramIterations: settings.scramIterations,
        credentialsChanged: { _ in }
      ).perform(request)
    }
  }

  /// Only adding an account may make a store: anything else on a mistyped folder would find it empty and clean.
  private static func requireStore(for request: ControlRequest, in directory: String) throws(ControlFailure) {
    switch request {
    case .accountAdd, .accountImportHash: return
    default: try requireStore(in: directory)
    }
  }

  static func requireStore(in directory: String) throws(ControlFailure) {
    let volume = directory + "/volumes/1"
    guard !FileManager.default.fileExists(atPath: volume) else { return }
    throw ControlFailure(
      .configuration,
      "\(directory): no mail store there; name another folder by --data, or make one by 'merpati account add'")
  }

  private static func withStore(
    _ directory: String, _ body: (any MailStore, Settings, Logger) async throws -> ControlReply
  ) async throws -> ControlReply {
    let settings = try Settings(await EffectiveConfig.load(flags: ["data": directory]))
    let logger = quietLogger()
    let store = try openStore(directory, settings, logger: logger, upkeep: false)
    do {
      let reply = try await body(store, settings, logger)
      await store.close()
      return reply
    } catch {
      await store.close()
      throw error
    }
  }

  /// Tells what goes wrong on the terminal.
  static func quietLogger() -> Logger {
    Logger(label: "store") { label in
      LineLogHandler(label: label, sink: .standardError, level: .error)
    }
  }

  static func openStore(
    _ directory: String, _ settings: Settings, logger: Logger, upkeep: Bool,
    onFailure: @escaping @Sendable (StoreError) -> Void = { _ in }
  ) throws(StoreError) -> any MailStore {
    try FolderOwner.check(directory)
    var store = storeSettings(settings, upkeep: upkeep)
    store.onFailure = onFailure
    return try SQLStore.open(directory: directory, settings: store, logger: logger)
  }

  static func storeSettings(_ settings: Settings, upkeep: Bool) -> StoreSettings {
    var store = StoreSettings()
    store.packs.codec = settings.compressed ? .zstd : .raw
    store.packs.usesDictionaries = settings.hasDictionaries
    store.packs.maxPackBytes = settings.packOctets
    store.defaultQuota = settings.defaultQuota
    store.maximumMessageBytes = settings.maximumMessageOctets
    store.expungedRetentionDays = settings.keepExpungedDays
    store.upkeepInterval = upkeep ? settings.compactIntervalSeconds : 0
    store.freeSpaceFloor = settings.freeSpaceFloor
    store.scrubRate = upkeep ? settings.scrubRate : 0
    store.scrubInterval = settings.scrubIntervalSeconds
    store.searchIndexing = !settings.hasSearchIndex ? .off : upkeep ? .on : .kept
    return store
  }
}
