public import NIOCore

/// Name and password as PLAIN or LOGIN brought them, checked for form only.
public struct SASLRequest: Sendable, Hashable {
  /// The authentication identity, prepared by SASLprep: whose password this is.
  public let username: String
  /// The authorization identity as sent, prepared; empty when none was. It never names anyone but `username`.
  public let authorization: String
  /// As sent; `Credentials.verify` prepares it.
  public let password: [UInt8]

  public init(username: String, authorization: String = "", password: [UInt8]) {
    self.username = username
    self.authorization = authorization
    self.password = password
  }
}

/// Why an exchange failed. What the client hears is the server's affair.
public enum SASLFailure: Error, Sendable, Hashable {
  /// The client broke the mechanism's grammar; the text says where, for the log and the client alike.
  case malformed(String)
  /// A name or a password that is not UTF-8 or that SASLprep forbids.
  case unsuitableName
  /// The client asked for channel binding, or binds to something else than it said (RFC 5802 §6).
  case channelBinding
  /// The client wants to act as somebody else.
  case authorizationFailed
  /// Unknown name or wrong password; the two are never told apart.
  case wrongCredentials
  /// A method was called in the wrong order: an error of the caller.
  case outOfOrder
}

/// What the server has to do next.
public enum SASLAction: Sendable, Hashable {
  /// Send this, in base64, and call `step` with the client's response. May be empty.
  case challenge(ByteBuffer)
  /// Check name and password; the exchange is over, its outcome is that of the check.
  case verify(SASLRequest)
  /// Look up the account and call `resume(with:)` with its credentials, or with nil if there is none.
  case needCredentials(username: String)
  /// The client is who it says. `finalData` is nil unless the exchange was made with `sendsFinalData`.
  case succeeded(username: String, authorization: String, finalData: ByteBuffer?)
  case failed(SASLFailure)
}
