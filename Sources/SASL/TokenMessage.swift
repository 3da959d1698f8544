import Bytes
import NIOCore

/// What a client says in OAUTHBEARER (RFC 7628 §3.1) or XOAUTH2, checked for form only.
public struct TokenMessage: Sendable, Hashable {
  /// Whom to act as, as sent; empty when the client left it to the token.
  public var authorization: String
  /// The access token; empty when the client wants to hear what is asked for (RFC 7628 §4.3).
  public var token: [UInt8]
  /// The server as the client calls it; nil when it didn't say.
  public var host: String?

  public init(authorization: String, token: [UInt8], host: String? = nil) {
    self.authorization = authorization
    self.token = token
    self.host = host
  }

  /// kvsep, which is all that parts the fields.
  static let separator: UInt8 = 1

  /// Reads a client's first message.
  public static func parse(_ bytes: [UInt8], _ mechanism: SASLTokenMechanism) -> Result<TokenMessage, SASLFailure> {
    guard bytes.count <= SASLLimits.message else { return .failure(.malformed("message too long")) }
    switch mechanism {
    case .oauthBearer: return oauthBearer(bytes)
    case .xoauth2: return xoauth2(bytes)
    }
  }

  /// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
  private static func oauthBearer(_ bytes: [UInt8]) -> Result<TokenMessage, SASLFailure> {
    guard let end = bytes.firstIndex(of: separator) else { return .failure(.malformed("OAUTHBEARER without ^A")) }
    // RFC 5801 §4: gs2-cb-flag "," [gs2-authzid] ","
    let header = bytes[..<end].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard header.count == 3, header[2].isEmpty else { return .failure(.malformed("OAUTHBEARER takes a GS2 header")) }
    switch Array(header[0]) {
    case [UInt8(ascii: "n")], [UInt8(ascii: "y")]: break
    case let flag where flag.starts(with: Array("p=".utf8)): return .failure(.channelBinding)
    default: return .failure(.malformed("OAUTHBEARER: the GS2 flag is n, y or p"))
    }
    var authorization = ""
    if !header[1].isEmpty {
      guard let value = SCRAMText.value(header[1], of: "a"), let name = SCRAMText.decodeName(value) else {
        return .failure(.malformed("OAUTHBEARER: the authorization identity is a=NAME"))
      }
      guard let prepared = SASLprep.name(name) else { return .failure(.unsuitableName) }
      authorization = prepared
    }
    return pairs(bytes[(end + 1)...]).flatMap { fields in
      message(authorization, fields)
    }
  }

  /// `user=NAME^Aauth=Bearer TOKEN^A^A`, as Google and Microsoft describe it.
  private static func xoauth2(_ bytes: [UInt8]) -> Result<TokenMessage, SASLFailure> {
    pairs(bytes[...]).flatMap { fields in
      guard let user = fields["user"] else { return .failure(.malformed("XOAUTH2 takes user=NAME")) }
      guard let name = SASLprep.name(Array(user)) else { return .failure(.unsuitableName) }
      return message(name, fields)
    }
  }

  /// *kvpair kvsep, and nothing behind it. Of two pairs of one key neither could be meant.
  private static func pairs(_ bytes: ArraySlice<UInt8>) -> Result<[String: ArraySlice<UInt8>], SASLFailure> {
    var fields: [String: ArraySlice<UInt8>] = [:]
    var parts = bytes.split(separator: separator, omittingEmptySubsequences: false)[...]
    // The last pair's own ^A, then the one that ends the message.
    guard parts.popLast()?.isEmpty == true, parts.popLast()?.isEmpty == true else {
      return .failure(.malformed("the fields end in two ^A"))
    }
    for part in parts {
      guard let equals = part.firstIndex(of: UInt8(ascii: "=")), equals > part.startIndex,
        part[..<equals].allSatisfy(\.isASCIILetter),
        part[equals...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 9 || $0 == 10 || $0 == 13 })
      else { return .failure(.malformed("a field is KEY=VALUE")) }
      let key = String(decoding: part[..<equals], as: UTF8.self).lowercased()
      guard fields.updateValue(part[(equals + 1)...], forKey: key) == nil else {
        return .failure(.malformed("a field stands twice"))
      }
    }
    return .success(fields)
  }

  private static func message(
    _ authorization: String, _ fields: [String: ArraySlice<UInt8>]
  ) -> Result<TokenMessage, SASLFailure> {
    let auth = fields["auth"] ?? []
    var token: [UInt8] = []
    if !auth.isEmpty {
      // RFC 6750 §2.1: "Bearer" 1*SP b64token; RFC 7628 §4: letter case is ignored.
      let scheme = auth.prefix { $0 != .space }
      guard String(decoding: scheme, as: UTF8.self).lowercased() == "bearer" else {
        return .failure(.malformed("only Bearer tokens are taken"))
      }
      token = Array(auth[scheme.endIndex...].drop { $0 == .space })
      guard token.allSatisfy(isTokenOctet) else { return .failure(.malformed("a token has odd characters")) }
    }
    let host = fields["host"].flatMap { $0.isEmpty ? nil : String(validating: $0, as: UTF8.self) }
    return .success(TokenMessage(authorization: authorization, token: token, host: host))
  }

  /// b64token (RFC 6750 §2.1).
  private static func isTokenOctet(_ byte: UInt8) -> Bool {
    byte.isASCIILetter || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-._~+/=".utf8.contains(byte)
  }
}
