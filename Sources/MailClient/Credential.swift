public import MailNet

/// How a client shows who it is.
public enum Credential: Sendable {
  case password(SecretSource)
  /// OAUTHBEARER (RFC 7628) or XOAUTH2.
  case token(any TokenSource)
}

/// Gives access tokens.
public protocol TokenSource: Sendable {
  func accessToken() async throws(ClientError) -> String
  /// The server refused the last token: the next call must give a new one.
  func invalidate() async
}
