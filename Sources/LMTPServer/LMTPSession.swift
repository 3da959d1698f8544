import Bytes
import LMTPCore
import Logging
import MailNet
import MailStore
import NIOCore

/// One LMTP connection: an actor on the connection's event loop, entered synchronously. What needs the store runs in a
/// task while reading is paused, so at most one read's worth of content waits in memory.
actor LMTPSession: ConnectionSession {
  /// What the next bytes are.
  enum Input {
    case command
    case data(DataDecoder)
    case chunk(ChunkDecoder, size: Int64, isLast: Bool)
  }

  nonisolated let connection: Connection
  nonisolated let server: LMTPServer
  nonisolated var unownedExecutor: UnownedSerialExecutor { connection.executor }

  var framer = LMTPLineFramer()
  var input = Input.command
  var isBusy = false
  /// `whileBusy` has not returned yet, so what ends now has not waited for anybody.
  private var isStarting = false
  var isShuttingDown = false
  var isStartingTLS = false
  /// What the client called itself in LHLO.
  var client: String?
  var transaction: Transaction?
  var counts = Counts()

  struct Counts {
    var bad = 0
    var transactions = 0
    var delivered = 0
    var refused = 0
    var why = ""
  }

  init(connection: Connection, server: LMTPServer) {
    self.connection = connection
    self.server = server
  }

  var settings: LMTPServerSettings { server.settings }

  // MARK: The connection calls

  nonisolated func opened() {
    assumeIsolated { session in
      session.armDeadline()
      session.reply(.greeting(host: session.settings.hostname))
    }
  }

  nonisolated func received(_ buffer: inout ByteBuffer) {
    assumeIsolated { $0.take(&buffer) }
  }

  nonisolated func tlsStarted() {
    assumeIsolated { session in
      // RFC 3207 §4.2: the server MUST discard any knowledge obtained from the client.
      session.isStartingTLS = false
      session.client = nil
      session.framer.reset()
      session.armDeadline()
    }
  }

  nonisolated func deadlineReached() {
    assumeIsolated { session in
      if session.isBusy { return session.armDeadline() }
      session.reply(session.isShuttingDown ? .shuttingDown : .idleTooLong)
      session.end("idle")
    }
  }

  nonisolated func shutdownRequested() {
    assumeIsolated { session in
      session.isShuttingDown = true
      session.leaveIfShuttingDown()
    }
  }

  nonisolated func closed(_ why: CloseReason) {
    assumeIsolated { $0.connectionClosed(why) }
  }

  func armDeadline() {
    connection.setDeadline(.seconds(Int64(settings.idleSeconds)))
  }

  // MARK: Replies

  func reply(_ reply: LMTPReply) {
    reply.write(into: &connection.out)
  }

  /// A command that is none, or comes out of order.
  func bad(_ why: LMTPReply) {
    counts.bad += 1
    reply(why)
    if counts.bad >= settings.badCommands {
      reply(.tooManyErrors)
      end("too many errors")
    }
  }

  // MARK: Work that waits

  /// Runs `work` while nothing is read, then goes on with what has come meanwhile. Work that need not wait (a recipient
  /// the store has in memory) is done when this returns, and the session is not busy.
  func whileBusy(_ work: @escaping @Sendable (isolated LMTPSession) async -> Void) {
    isBusy = true
    isStarting = true
    connection.taskExecutor.startingAtOnce {
      Task(executorPreference: connection.taskExecutor) { await self.finish(work) }
    }
    isStarting = false
    if isBusy { connection.pauseReading() }
  }

  private func finish(_ work: @Sendable (isolated LMTPSession) async -> Void) async {
    await work(self)
    isBusy = false
    guard !isStarting else {
      // The caller goes on with what has come.
      if connection.isClosing { dropTransaction() } else { leaveIfShuttingDown() }
      return
    }
    connection.flush()
    guard !connection.isClosing else {
      // Closed while the work was under way; `closed` left the message to us.
      dropTransaction()
      return
    }
    armDeadline()
    leaveIfShuttingDown()
    if !connection.isClosing { connection.resumeReading() }
  }

  // MARK: The end

  /// RFC 5321 §3.8: 421, after a message that is on its way has its answers. A transaction without one holds nothing up.
  func leaveIfShuttingDown() {
    guard isShuttingDown, !isBusy, transaction?.incoming == nil, !connection.isClosing else { return }
    guard case .command = input else { return }
    reply(.shuttingDown)
    end("shutdown")
  }

  func end(_ why: String) {
    if counts.why.isEmpty { counts.why = why }
    if !isBusy { dropTransaction() }
    connection.close()
  }

  /// Forgets the transaction; what was spooled of its message goes.
  func dropTransaction() {
    guard let old = transaction else { return }
    transaction = nil
    if let incoming = old.incoming { Task { await incoming.discard() } }
  }

  func connectionClosed(_ why: CloseReason) {
    if counts.why.isEmpty { counts.why = why.description }
    if !isBusy { dropTransaction() }
    server.logger.info(
      "lmtp session end",
      metadata: [
        "conn": "\(connection.id)", "peer": "\(connection.peer)", "tls": "\(connection.isTLS)",
        "transactions": "\(counts.transactions)", "delivered": "\(counts.delivered)", "refused": "\(counts.refused)",
        "in": "\(connection.bytesIn)", "out": "\(connection.bytesOut)", "reason": "\(counts.why)",
      ])
  }

  func log(_ error: StoreError, _ what: String) {
    server.logger.error(
      "lmtp \(what)",
      metadata: [
        "conn": "\(connection.id)", "queue": "\(transaction?.queueID ?? "-")", "error": "\(error)",
      ])
  }
}
