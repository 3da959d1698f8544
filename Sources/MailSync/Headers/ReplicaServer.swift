import Foundation
public import MailClient
import MailNet

/// Where a header replica came from, kept with it: so that a part can be fetched by naming the folder alone. Holds no
/// secret, and no leave to send one in the clear.
public struct ReplicaServer: Codable, Sendable, Hashable {
  public var url: String
  var startTLS: Bool
  var authorities: String?
  /// Hexadecimal.
  var fingerprint: String?

  public init(_ server: RemoteServer) {
    url = server.description
    startTLS = server.security.encryption == .startTLS
    switch server.security.trust {
    case .system: break
    case .authorities(let file): authorities = file
    case .fingerprint(let bytes):
      let digits = Array("0123456789abcdef")
      fingerprint = String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
  }

  public func server(allowsCleartextLogin: Bool) throws -> RemoteServer {
    var trust = TransportSecurity.Trust.system
    if let fingerprint {
      guard let pinned = TransportSecurity.Trust.fingerprint(hexadecimal: fingerprint) else {
        throw ClientError(.invalidAddress("the fingerprint kept with the headers is none"), server: url)
      }
      trust = pinned
    } else if let authorities {
      trust = .authorities(file: authorities)
    }
    return try RemoteURL(url).server(startTLS: startTLS, trust: trust, allowsCleartextLogin: allowsCleartextLogin)
  }

  // MARK: As text of the state

  init?(text: String) {
    guard let value = try? JSONDecoder().decode(Self.self, from: Data(text.utf8)) else { return nil }
    self = value
  }

  var text: String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) }
  }
}
