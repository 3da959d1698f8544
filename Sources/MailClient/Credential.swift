public import MailNet

/// Where a secret comes from. It is asked for when it is needed, never kept in a configuration or printed.
public enum SecretSource: Sendable, Hashable {
  /// First line of the command's output, run by `/bin/sh -c`.
  case command(String)
  /// First line of a file; refused when others may read it.
  case file(String)
  case environment(String)
  /// The desktop's secret service by `secret-tool lookup` with these attributes.
  case secretService([String: String])
  /// For tests and for prompts.
  case value(String)

  public func secret(server: String) async throws(ClientError) -> [UInt8] { fatalError() }
}

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
