import MailAuth
import MailNet
import MailStore
import NIOCore
import POP3Core

/// From credentials to the TRANSACTION state.
extension POP3Session {
  /// What follows the check of credentials, by PASS and AUTH alike.
  func loggedIn(_ outcome: LoginOutcome) async {
    user = nil
    switch outcome {
    case .success(let account):
      guard !connection.isClosing, case .authorization = phase else {
        server.authenticator.sessionEnded(account: account.id, connection: connection)
        return
      }
      if let refusal = await open(account) {
        server.authenticator.sessionEnded(account: account.id, connection: connection)
        err(refusal.text, refusal.code)
      }
    case .failed(let reason):
      refuse(reason)
    }
  }

  private func refuse(_ reason: FailureReason) {
    switch reason {
    case .wrongCredentials: err(.wrongCredentials, .auth)
    case .disabled: err(.accountDisabled, .auth)
    case .authorizationFailed: err(.authorizationFailed, .auth)
    case .privacyRequired: err(.privacyRequired)
    case .tooManyConnections: err(.tooManyConnections, .inUse)
    case .temporary: err(.temporaryFailure, .sysTemp)
    case .malformed: err(.authenticationMalformed)
    case .cancelled: err(.authenticationCancelled)
    }
    if server.authenticator.hasFailedTooOften(connection) { end("too many failed logins") }
  }

  struct Refusal {
    var code: POP3ResponseCode
    var text: POP3Text
  }

  /// Takes the maildrop and opens it; nil when that is done and said.
  private func open(_ account: Account) async -> Refusal? {
    counts.account = account.name
    // RFC 2449 §8.1.1
    guard server.delays.admits(account.id, now: settings.now(), delay: settings.loginDelaySeconds) else {
      return Refusal(code: .loginDelay, text: .loginDelay(seconds: settings.loginDelaySeconds))
    }
    let evict: @Sendable () -> Void = { [weak self] in
      guard let self else { return }
      self.connection.eventLoop.execute { self.assumeIsolated { $0.evicted() } }
    }
    // RFC 1939 §4: an exclusive-access lock on the maildrop.
    let silence = TimeAmount.seconds(Int64(settings.lockSilenceSeconds))
    guard let lease = server.locks.acquire(account.id, silence: silence, evict: evict) else {
      return Refusal(code: .inUse, text: .maildropInUse)
    }
    let maildrop: any Maildrop
    do throws(StoreError) {
      if case .days = account.pop3Expire {
        _ = try await server.store.expireRetrieved(of: account.id, now: settings.now())
      }
      maildrop = try await server.store.beginMaildrop(of: account.id)
    } catch {
      server.locks.release(lease)
      log(error, "opening the maildrop")
      return Refusal(code: .sysTemp, text: .temporaryFailure)
    }
    // The connection may have gone meanwhile; then nobody else would let go of these.
    guard !connection.isClosing, case .authorization = phase else {
      maildrop.close()
      server.locks.release(lease)
      server.authenticator.sessionEnded(account: account.id, connection: connection)
      return nil
    }
    let drop = OpenDrop(account: account, maildrop: maildrop, lease: lease)
    lease.touch()
    phase = .transaction(drop)
    server.delays.note(account.id, now: settings.now(), delay: settings.loginDelaySeconds)
    ok(.loggedIn(messages: drop.count, octets: Int64(drop.octets)))
    return nil
  }
}
