import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

/// Backups and restores of a test's store.
extension StoreBed {
  var backups: String { "\(path)/backups" }

  @discardableResult
  func backup(
    _ store: SQLStore, keep: Int? = nil, trace: ((BackupFiles.Event) throws(StoreError) -> Void)? = nil,
    whileHeld: () async throws -> Void = {}
  ) async throws -> BackupRun.Report {
    var run = BackupRun(to: backups, options: BackupRun.Options(keep: keep))
    if let trace { run.files.trace = trace }
    _ = try run.prepare(now: clock.now)
    let hold = try await store.beginBackup(into: nil)
    do {
      try await whileHeld()
      try run.copy(hold.snapshot)
      await hold.end()
      return try run.finish()
    } catch {
      await hold.end()
      throw error
    }
  }

  @discardableResult
  func restore(
    _ generation: String? = nil, to target: String? = nil,
    trace: ((BackupFiles.Event) throws(StoreError) -> Void)? = nil
  ) throws -> RestoreRun.Report {
    var run = RestoreRun(from: backups, to: target ?? data, now: clock.now)
    if let trace { run.files.trace = trace }
    return try run.run(generation)
  }

  func verify() throws -> BackupVerify.Report {
    var verify = BackupVerify(backups)
    return try verify.run(nil)
  }

  /// Another data folder with the same clock.
  func openSQL(at folder: String, _ settings: BedSettings = BedSettings()) throws -> SQLStore {
    try SQLStore.open(
      directory: folder, settings: StoreSettings(upkeepInterval: 0, now: { [clock] in clock.now }))
  }
}

extension SQLStore {
  /// Every message of an account by mailbox: its bytes, flags and keywords, in UID order.
  func everything(of name: String) async throws -> [String: [String]] {
    guard let account = try await account(named: name) else { return [:] }
    var result: [String: [String]] = [:]
    for info in try await mailboxes(of: account.id).mailboxes where info.isSelectable {
      let ref = MailboxRef(account: account.id, mailbox: info.id)
      for message in try await state(info.name, of: account) {
        let body = try await body(message.uid, in: ref) ?? "missing"
        result[info.name, default: []].append("\(message.flags.rawValue) \(message.keywords.sorted()) \(body)")
      }
    }
    return result
  }
}
