import Logging
import MailStore
import NIOCore
import SASL

extension Authenticator {
  /// Is it this account's password? Says nothing about limits.
  func check(user: String, password: [UInt8]) async -> LoginOutcome {
    guard case .success(let account) = await lookUp(user) else { return .failed(.temporary) }
    // Asked for unknown names as well: an HMAC takes a while, too. No account has the number 0.
    let isCached = cache.contains(
      account: account?.id.rawValue ?? 0, generation: account?.credentialsGeneration ?? 0, password: password)
    if let account, !account.credentials.isEmpty, isCached { return .success(account) }
    let attempt = PasswordAttempt(
      stored: account?.credentials ?? "", decoyText: decoyText, standIns: readiness.standIns,
      iterations: settings.scramIterations, verify: verify)
    guard let result = await offLoop({ attempt.result(for: password) }) else { return .failed(.temporary) }
    if let account, case .failure(let error) = result.credentials {
      logger.error("stored credentials unusable", metadata: ["account": "\(account.id)", "error": "\(error)"])
    }
    guard var account, result.verdict != .wrong else { return .failed(.wrongCredentials) }
    if result.verdict == .matchesNeedsUpgrade { account = await upgrade(account, password) }
    cache.remember(account: account.id.rawValue, generation: account.credentialsGeneration, password: password)
    return .success(account)
  }

  /// Replaces an imported hash by SCRAM keys, now that the password is here. A login doesn't fail by it.
  private func upgrade(_ account: Account, _ password: [UInt8]) async -> Account {
    let iterations = settings.scramIterations
    guard let made = await offLoop({ try? Credentials.make(password: password, iterations: iterations) }),
      let credentials = made
    else { return account }
    do throws(StoreError) {
      // The password may have been changed while this was going on; the new one stays.
      let upgraded = try await store.updateAccount(
        account.id,
        AccountChange(credentials: credentials.stored, onlyIfGeneration: account.credentialsGeneration))
      guard upgraded.credentials == credentials.stored else { return account }
      readiness.upgraded(account.id, credentials)
      logger.info("password hash upgraded to SCRAM keys", metadata: ["account": "\(LogText.name(account.name))"])
      return upgraded
    } catch {
      logger.warning("password hash not upgraded", metadata: ["account": "\(account.id)", "error": "\(error)"])
      return account
    }
  }
}

/// One password against what is stored for a name, which may be nothing.
private struct PasswordAttempt: Sendable {
  /// Empty: no such account, or none with a password.
  let stored: String
  let decoyText: String
  let standIns: [PasswordWork: Credentials]
  let iterations: Int
  let verify: PasswordCheck

  /// A refusal costs one of each kind of work in use, whoever was asked for: neither how soon it comes nor how late tells
  /// whether there is such an account, or how its password is stored.
  func result(for password: [UInt8]) -> (verdict: VerifyResult, credentials: Result<Credentials, CredentialsError>) {
    let credentials = read(stored.isEmpty ? decoyText : stored)
    var done: PasswordWork?
    if !stored.isEmpty, case .success(let own) = credentials, let work = own.work {
      let verdict = verify(own, password, iterations)
      guard verdict == .wrong else { return (verdict, credentials) }
      done = work
    }
    for (work, standIn) in standIns where work != done { _ = verify(standIn, password, iterations) }
    return (.wrong, credentials)
  }

  private func read(_ text: String) -> Result<Credentials, CredentialsError> {
    do throws(CredentialsError) { return .success(try Credentials(stored: text)) } catch { return .failure(error) }
  }
}
