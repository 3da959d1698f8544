import MailNet
import SASL

extension Authenticator {
  /// The account that a certificate's or a token's name means: itself, or what stands before the `@` of our domain. Nil: a
  /// name of another domain, or none that an account could have.
  func account(of name: String) -> String? {
    guard let name = SASLprep.name(Array(name.utf8)) else { return nil }
    guard !settings.domain.isEmpty else { return name }
    guard let at = name.lastIndex(of: "@"), at > name.startIndex,
      name[name.index(after: at)...].lowercased() == settings.domain.lowercased()
    else { return nil }
    return String(name[..<at])
  }

  /// Whom the certificate of a connection may be.
  func certificateAccounts(_ connection: any LoginOrigin) -> [String] {
    guard let names = connection.certificateNames else { return [] }
    switch settings.certificateName {
    case .email: return names.addresses.compactMap { account(of: $0) }
    case .commonName: return names.commonName.flatMap { account(of: $0) }.map { [$0] } ?? []
    }
  }
}
