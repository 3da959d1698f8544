import Foundation
public import MailStore
import MailStoreSQL

extension DataFolder {
  /// `check --repair`: the whole of it when nobody serves, else what the running server can do. `isOnline` says which.
  ///
  /// Errors are `ControlFailure`, with a sentence and a sysexits code.
  public static func repair(
    _ options: RepairOptions, in directory: String, progress: @escaping @Sendable (RepairProgress) -> Void
  ) async throws -> (report: RepairReport, isOnline: Bool) {
    try requireStore(in: directory)
    let settings = try Settings(await EffectiveConfig.load(flags: ["data": directory]))
    let deadline = ContinuousClock.now + patience
    while true {
      do {
        if let client = try ControlClient(socket: controlSocket(directory)) {
          let reply = try client.call(.repair(options))
          if let failure = reply.failure { throw failure }
          guard let report = reply.repair else {
            throw ControlFailure(.temporary, "the server gave no answer; try again")
          }
          return (report, true)
        }
        let report = try await alone(options, directory, settings, progress)
        return (report, false)
      } catch StoreError.folderInUse where ContinuousClock.now < deadline {
        try await Task.sleep(for: .milliseconds(100))
      } catch let error as StoreError {
        throw ControlFailure(error)
      }
    }
  }

  /// Blocks for as long as it takes: on a thread of its own.
  private static func alone(
    _ options: RepairOptions, _ directory: String, _ settings: Settings,
    _ progress: @escaping @Sendable (RepairProgress) -> Void
  ) async throws -> RepairReport {
    try await withCheckedThrowingContinuation { continuation in
      let thread = Thread {
        do {
          continuation.resume(
            returning: try StoreRepair.run(
              directory: directory, settings: storeSettings(settings, upkeep: false), options: options,
              logger: quietLogger(), progress: progress))
        } catch { continuation.resume(throwing: error) }
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
  }
}
