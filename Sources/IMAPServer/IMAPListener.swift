public import Logging
public import MailAuth
public import MailNet
public import MailStore

/// What all IMAP sessions of a listener share.
public final class IMAPListener: Sendable {
  public let settings: IMAPServerSettings
  let store: any MailStore
  let authenticator: Authenticator
  let logger: Logger
  /// Keys for SORT and THREAD.
  let order = OrderCache()
  /// Who is told of new keys (RFC 4467).
  let keyWatchers = KeyWatchers()

  public init(
    store: any MailStore, authenticator: Authenticator, settings: IMAPServerSettings, logger: Logger
  ) {
    self.store = store
    self.authenticator = authenticator
    self.settings = settings
    self.logger = logger
  }

  /// For `Listener(makeSession:)`.
  public func makeSession(_ connection: Connection) -> any ConnectionSession {
    IMAPSession(connection, self)
  }
}
