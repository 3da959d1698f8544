import Foundation
public import MailClient
import MailStore
public import MailStoreSQL
public import MailTransfer
import NIOPosix

/// `merpati restore`: a whole store into a data folder, or one account into a store that goes on.
public enum StoreRestore {
  @concurrent
  public static func whole(
    from folder: String, generation: String?, data: String, isDryRun: Bool, progress: @escaping BackupRun.Progress
  ) async throws -> RestoreRun.Report {
    let run = RestoreRun(from: folder, to: data, isCancelled: { Task.isCancelled }, progress: progress)
    if isDryRun { return try run.plan(generation) }
    do { return try run.run(generation) } catch {
      switch error {
      case .folderInUse(_, let process):
        let who = process.map { "process \($0)" } ?? "another process"
        throw ControlFailure(
          .temporary,
          "\(data) is in use by \(who): stop the server before its whole store is replaced, or restore one account (--account)"
        )
      case .shuttingDown where Task.isCancelled: throw CancellationError()
      default: throw error
      }
    }
  }

  public struct AccountOptions: Sendable {
    public var account: String
    /// Under which name; nil: its own.
    public var newName: String?
    /// An account that is there is set aside under another name first.
    public var replaces = false
    public var ignoringQuota = false
    public var mailboxes: Set<String>?
    public init(account: String) { self.account = account }
  }

  public struct AccountPlan: Sendable, Codable {
    public var generation: String
    public var account: String
    public var into: String
    /// There is an account of that name.
    public var exists: Bool
    public var messages: Int
    public var mailboxes: [String]
  }

  /// What `account` would bring.
  public static func plan(
    from folder: String, generation: String?, data: String, _ options: AccountOptions
  ) async throws -> AccountPlan {
    let reader = try BackupReader(folder, generation: generation, account: options.account)
    defer { reader.close() }
    let boxes = try reader.mailboxes().mailboxes
    let into = options.newName ?? reader.account.name
    let accounts = try await DataFolder.call(.accountList, in: data).accounts ?? []
    return AccountPlan(
      generation: reader.generation, account: reader.account.name, into: into,
      exists: accounts.contains { $0.name == into.lowercased() }, messages: boxes.reduce(0) { $0 + $1.messages },
      mailboxes: boxes.filter(\.isSelectable).map(\.name))
  }

  /// By the path that every import takes: bytes, flags, keywords, dates, UIDLs, subscriptions and special uses go along,
  /// messages get new UIDs, those that are there by their bytes are passed over, and at the end both sides are compared.
  /// - Returns: a sentence about the account, and the report.
  public static func account(
    from folder: String, generation: String?, data: String, _ options: AccountOptions, reporter: @escaping JobReporter
  ) async throws -> (made: String, generation: String, report: TransferReport) {
    let reader = try BackupReader(folder, generation: generation, account: options.account)
    let name = options.newName ?? reader.account.name
    let aside = options.replaces ? "\(name).replaced-\(Int64(time(nil)))" : nil
    let reply = try await DataFolder.call(
      .accountRestore(RestoredAccount(reader.account, name: name, setAside: aside)), in: data)
    if let failure = reply.failure { throw failure.store ?? failure }
    guard let made = reply.restoredAccount else {
      throw ControlFailure(.temporary, "the server gave no answer; try again")
    }
    let origin = BackupOrigin(reader, name: "\(folder) \(reader.generation)", threads: NIOThreadPool.singleton)
    var settings = ImportOptions()
    // UIDs that the account has given out since the backup must not come to mean other messages.
    settings.keepsUIDs = false
    settings.mailboxes = options.mailboxes
    let door = try await StoreDoor.open(directory: data)
    let sharing: Sharing
    do {
      sharing = try await bringSharing(
        reader, into: name, isNew: made.isNew, bringsRights: name.lowercased() == reader.account.name,
        only: options.mailboxes, by: door)
    } catch {
      await door.close()
      reader.close()
      throw error
    }
    var report = await MailImport(
      from: origin, to: door.account(name, ignoringQuota: options.ignoringQuota), options: settings
    ).run(account: name, reporter: reporter)
    await door.close()
    reader.close()
    for index in report.mailboxes.indices {
      report.mailboxes[index].notes += sharing.leftOut[report.mailboxes[index].name] ?? []
    }
    var sentence = made.sentence
    if sharing.grants > 0 { sentence += "; rights: \(sharing.grants) lines are back" }
    if sharing.entries > 0 { sentence += "; \(sharing.entries) annotations are back" }
    for text in sharing.leftOut[""] ?? [] { sentence += "; left out: \(text)" }
    return (sentence, reader.generation, report)
  }
}
