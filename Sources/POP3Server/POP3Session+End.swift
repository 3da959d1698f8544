import Logging
import MailAuth
import MailNet
import MailStore
import NIOCore
import POP3Core

/// How a session ends: QUIT, a lost connection, eviction, shutdown.
extension POP3Session {
  /// QUIT in TRANSACTION: the UPDATE state (RFC 1939 §6).
  func update() async {
    // An evicted session hears so in a moment.
    guard case .transaction(let drop) = phase, drop.lease.beginUpdate() else { return }
    phase = .update
    // What is read ahead comes to nothing; the maildrop stays open as long as it is read.
    ahead.discard()
    while let task = ahead.task { await task.value }
    var leaving = drop.leaving
    do throws(ConnectionClosed) {
      // Under EXPIRE 0 only what the client has got to its last byte may go. What it marked goes in any case: it said QUIT.
      try await connection.drained()
    } catch {
      leaving = drop.marked
    }
    await noteRetrieved(drop, except: leaving)
    var failure: StoreError?
    if !leaving.isEmpty {
      do throws(StoreError) {
        // All or nothing: RFC 1939 §6 lets no message go that is not marked, and ours lets none stay that is.
        try await drop.maildrop.delete(leaving)
        counts.removed = leaving.count
      } catch {
        failure = error
        log(error, "removing \(leaving.count) messages")
      }
    }
    drop.maildrop.close()
    server.locks.release(drop.lease)
    if failure != nil {
      err(.removalFailed, .sysTemp)
    } else {
      ok(counts.removed > 0 ? .goodbyeRemoved(counts.removed) : .goodbye)
    }
    end("quit", sessionOf: drop)
  }

  /// Closes the connection. Marks are forgotten: only QUIT removes (RFC 1939 §6).
  func end(_ why: String, sessionOf left: OpenDrop? = nil) {
    if counts.why.isEmpty { counts.why = why }
    if let left { server.authenticator.sessionEnded(account: left.account.id, connection: connection) }
    if let drop {
      // The store may be reading for us just now; then the maildrop is let go when it is done.
      if isBusy { abandoned = drop } else { abandon(drop) }
    }
    phase = .ended
    connection.close()
  }

  /// Lets go of a maildrop without UPDATE.
  func abandon(_ drop: OpenDrop) {
    ahead.discard()
    if let task = ahead.task {
      Task {
        await task.value
        self.abandon(drop)
      }
      return
    }
    server.authenticator.sessionEnded(account: drop.account.id, connection: connection)
    guard case .days = drop.account.pop3Expire, !drop.everRetrieved.isEmpty else {
      drop.maildrop.close()
      server.locks.release(drop.lease)
      return
    }
    // What was retrieved counts its days from now even if the connection was cut; the lease goes when that is noted.
    Task { [server] in
      await self.noteRetrieved(drop, except: [])
      drop.maildrop.close()
      server.locks.release(drop.lease)
    }
  }

  private func noteRetrieved(_ drop: OpenDrop, except leaving: [Int]) async {
    guard case .days = drop.account.pop3Expire else { return }
    let gone = Set(leaving)
    let kept = drop.everRetrieved.filter { !gone.contains($0) }
    guard !kept.isEmpty else { return }
    do throws(StoreError) {
      try await drop.maildrop.markRetrieved(kept, at: settings.now())
    } catch {
      log(error, "noting retrieval")
    }
  }

  func connectionClosed(_ why: CloseReason) {
    end(why.description)
    let counts = counts
    var metadata: Logger.Metadata = [
      "conn": "\(connection.id)", "peer": "\(connection.peer)", "tls": "\(connection.isTLS)",
      "retrieved": "\(counts.retrieved)", "tops": "\(counts.tops)", "removed": "\(counts.removed)",
      "in": "\(connection.bytesIn)", "out": "\(connection.bytesOut)", "reason": "\(counts.why)",
    ]
    if !counts.account.isEmpty { metadata["account"] = "\(counts.account)" }
    server.logger.info("pop3 session end", metadata: metadata)
  }

  /// Another session has taken the maildrop.
  func evicted() {
    guard case .transaction = phase else { return }
    err(.maildropInUse, .inUse)
    end("gave way to another session")
  }

  func sayShutdown() {
    guard !connection.isClosing else { return }
    err(.shuttingDown, .sysTemp)
    end("shutdown")
  }

  func log(_ error: StoreError, _ what: String) {
    server.logger.error(
      "pop3 \(what)",
      metadata: ["conn": "\(connection.id)", "account": "\(counts.account)", "error": "\(error)"])
  }
}
