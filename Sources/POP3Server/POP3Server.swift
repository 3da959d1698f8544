public import Logging
public import MailAuth
public import MailNet
public import MailStore

/// What all POP3 sessions of a server share: give `makeSession` to the listeners of pop3 and pop3s alike.
public final class POP3Server: Sendable {
  let store: any MailStore
  let authenticator: Authenticator
  let settings: POP3ServerSettings
  let logger: Logger
  let locks = MaildropLocks()
  let delays = LoginDelays()

  public init(store: any MailStore, authenticator: Authenticator, settings: POP3ServerSettings, logger: Logger) {
    self.store = store
    self.authenticator = authenticator
    self.settings = settings
    self.logger = logger
  }

  /// One session for one connection; called on the connection's event loop.
  public func makeSession(_ connection: Connection) -> any ConnectionSession {
    POP3Session(connection: connection, server: self)
  }
}
