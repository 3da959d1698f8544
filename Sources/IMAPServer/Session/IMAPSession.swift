import IMAPCore
import Logging
import MailAuth
import MailNet
import MailStore
import NIOCore
import SASL

/// One client's conversation.
///
/// An actor on its connection's event loop, entered synchronously. What memory can answer is answered within the read
/// burst; a command that needs the store runs in a task of its own, one at a time, while reading is paused. After every
/// `await` the state may have changed: the connection may be gone and the mailbox deleted.
actor IMAPSession: ConnectionSession {
  let connection: Connection
  let listener: IMAPListener
  nonisolated var unownedExecutor: UnownedSerialExecutor { connection.executor }

  var framer: CommandFramer
  /// Set once the client has logged in.
  var account: Account?
  /// The selected mailbox.
  var view: MailboxView?
  /// IMAP4rev2 has been enabled (RFC 9051 §6.3.1).
  var isRev2 = false
  /// METADATA has been enabled (RFC 5464 §4.4).
  var metadata: (any AccountWatch)?
  /// Searches of the selected mailbox whose results are kept up to date; nil: none.
  var contexts: SearchContexts?
  /// Nil: NOTIFY was never used.
  var notify: Notify?
  /// What else has been enabled, by ENABLE or by commands that imply it.
  var enabled: EnabledExtensions = []
  /// Of these what ENABLE has answered for.
  var enabledByName: EnabledExtensions = []
  /// EXPUNGE or VANISHED has gone out since HIGHESTMODSEQ did last.
  var hasToldExpunge = false
  /// UTF8=ACCEPT has been enabled (RFC 6855 §3).
  var isUTF8 = false
  /// The selected mailbox has a new access key, and the client has not been told (RFC 4467 §7).
  var hasKeyNews = false
  /// SEARCH, SORT and THREAD compare texts by it (RFC 5255 §4.7).
  var comparator = Comparator.default
  /// Of what people are told (RFC 5255 §3).
  var language = SessionLanguage.neutral
  /// UIDs that this FETCH gave surrogates of.
  var downgraded: [UID] = []
  /// The command a task is working on.
  var running: RunningCommand?
  /// `launch` has not returned yet, so a command that ends now has not waited for anybody.
  var isLaunching = false
  /// The tag of the IDLE that waits for DONE.
  var idleTag: String?
  /// Somebody will look soon how far the running command is; see `IMAPSession+Progress.swift`.
  var isWatchingProgress = false
  /// `restSoon` was called, and its second is not over.
  var willRest = false
  /// A conversation (APPEND, AUTHENTICATE) that waits for bytes.
  var inputWaiter: CheckedContinuation<Bool, Never>?
  var isStartingTLS = false
  /// The client does not read as fast as it asks; nothing is done until the socket has room.
  var isDraining = false
  /// BYE has been said, or the connection is gone.
  var isOver = false
  var isShuttingDown = false
  var tally = SessionTally()

  struct RunningCommand {
    var tag: String
    var name: CommandName
    var isUID: Bool
    /// How far it is (RFC 9585), once it has taken long; see `IMAPSession+Progress.swift`.
    var progress: Progress?
  }

  init(_ connection: Connection, _ listener: IMAPListener) {
    self.connection = connection
    self.listener = listener
    self.framer = CommandFramer(limits: listener.settings.wire)
  }

  var settings: IMAPServerSettings { listener.settings }
  var store: any MailStore { listener.store }
  var wire: WireOptions { isRev2 || isUTF8 ? .rev2 : .rev1 }
  var state: SessionStates { account == nil ? .notAuthenticated : view == nil ? .authenticated : .selected }

  // MARK: ConnectionSession

  nonisolated func opened() { assumeIsolated { $0.greet() } }
  nonisolated func received(_ buffer: inout ByteBuffer) { assumeIsolated { $0.take(&buffer) } }
  nonisolated func tlsStarted() { assumeIsolated { $0.startOver() } }
  nonisolated func inputFailed(_ why: String) { assumeIsolated { $0.bye(Sentence(said: why)) } }
  nonisolated func deadlineReached() { assumeIsolated { $0.timedOut() } }
  nonisolated func shutdownRequested() { assumeIsolated { $0.shutDown() } }
  nonisolated func closed(_ why: CloseReason) { assumeIsolated { $0.ended(why) } }

  private func greet() {
    connection.setDeadline(settings.loginTimeout)
    say(.ok, .capability(capabilities()), "\(settings.productName) ready")
  }

  private func take(_ buffer: inout ByteBuffer) {
    guard !isOver else {
      buffer.clear()
      return
    }
    framer.receive(buffer)
    // Let go of, not cleared: the framer shares its storage.
    buffer = ByteBuffer()
    if let waiter = inputWaiter {
      inputWaiter = nil
      connection.pauseReading()
      waiter.resume(returning: true)
    } else {
      pump()
      armDeadline()
      // Nobody takes what comes now: it waits where it is bounded, whoever has let this through.
      if isDraining || running != nil && inputWaiter == nil { connection.pauseReading() }
    }
  }

  /// TLS has begun: nothing said before counts (RFC 9051 §6.2.1).
  private func startOver() {
    isStartingTLS = false
    framer = CommandFramer(limits: settings.wire)
    // RFC 5255 §3.1: nor does a language that somebody else may have chosen.
    language = .neutral
    connection.setDeadline(settings.loginTimeout)
  }

  private func timedOut() {
    // A command that is being worked on has no deadline; slow readers have the write time-out.
    if running != nil, inputWaiter == nil {
      if account == nil { connection.setDeadline(.seconds(1)) }
      return
    }
    bye(account == nil ? "Too slow in logging in" : "Idle for too long")
  }

  private func shutDown() {
    isShuttingDown = true
    if running == nil || inputWaiter != nil { bye("Server is shutting down") }
  }

  private func ended(_ why: CloseReason) {
    isOver = true
    leaveMailbox()
    notify?.stop()
    metadata?.close()
    inputWaiter?.resume(returning: false)
    inputWaiter = nil
    if let account { listener.authenticator.sessionEnded(account: account.id, connection: connection) }
    tally.log(to: listener.logger, connection, account: account, why: why)
  }

  // MARK: End

  /// Says BYE and closes (RFC 9051 §7.1.5).
  func bye(_ text: Sentence, code: ResponseCode? = nil) {
    guard !isOver else { return }
    isOver = true
    say(.bye, code, text)
    connection.flush()
    connection.close()
    if let waiter = inputWaiter {
      inputWaiter = nil
      waiter.resume(returning: false)
    }
  }

  /// The current list (RFC 9051 §6.1.1).
  func capabilities() -> [String] {
    Capability.list(
      loggedIn: account != nil, settings, offersSTARTTLS: connection.canStartTLS,
      loginDisabled: !listener.authenticator.passwordLoginAllowed(on: connection),
      mechanisms: account == nil ? listener.authenticator.mechanisms(for: connection).map(\.name) : [],
      offersURLAuth: offersURLAuth, offersCompression: settings.offersCompression && !connection.isCompressed,
      offersUnauthenticate: settings.offersUnauthenticate, setsQuotas: isQuotaAdministrator)
  }

  /// The store has changed the selected mailbox. While IDLE stands the client hears of it at once (RFC 9051 §6.3.13).
  func mailboxChanged() {
    if notify != nil { return pushNews() }
    guard idleTag != nil, running == nil, !isOver, !isDraining, hasRoom() else { return }
    tell(expunge: true, includeUID: isRev2)
    if metadata != nil { tellMetadata() }
    if contexts?.hasChanges == true { return startPush(nil) }
    connection.push()
    restSoon()
  }
}
