import IMAPClient
import IMAPCore
import MailNet

/// One connection and the work that is done over it, a mailbox at a time. The connection is made when it is needed first and
/// again after it broke; it never leaves this actor.
actor RemoteWorker {
  let job: SyncJob
  private var remote: (any SyncRemote)?
  private var selected: SelectedMailbox?
  /// Others may have put messages into the selected mailbox of which this connection has not been told.
  private var isStale = false
  private var octetsOfEarlier: Int64 = 0
  /// NOTIFY is on, or INBOX selected to listen to it.
  var isListening = false

  init(_ job: SyncJob) { self.job = job }

  var octetsReceived: Int64 { octetsOfEarlier + (remote?.octetsReceived ?? 0) }

  func connection() async throws -> any SyncRemote {
    if let remote { return remote }
    let made = try await job.connect()
    remote = made
    return made
  }

  var traits: RemoteTraits {
    get async throws { try await connection().traits }
  }

  /// Runs work of one mailbox. After an error that leaves the line in an unknown state the connection is given up.
  func guarding<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
    do { return try await body() } catch {
      if !error.isRefusal, !(error is SyncError) { await disconnect() }
      throw error
    }
  }

  func disconnect() async {
    selected = nil
    isListening = false
    guard let old = remote else { return }
    remote = nil
    octetsOfEarlier += old.octetsReceived
    await old.close()
  }

  /// Always asks the server.
  func select(_ name: String, resync: ResyncPoint?) async throws -> SelectedMailbox {
    selected = nil
    let mailbox = try await connection().select(name, readOnly: job.isReadOnly, resync: resync)
    selected = mailbox
    isStale = false
    return mailbox
  }

  /// What is selected is selected anew before it is worked on. A command on a UID that the server has not told this
  /// connection of yet does nothing, and is answered with OK all the same (RFC 9051 §6.4.9).
  func expire() { isStale = true }

  /// The mailbox, selected as it was when it was surveyed.
  func open(_ mailbox: KnownMailbox) async throws -> any SyncRemote {
    let remote = try await connection()
    if isStale || selected?.name != mailbox.remote { _ = try await select(mailbox.remote, resync: nil) }
    guard selected?.uidValidity == mailbox.uidValidity else {
      job.replaced.note(mailbox.remote)
      throw SyncError.mailboxChanged(mailbox: mailbox.remote)
    }
    return remote
  }

  /// Before a mailbox is renamed or deleted.
  func leave(_ name: String) async throws {
    guard selected?.name == name else { return }
    try await leave()
  }

  /// No mailbox is selected afterwards: STATUS of a selected one may be as old as its selection.
  func leave() async throws {
    guard selected != nil else { return }
    selected = nil
    try await connection().unselect()
  }
}
