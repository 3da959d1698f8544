import Foundation
public import LocalMail
import Logging
public import MailStore
public import MailTransfer
import NIOCore

/// A way into a data folder's store for work that takes many calls (`import`, `export`, `pull --to store:`): through the
/// running server, or by opening the folder itself and keeping it open until `close`.
///
/// Each call looks which of the two it is, so a server may start or stop between two calls. One that is under way then
/// fails with a sentence that says so, and may be made again. Errors are `StoreError` for what the store refused and
/// `ControlFailure` for everything else.
public final class StoreDoor: Sendable {
  private let directory: String
  private let folder: OpenFolder

  private init(directory: String) {
    self.directory = directory
    folder = OpenFolder(directory: directory)
  }

  /// Opens nothing yet, but refuses a folder without a store.
  public static func open(directory: String) async throws -> StoreDoor {
    try DataFolder.requireStore(in: directory)
    return StoreDoor(directory: directory)
  }

  /// Must be called at the end: until then no server can start on a folder that this has opened.
  public func close() async { await folder.close() }

  /// For import and export of one account. `ignoringQuota`: mail comes in though the account is full.
  public func account(_ name: String, ignoringQuota: Bool = false) -> AccountDoor {
    AccountDoor(door: self, account: name, ignoringQuota: ignoringQuota)
  }

  // MARK: Calls

  public func listing(of account: String) async throws -> StoreListing {
    try await call(.mailboxes(account: account)) {
      try await $0.listing(of: account)
    } from: {
      $0.listing
    }
  }

  public func prepare(_ mailbox: ImportedMailbox, of account: String) async throws -> StoreMailbox {
    try await call(.prepareImport(account: account, mailbox: mailbox)) {
      try await $0.prepare(mailbox, of: account)
    } from: {
      $0.mailbox
    }
  }

  /// Rights and annotations of a backup's mailbox.
  func restore(_ mailbox: RestoredMailbox) async throws -> RestoredMailboxReport {
    try await call(.mailboxRestore(mailbox)) {
      try await $0.restore(mailbox)
    } from: {
      $0.restoredMailbox
    }
  }

  public func describe(_ mailbox: String, of account: String, after: UID) async throws -> StorePage {
    try await call(.describe(account: account, mailbox: mailbox, after: after)) {
      try await $0.describe(mailbox, of: account, after: after)
    } from: {
      $0.page
    }
  }

  /// `uids` ascending. Messages that are gone or cannot be read are left out.
  public func fingerprints(
    _ mailbox: String, of account: String, _ uids: [UID]
  ) async throws -> [UID: Fingerprint] {
    var result: [UID: Fingerprint] = [:]
    var rest = uids[...]
    while !rest.isEmpty {
      let some = Array(rest.prefix(ControlLimits.uidsPerRequest))
      let (found, done) = try await call(.fingerprints(account: account, mailbox: mailbox, uids: some)) {
        try await $0.fingerprints(mailbox, of: account, some)
      } from: { reply in
        reply.fingerprints.map { ($0.found.compactMapValues { Fingerprint(hexText: $0) }, $0.done) }
      }
      guard done > 0 else { throw Self.silence }
      result.merge(found) { $1 }
      rest = rest.dropFirst(done)
    }
    return result
  }

  /// `uids` ascending.
  public func read(
    _ mailbox: String, of account: String, _ uids: [UID], _ handle: (StoreReadEvent) async throws -> Void
  ) async throws {
    var rest = uids[...]
    while !rest.isEmpty {
      let some = Array(rest.prefix(ControlLimits.uidsPerRequest))
      rest = rest.dropFirst(some.count)
      switch try await way() {
      case .alone(let work):
        let ref = try await work.ref(mailbox, of: account)
        let cursor = StoreCursor(store: work.store, ref: ref, uids: some)
        while true {
          let events = try await cursor.next()
          if events.isEmpty { break }
          for event in events { try await handle(event) }
        }
      case .server(let conversation):
        try await conversation.ending {
          try await $0.send(.read(account: account, mailbox: mailbox, uids: some))
          try await $0.messages(handle)
        }
      }
    }
  }

  /// All or nothing, durable when it returns. Bounds: `ControlLimits.appendMessages` and, unless it is a single message,
  /// `ControlLimits.appendBytes`.
  public func append(
    _ messages: [NewStoreMessage], to mailbox: String, of account: String, ignoringQuota: Bool = false
  ) async throws -> AssignedUIDs {
    let request = ControlRequest.Append(
      account: account, mailbox: mailbox, ignoringQuota: ignoringQuota,
      messages: messages.map {
        .init(flags: $0.flags, keywords: $0.keywords, date: $0.date, uid: $0.uid, uidl: $0.uidl)
      })
    let reply: ControlReply?
    switch try await way() {
    case .alone(let work):
      let intake = try AppendIntake(store: work.store, request: request)
      do {
        reply = try await Self.feed(messages, to: intake)
      } catch {
        await intake.discard()
        throw error
      }
    case .server(let conversation):
      reply = try await conversation.ending { conversation in
        try await conversation.send(.append(request))
        for message in messages { try await conversation.sendMessage(message.body) }
        return try await conversation.reply()
      }
    }
    guard let assigned = reply?.assigned, assigned.uids.count == messages.count else { throw Self.silence }
    return AssignedUIDs(
      destination: MailboxID(assigned.mailbox), uidValidity: assigned.uidValidity, assigned: assigned.uids)
  }

  private static func feed(_ messages: [NewStoreMessage], to intake: AppendIntake) async throws -> ControlReply? {
    var reply: ControlReply?
    for message in messages {
      while let piece = try await message.body() { try await intake.append(piece) }
      reply = try await intake.endMessage()
    }
    return reply
  }

  // MARK: The way in

  private enum Way {
    case server(ControlConversation)
    case alone(StoreWork)
  }

  private static let silence = ControlFailure(.temporary, "the server gave no answer; try again")

  private func call<Value>(
    _ request: ControlRequest, alone: (StoreWork) async throws -> Value, from reply: (ControlReply) -> Value?
  ) async throws -> Value {
    switch try await way() {
    case .alone(let work): return try await alone(work)
    case .server(let conversation):
      let answer = try await conversation.ending { conversation in
        try await conversation.send(request)
        return try await conversation.reply()
      }
      guard let value = reply(answer) else { throw Self.silence }
      return value
    }
  }

  private func way() async throws -> Way {
    if let store = try await folder.opened { return .alone(StoreWork(store: store)) }
    let deadline = ContinuousClock.now + DataFolder.patience
    while true {
      do {
        if let conversation = try await ControlConversation.open(socket: DataFolder.controlSocket(directory)) {
          return .server(conversation)
        }
        return .alone(StoreWork(store: try await folder.open()))
      } catch StoreError.folderInUse where ContinuousClock.now < deadline {
        // A server is starting or stopping, or another command has the folder.
        try await Task.sleep(for: .milliseconds(100))
      }
    }
  }
}

/// The folder, opened by this process at most once.
private actor OpenFolder {
  private let directory: String
  private var opening: Task<any MailStore, any Error>?
  private var isClosed = false

  init(directory: String) { self.directory = directory }

  /// Nil: not opened by this process.
  var opened: (any MailStore)? {
    get async throws {
      if isClosed { throw StoreError.shuttingDown }
      return try? await opening?.value
    }
  }

  func open() async throws -> any MailStore {
    if isClosed { throw StoreError.shuttingDown }
    let task =
      opening
      ?? Task { [directory] in
        let settings = try Settings(await EffectiveConfig.load(flags: ["data": directory]))
        return try DataFolder.openStore(directory, settings, logger: DataFolder.quietLogger(), upkeep: false)
      }
    opening = task
    do { return try await task.value } catch {
      if opening == task { opening = nil }
      throw error
    }
  }

  func close() async {
    isClosed = true
    guard let store = try? await opening?.value else { return }
    opening = nil
    await store.close()
  }
}

extension ControlConversation {
  /// Runs a conversation to its end, whichever it is.
  func ending<Value>(_ body: (ControlConversation) async throws -> Value) async throws -> Value {
    do {
      let value = try await body(self)
      await close()
      return value
    } catch {
      await close()
      throw error
    }
  }
}

/// One account of a `StoreDoor`, as import and export see it.
public struct AccountDoor: ImportDestination {
  let door: StoreDoor
  let account: String
  let ignoringQuota: Bool

  public func listing() async throws -> StoreListing { try await door.listing(of: account) }

  public func describe(_ mailbox: String, after: UID) async throws -> StorePage {
    try await door.describe(mailbox, of: account, after: after)
  }

  public func fingerprints(_ mailbox: String, of uids: [UID]) async throws -> [UID: Fingerprint] {
    try await door.fingerprints(mailbox, of: account, uids)
  }

  public func read(
    _ mailbox: String, _ uids: [UID], _ handle: (StoreReadEvent) async throws -> Void
  ) async throws {
    try await door.read(mailbox, of: account, uids, handle)
  }

  public func prepare(_ mailbox: ImportedMailbox) async throws -> StoreMailbox {
    try await door.prepare(mailbox, of: account)
  }

  public func append(_ messages: [NewStoreMessage], to mailbox: String) async throws -> AssignedUIDs {
    try await door.append(messages, to: mailbox, of: account, ignoringQuota: ignoringQuota)
  }
}
