public import MailNet

/// Access tokens from a command, which is run for each login: keeping and renewing them is its affair.
public struct CommandTokenSource: TokenSource {
  private let source: SecretSource
  private let server: String

  /// - command: for `/bin/sh -c`; the first line it prints is the token.
  /// - server: for messages.
  public init(command: String, server: String) {
    source = .command(command)
    self.server = server
  }

  public func accessToken() async throws(ClientError) -> String {
    guard let token = String(validating: try await source.secret(server: server), as: UTF8.self) else {
      throw ClientError(.secretUnavailable("the token command printed no text"), server: server)
    }
    return token
  }

  /// Nothing is kept.
  public func invalidate() async {}
}
