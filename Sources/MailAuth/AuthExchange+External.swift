import MailStore
import SASL

extension AuthExchange {
  /// EXTERNAL (RFC 4422 appendix A): the message is the authorization identity, or nothing. Who the client is was shown by
  /// its certificate.
  func external(_ bytes: [UInt8]) async -> AuthStep {
    let names = authenticator.certificateAccounts(connection)
    var wanted = ""
    if !bytes.isEmpty {
      guard let name = SASLprep.name(bytes) else { return finish(.failed(.wrongCredentials)) }
      wanted = name
    }
    user = wanted
    await authenticator.waitOut(connection)
    // A certificate of several addresses means none of them unless the client says which.
    let isNamed = { (name: String) in
      LoginNames.areSame(name, wanted)
        || self.authenticator.account(of: wanted).map { LoginNames.areSame(name, $0) } == true
    }
    let chosen = wanted.isEmpty ? (names.count == 1 ? names.first : nil) : names.first(where: isNamed)
    guard let chosen else {
      return finish(
        .failed(names.isEmpty ? .wrongCredentials : .authorizationFailed), detail: "certificate of somebody else")
    }
    user = chosen
    switch await authenticator.lookUp(chosen) {
    case .failure: return finish(.failed(.temporary))
    case .success(nil): return finish(.failed(.wrongCredentials), detail: "certificate: no such account")
    case .success(let found?): return finish(.success(found))
    }
  }
}
