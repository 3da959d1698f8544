public import MailStore
public import NIOCore

/// How an attempt to log in ended.
public enum LoginOutcome: Sendable, Hashable {
  /// The account is counted: `Authenticator.sessionEnded(account:connection:)` must follow, once.
  case success(Account)
  case failed(FailureReason)
}

/// What a client may learn. In brackets what IMAP says (RFC 5530 §3); a POP3 server says `[AUTH]` for the first group
/// and `[SYS/TEMP]` for `temporary` (RFC 3206 §4, §5).
public enum FailureReason: Sendable, Hashable {
  /// Unknown account or wrong password, never told apart. [AUTHENTICATIONFAILED]
  case wrongCredentials
  /// The password was right, the account is switched off. [CONTACTADMIN]: only its owner gets to hear it.
  case disabled
  /// The client wants to act as somebody else. [AUTHORIZATIONFAILED]
  case authorizationFailed
  /// The password would have crossed the network in the clear. [PRIVACYREQUIRED]
  case privacyRequired
  /// The account has as many connections as it may. [LIMIT]
  case tooManyConnections
  /// The store or the server is to blame. [UNAVAILABLE]
  case temporary
  /// The client broke the grammar of the mechanism: BAD, with this text.
  case malformed(String)
  /// The client broke the exchange off (`*`): BAD.
  case cancelled

  /// One word for the log.
  public var name: String {
    switch self {
    case .wrongCredentials: "wrong credentials"
    case .disabled: "account disabled"
    case .authorizationFailed: "authorization identity refused"
    case .privacyRequired: "privacy required"
    case .tooManyConnections: "too many connections"
    case .temporary: "temporary failure"
    case .malformed: "malformed"
    case .cancelled: "cancelled"
    }
  }

  /// Somebody may be guessing: it counts towards the delays of the address.
  var isGuess: Bool { self == .wrongCredentials || self == .authorizationFailed }
}

/// What a server does next in AUTHENTICATE or AUTH.
public enum AuthStep: Sendable, Hashable {
  /// Send it, base64 around it, as a continuation; it may be empty.
  case challenge(ByteBuffer)
  /// `finalData` is nil unless the exchange was begun with `sendsFinalData`.
  case done(LoginOutcome, finalData: ByteBuffer?)
}
