import Bytes
import FoundationEssentials
public import NIOCore

/// Mechanisms by which a client shows an OAuth 2.0 access token. The server's side of them is `TokenMessage`.
public enum SASLTokenMechanism: String, Sendable, Hashable, CaseIterable {
  /// RFC 7628.
  case oauthBearer = "OAUTHBEARER"
  /// Its forerunner at Google and Microsoft.
  case xoauth2 = "XOAUTH2"

  /// Upper-case name as it is announced.
  public var name: String { rawValue }

  /// Finds a mechanism by its name; letter case is ignored.
  public init?(name: some StringProtocol) {
    guard name.utf8.count <= 20, let found = Self(rawValue: name.uppercased()) else { return nil }
    self = found
  }
}

/// One authentication by token, client side: `initialResponse`, and `step` if the server sends a challenge, which says
/// that it refuses.
public struct SASLTokenExchange: Sendable {
  private enum State: Sendable { case fresh, sent, refused, over }

  public let mechanism: SASLTokenMechanism
  /// Why the server refuses the token, by its own word (`invalid_token`); nil as long as it said nothing readable.
  public private(set) var refusal: String?
  private let first: ByteBuffer?
  private var state = State.fresh

  /// Nil for a name or a token that the message cannot carry (control characters, an empty token).
  public init?(mechanism: SASLTokenMechanism, username: String, token: String, host: String, port: Int) {
    guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
      (username + host).utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else { return nil }
    self.mechanism = mechanism
    switch mechanism {
    case .oauthBearer:
      // RFC 7628 §3.1; the name is written as in SCRAM (RFC 5801 §4).
      first = ByteBuffer(
        string:
          "n,a=\(SCRAMText.encodeName(username)),\u{1}host=\(host)\u{1}port=\(port)\u{1}auth=Bearer \(token)\u{1}\u{1}")
    case .xoauth2:
      first = ByteBuffer(string: "user=\(username)\u{1}auth=Bearer \(token)\u{1}\u{1}")
    }
  }

  /// The client's only message of weight. Nil after the first call.
  public mutating func initialResponse() -> ByteBuffer? {
    guard case .fresh = state else { return nil }
    state = .sent
    return first
  }

  /// Takes a challenge, base64 taken off.
  public mutating func step(_ challenge: ByteBuffer) -> SASLClientAction {
    switch state {
    case .fresh, .over:
      state = .over
      return .failed(.outOfOrder)
    case .sent:
      state = .refused
      refusal = Self.status(challenge)
      // RFC 7628 §3.2.3: the client MUST answer, so that the server can end the exchange. XOAUTH2 wants it empty.
      return .respond(mechanism == .oauthBearer ? ByteBuffer(bytes: [1]) : ByteBuffer())
    case .refused:
      state = .over
      return .failed(.wrongCredentials)
    }
  }

  /// `status` of the JSON in the challenge (RFC 7628 §3.2.2), if it is a plain word.
  private static func status(_ challenge: ByteBuffer) -> String? {
    struct Answer: Decodable { let status: String }
    guard challenge.readableBytes <= SASLLimits.message,
      let status = try? JSONDecoder().decode(Answer.self, from: Data(challenge.readableBytesView)).status,
      (1...SASLLimits.status).contains(status.utf8.count), status.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
    else { return nil }
    return status
  }
}
