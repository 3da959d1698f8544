import Foundation
import MailStore
public import MailStoreSQL

/// `merpati backup`: of a store that a server has open, through its control socket, or of one that nobody serves.
public enum StoreBackup {
  /// Runs in this process: the server only copies its database within the data folder and keeps its packs meanwhile, so it
  /// needs no access to the folder of backups, and a slow or full disk there is no trouble of its.
  @concurrent
  public static func run(
    data: String, to folder: String, options: BackupRun.Options, progress: @escaping BackupRun.Progress
  ) async throws -> BackupRun.Report {
    try DataFolder.requireStore(in: data)
    try refuseInside(folder, of: data)
    var run = BackupRun(to: folder, options: options, isCancelled: { Task.isCancelled }, progress: progress)
    let work = try run.prepare(now: Clock.seconds())
    do {
      let deadline = ContinuousClock.now + DataFolder.patience
      while true {
        do {
          if let server = try await ControlConversation.open(socket: DataFolder.controlSocket(data)) {
            try await copy(&run, holding: server)
          } else {
            try await copyAlone(&run, data, work)
          }
          break
        } catch StoreError.folderInUse where ContinuousClock.now < deadline {
          // A server is starting or stopping, or another command has the folder.
          try await Task.sleep(for: .milliseconds(100))
        }
      }
      return try run.finish()
    } catch {
      run.clear()
      if error as? StoreError == .shuttingDown, Task.isCancelled { throw CancellationError() }
      throw error
    }
  }

  private static func copy(_ run: inout BackupRun, holding server: ControlConversation) async throws {
    do {
      try await server.send(.backup)
      guard let snapshot = try await server.reply().backup else {
        throw ControlFailure(.temporary, "the server gave no answer; try again")
      }
      try run.copy(snapshot)
      // Only a server that has been there all the time has kept its packs all the time.
      try await server.endHold()
    } catch {
      await server.close()
      throw error
    }
    await server.close()
  }

  /// The databases are copied straight to where they belong: no room is needed in the data folder.
  private static func copyAlone(_ run: inout BackupRun, _ data: String, _ work: String) async throws {
    let settings = try Settings(await EffectiveConfig.load(flags: ["data": data]))
    let store = try DataFolder.openStore(data, settings, logger: DataFolder.quietLogger(), upkeep: false)
    do {
      guard let upkeep = store as? any MailStoreUpkeep else {
        throw ControlFailure(.unavailable, "this store has no backups")
      }
      let hold = try await upkeep.beginBackup(into: work)
      do { try run.copy(hold.snapshot) } catch {
        await hold.end()
        throw error
      }
      await hold.end()
    } catch {
      await store.close()
      throw error
    }
    await store.close()
  }

  /// A backup among the files it saves would go with them, and a restore would set it aside.
  private static func refuseInside(_ folder: String, of data: String) throws(ControlFailure) {
    func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
    let (inner, outer) = (real(folder), real(data))
    guard inner == outer || inner.hasPrefix(outer + "/") else { return }
    throw ControlFailure(
      .usage, "\(folder) is inside the data folder \(data); choose a folder elsewhere, best on another disk")
  }

  @concurrent
  public static func verify(
    _ folder: String, generation: String?, progress: @escaping BackupRun.Progress
  ) async throws -> BackupVerify.Report {
    var verify = BackupVerify(folder, isCancelled: { Task.isCancelled }, progress: progress)
    return try verify.run(generation)
  }
}
