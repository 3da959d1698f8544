import Foundation
import MailAdvice
import MailStore
import NIOPosix
import SASL

/// Carries out what `account`, `quota`, `check` and `compact` ask, on any store.
struct Administration: Sendable {
  let store: any MailStore
  let defaultQuota: QuotaLimits
  let scramIterations: Int
  /// Told after every change that logins depend on; with the account whose sessions must end.
  let credentialsChanged: @Sendable (AccountID?) -> Void

  func perform(_ request: ControlRequest) async throws(ControlFailure) -> ControlReply {
    do {
      return try await reply(to: request)
    } catch let failure as ControlFailure {
      throw failure
    } catch let error as StoreError {
      throw ControlFailure(error)
    } catch let error as CredentialsError {
      throw ControlFailure(.data, error.description)
    } catch {
      throw ControlFailure(.software, "\(error)")
    }
  }

  private func reply(to request: ControlRequest) async throws -> ControlReply {
    var reply = ControlReply()
    switch request {
    case .accountAdd(let name, let password, let settings):
      let credentials = try await stored(password)
      reply.message = try await add(name, credentials, settings)
    case .accountImportHash(let name, let hash, let settings):
      reply.message = try await add(name, try Credentials(stored: hash).stored, settings)
    case .accountChange(let name, let settings):
      let account = try await account(name)
      _ = try await store.updateAccount(account.id, change(of: account, settings))
      credentialsChanged(settings.enabled == false ? account.id : nil)
      reply.message = "changed \(account.name)"
    case .accountPassword(let name, let password):
      let account = try await account(name)
      _ = try await store.updateAccount(account.id, AccountChange(credentials: try await stored(password)))
      credentialsChanged(account.id)
      reply.message = "changed the password of \(account.name)"
    case .accountRemove(let name):
      let account = try await account(name)
      try await store.removeAccount(account.id)
      credentialsChanged(account.id)
      reply.message = "removed \(account.name)"
    case .accountList:
      reply.accounts = try await list()
    case .quotaShow(let name):
      let account = try await account(name)
      let (usage, limits) = try await store.quota(of: account.id)
      reply.quota = QuotaReport(
        account: account.name, storage: .init(usage: usage.bytes, limit: limits.bytes),
        messages: .init(usage: usage.messages, limit: limits.messages))
      let holdings = try await store.holdings(of: account.id)
      reply.quota?.mailboxes = .init(usage: holdings.mailboxes, limit: limits.mailboxes)
      reply.quota?.annotations = .init(usage: holdings.annotationBytes, limit: limits.annotationBytes)
      if let kept = try await (store as? any MailStoreUpkeep)?.keptForUndelete(of: account.id) {
        reply.quota?.kept = .init(usage: kept.bytes, limit: nil)
      }
    case .check:
      reply.check = try await store.check()
    case .repair(let options):
      reply.repair = try await repairable().repairOnline(options)
    case .scrubStatus:
      reply.scrub = try await repairable().scrubStatus()
    case .compact:
      reply.compaction = try await store.compact()
    case .expire:
      reply.count = try await store.expireRetrieved(of: nil, now: Int64(time(nil)))
    case .choose(let name, let wishes):
      reply.advice = try await Choose.report(on: store, try await account(name), wishes: wishes, now: Int64(time(nil)))
    case .mailboxes(let account):
      reply.listing = try await work.listing(of: account)
    case .prepareImport(let account, let mailbox):
      reply.mailbox = try await work.prepare(mailbox, of: account)
    case .describe(let account, let mailbox, let after):
      reply.page = try await work.describe(mailbox, of: account, after: after)
    case .fingerprints(let account, let mailbox, let uids):
      try Self.check(uids)
      let (found, done) = try await work.fingerprints(mailbox, of: account, uids)
      reply.fingerprints = .init(found: found.mapValues(\.hexText), done: done)
    case .accountRestore(let account):
      reply.restoredAccount = try await restore(account)
    case .mailboxRestore(let mailbox):
      reply.restoredMailbox = try await work.restore(mailbox)
    case .deletedMessages(let name, let filter):
      reply.deleted = try await upkeep().deletedMessages(of: account(name).id, filter)
    case .undelete(let name, let filter, let ignoringQuota):
      reply.undeleted = try await upkeep().undelete(of: account(name).id, filter, ignoringQuota: ignoringQuota)
    case .accessList(let name, let mailbox):
      reply.access = try await access(of: try await account(name), mailbox)
    case .accessChange(let name, let mailbox, let identifier, let rights):
      reply.message = try await changeAccess(of: try await account(name), mailbox, identifier, rights)
    case .metadataList(let entry):
      reply.metadata = try await metadata(entry)
    case .metadataChange(let entry, let value):
      reply.message = try await changeMetadata(entry, value)
    case .deliver, .append, .read, .backup:
      throw ControlFailure(.software, "a request that carries messages does not come this way")
    }
    return reply
  }

  private func repairable() throws(ControlFailure) -> any RepairableStore {
    guard let store = store as? any RepairableStore else {
      throw ControlFailure(.unavailable, "this store cannot be repaired while it runs")
    }
    return store
  }

  var work: StoreWork { StoreWork(store: store) }

  static func check(_ uids: [UID]) throws(ControlFailure) {
    guard uids.count <= ControlLimits.uidsPerRequest, zip(uids, uids.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw ControlFailure(.data, "UIDs must ascend, at most \(ControlLimits.uidsPerRequest) at a time")
    }
  }

  func account(_ name: String) async throws -> Account {
    guard let account = try await store.account(named: name) else { throw StoreError.noSuchAccount(name) }
    return account
  }

  private func add(_ name: String, _ credentials: String, _ settings: AccountSettings) async throws -> String {
    let account = try await store.addAccount(
      NewAccount(
        name: name, credentials: credentials, quota: quota(QuotaLimits(), settings),
        pop3Expire: try settings.expire() ?? .never))
    credentialsChanged(nil)
    return "added \(account.name)"
  }

  private func change(of account: Account, _ settings: AccountSettings) throws(ControlFailure) -> AccountChange {
    AccountChange(
      isEnabled: settings.enabled, quota: quota(account.quota, settings), pop3Expire: try settings.expire())
  }

  private func quota(_ limits: QuotaLimits, _ settings: AccountSettings) -> QuotaLimits {
    var limits = limits
    if let bytes = settings.quotaBytes { limits.bytes = bytes < 0 ? nil : bytes }
    if let messages = settings.quotaMessages { limits.messages = messages < 0 ? nil : messages }
    if let mailboxes = settings.quotaMailboxes { limits.mailboxes = mailboxes < 0 ? nil : mailboxes }
    if let bytes = settings.quotaAnnotations { limits.annotationBytes = bytes < 0 ? nil : bytes }
    return limits
  }

  /// PBKDF2 takes milliseconds: not on an event loop.
  private func stored(_ password: String) async throws -> String {
    let iterations = scramIterations
    return try await NIOThreadPool.singleton.runIfActive {
      try Credentials.make(password: Array(password.utf8), iterations: iterations).stored
    }
  }

  private func list() async throws -> [AccountReport] {
    var reports: [AccountReport] = []
    for account in try await store.accounts() {
      let (usage, limits) = try await store.quota(of: account.id)
      let credentials = try? Credentials(stored: account.credentials)
      reports.append(
        AccountReport(
          name: account.name, enabled: account.isEnabled, messages: usage.messages, bytes: usage.bytes,
          quotaBytes: limits.bytes, quotaMessages: limits.messages, pop3Expire: account.pop3Expire.text,
          scram: credentials?.servesSCRAM ?? false))
    }
    return reports
  }
}

extension ControlFailure {
  /// What a person at the terminal reads for a store's refusal.
  public init(_ error: StoreError) {
    switch error {
    case .noSuchAccount(let name):
      self.init(.noUser, "\(name): no such account; 'merpati account list' shows those there are")
    case .accountExists(let name): self.init(.cannotCreate, "\(name): there is such an account already")
    case .invalidAccountName(let name, let reason): self.init(.data, "\(name): not an account name: \(reason)")
    case .noSuchMailbox(let name): self.init(.data, "\(name): no such mailbox")
    case .overQuota(let over):
      self.init(
        .cannotCreate,
        "the account is full: \(over.usage) of \(over.limit) \(over.unit)")
    case .messageTooLarge(let limit): self.init(.data, "the message is larger than \(limit) octets")
    case .corrupt(let what): self.init(.inputOutput, "damaged: \(what); 'merpati check' tells more")
    case .io(let operation, let path, let code) where error.isNoRoom:
      self.init(.temporary, "\(path): \(operation): \(String(cString: strerror(code))); try again when there is room")
    case .io(let operation, let path, let code):
      self.init(.inputOutput, "\(path): \(operation): \(String(cString: strerror(code)))")
    case .database(let message): self.init(.inputOutput, message)
    case .folderInUse(let folder, let process):
      self.init(
        .temporary, "\(folder): in use by \(process.map { "process \($0)" } ?? "another process"); try again later")
    case .folderRefused(let folder, let reason): self.init(.noPermission, "\(folder): \(reason)")
    case .shuttingDown: self.init(.temporary, "the server is shutting down; try again")
    case .importRefused(let refusal): self.init(.data, Self.sentence(refusal))
    case .notSelectable(let name): self.init(.data, "\(name): this name holds no messages")
    case .invalidMailboxName(let name, let reason): self.init(.data, "\(name): not a mailbox name: \(reason)")
    case .tooManyKeywords(let limit):
      self.init(.data, "a mailbox has at most \(limit) keywords, each of at most 255 octets")
    case .tooManyMailboxes(let limit): self.init(.data, "an account has at most \(limit) mailboxes")
    case .tooManyGrants(let limit): self.init(.data, "a mailbox is shared with at most \(limit) accounts")
    case .tooManyMessages(let limit): self.init(.data, "at most \(limit) messages at a time")
    default: self.init(.data, "\(error)")
    }
    store = error
  }

  private static func sentence(_ refusal: ImportRefusal) -> String {
    switch refusal {
    case .uidNotAbove(let uid, let next):
      "UID \(uid) cannot be given any more: the mailbox has given out UIDs up to \(next - 1)"
    case .malformedUIDL(let uidl): "'\(uidl)' is no UIDL: it has 1 to 70 visible ASCII characters"
    case .uidlInUse(let uidl): "the UIDL \(uidl) is in use in the account"
    case .uidValidityFixed(let mailbox, let current):
      "\(mailbox): its UIDVALIDITY is \(current), and it has given out UIDs under it"
    case .uidValidityUsed(let mailbox, let value):
      "\(mailbox): an earlier mailbox of this name had UIDVALIDITY \(value)"
    case .uidValidityOutOfRange(let value): "\(value) cannot be a UIDVALIDITY here"
    }
  }
}
