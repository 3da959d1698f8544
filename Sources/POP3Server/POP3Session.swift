import Bytes
import Logging
import MailAuth
import MailNet
import MailStore
import NIOCore
import POP3Core

/// One POP3 connection: an actor on the connection's event loop, entered synchronously. What memory can answer is
/// answered at once; logins, retrievals and QUIT run in a task while reading is paused.
actor POP3Session: ConnectionSession {
  enum Phase {
    /// RFC 1939 §4
    case authorization
    /// RFC 1939 §5
    case transaction(OpenDrop)
    /// RFC 1939 §6
    case update
    case ended
  }

  /// What the next line is.
  enum Expecting {
    case command
    /// An answer to a SASL challenge.
    case response(AuthExchange)
  }

  nonisolated let connection: Connection
  nonisolated let server: POP3Server
  nonisolated var unownedExecutor: UnownedSerialExecutor { connection.executor }

  var phase = Phase.authorization
  var expecting = Expecting.command
  var framer = POP3LineFramer()
  /// A task is at work; no line is read meanwhile.
  var isBusy = false
  var isShuttingDown = false
  /// STLS is answered; nothing more is read before TLS is up.
  var isStartingTLS = false
  /// The deadline for the login is set.
  var isLoginTimed = false
  /// Answers that wait for one hop to the store.
  var batch = Batch()
  /// Answers that wait for their commands.
  var ahead = AnswersAhead()
  /// The command that ended the batch and comes after it.
  var deferred: POP3Command?
  /// A maildrop to be let go when the task at work is done.
  var abandoned: OpenDrop?
  /// Why the connection is to be closed when the task at work is done.
  var endsAfterWork: String?
  var user: String?
  var isUTF8 = false
  var language: POP3Language
  var counts = Counts()

  struct Counts {
    var commands = 0
    var bad = 0
    var retrieved = 0
    var tops = 0
    var removed = 0
    /// The account, for the log after the maildrop is gone.
    var account = ""
    var why = ""
  }

  init(connection: Connection, server: POP3Server) {
    self.connection = connection
    self.server = server
    self.language = server.settings.language
  }

  var settings: POP3ServerSettings { server.settings }

  // MARK: The connection calls

  nonisolated func opened() {
    assumeIsolated { session in
      session.armDeadline()
      session.ok(.greeting(host: session.settings.hostname))
    }
  }

  nonisolated func received(_ buffer: inout ByteBuffer) {
    assumeIsolated { $0.take(&buffer) }
  }

  nonisolated func tlsStarted() {
    assumeIsolated { session in
      // RFC 2595 §4: what was said before TLS is forgotten.
      session.isStartingTLS = false
      session.user = nil
      session.isUTF8 = false
      session.language = session.settings.language
      session.framer.reset()
      session.armDeadline()
    }
  }

  nonisolated func deadlineReached() {
    assumeIsolated { session in
      if session.isBusy {
        // Not idle: a slow reader is the write time-out's business, and a login under way gets its answer.
        session.isLoginTimed = false
        session.armDeadline()
        return
      }
      if case .authorization = session.phase {
        session.err(.idleTooLong)
        session.end("not logged in in time")
        return
      }
      // RFC 1939 §3: close without entering UPDATE, and without a response.
      session.end("idle")
    }
  }

  nonisolated func shutdownRequested() {
    assumeIsolated { session in
      session.isShuttingDown = true
      if !session.isBusy { session.sayShutdown() }
    }
  }

  nonisolated func closed(_ why: CloseReason) {
    assumeIsolated { session in
      session.connectionClosed(why)
    }
  }

  /// RFC 1939 §3: the autologout timer starts anew with every command. Before login there is one deadline, which nothing
  /// a client sends puts off.
  func armDeadline() {
    if case .authorization = phase {
      guard !isLoginTimed else { return }
      isLoginTimed = true
      connection.setDeadline(.seconds(Int64(settings.loginSeconds)))
      return
    }
    connection.setDeadline(.seconds(Int64(settings.idleSeconds)))
  }

  // MARK: Replies

  func ok(_ text: POP3Text) {
    withOutput { POP3Response.ok(text, language, into: &$0) }
  }

  func err(_ text: POP3Text, _ code: POP3ResponseCode? = nil) {
    withOutput { POP3Response.error(text, code: code, language, into: &$0) }
  }

  /// Answers go behind the messages that are asked for already.
  func withOutput(_ body: (inout ByteBuffer) -> Void) {
    if batch.items.isEmpty { body(&connection.out) } else { body(&batch.tail) }
  }

  var drop: OpenDrop? {
    if case .transaction(let drop) = phase { drop } else { nil }
  }

  // MARK: Work that waits

  /// Runs `work` while no line is read, then goes on with what has come meanwhile.
  func whileBusy(_ work: @escaping @Sendable (isolated POP3Session) async -> Void) {
    isBusy = true
    connection.pauseReading()
    connection.taskExecutor.startingAtOnce {
      Task(executorPreference: connection.taskExecutor) { await self.work(work) }
    }
  }

  private func work(_ work: @Sendable (isolated POP3Session) async -> Void) async {
    await work(self)
    if let drop = abandoned {
      abandoned = nil
      abandon(drop)
    }
    if let next = deferred {
      deferred = nil
      isBusy = false
      if !connection.isClosing { perform(next) }
      // A RETR that waited for the listing: nothing else need come that would send it off.
      if !isBusy, !batch.items.isEmpty, !connection.isClosing { startBatch() }
      if isBusy { return }
    }
    isBusy = false
    connection.flush()
    guard !connection.isClosing else { return }
    if let why = endsAfterWork { return end(why) }
    armDeadline()
    if isShuttingDown { return sayShutdown() }
    connection.resumeReading()
  }
}
