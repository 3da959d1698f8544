import Foundation
import Logging
import MailAuth
import MailClient
import MailNet
import NIOCore
import NIOPosix

extension OAuthSettings {
  /// Nil: no tokens are taken. `check` comes first.
  func verifier(group: any EventLoopGroup, logger: Logger) throws -> TokenVerifier? {
    guard isOn else { return nil }
    let source = TokenKeySource(
      lifetime: .seconds(max(keyLifetimeSeconds, 60)), logger: logger, load: try Self.loader(keys, group))
    return TokenVerifier(
      settings: TokenSettings(
        issuer: issuer, audiences: audiences, scopes: scopes, accountClaim: accountClaim,
        clockSkew: Int64(clockSkewSeconds), configurationURL: configurationURL),
      keys: source, now: Settings.clock)
  }

  /// - Throws: `ConfigError` for settings that would let in everybody's tokens, or nobody's.
  func check() throws(ConfigError) {
    guard isOn else { return }
    // A token for another service of the same issuer must not open the mail (RFC 8725 §3.9).
    guard !audiences.isEmpty else { throw ConfigError("oauth.audience: whom the tokens of \(issuer) must be for") }
    guard !keys.isEmpty else { throw ConfigError("oauth.keys: the file or URL of the keys of \(issuer)") }
    guard !accountClaim.isEmpty else { throw ConfigError("oauth.account-claim: the claim that names the account") }
    guard configurationURL.isEmpty || configurationURL.hasPrefix("https://") else {
      throw ConfigError("oauth.configuration-url: begins with https:// (RFC 7628 §3.2.2)")
    }
    if keys.contains("://") { _ = try Self.endpoint(keys, MultiThreadedEventLoopGroup.singleton) }
    // Whoever can change the keys on their way lets in whom he likes. The connection itself is looked at again.
    let host = keys.lowercased().dropFirst("http://".count)
    let isHere = ["127.", "localhost", "[::1]"].contains { host.hasPrefix($0) }
    guard isHere || !keys.lowercased().hasPrefix("http://") else {
      throw ConfigError("oauth.keys: \(keys): http:// reaches this machine only; from another one it is https://")
    }
  }

  private static func endpoint(_ url: String, _ group: any EventLoopGroup) throws(ConfigError) -> OAuthEndpoint {
    do throws(ClientError) {
      return try OAuthEndpoint(url: url, trust: .system, group: group)
    } catch {
      throw ConfigError("oauth.keys: \(error)")
    }
  }

  private static func loader(_ place: String, _ group: any EventLoopGroup) throws -> TokenKeySource.Load {
    guard place.contains("://") else {
      return {
        // Small, and read once an hour; on a thread of the common pool.
        guard let data = FileManager.default.contents(atPath: place) else {
          throw ConfigError("oauth.keys: \(place) cannot be read")
        }
        return [UInt8](data)
      }
    }
    let endpoint = try endpoint(place, group)
    return { Array(buffer: try await endpoint.document()) }
  }
}
