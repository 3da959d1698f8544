import IMAPCore
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
  let namespaces: Namespaces

  public init(
    store: any MailStore, authenticator: Authenticator, settings: IMAPServerSettings, logger: Logger
  ) {
    self.store = store
    self.authenticator = authenticator
    var settings = settings
    // RFC 9738 §3.1: the limit holds for APPEND too.
    if settings.messageLimit > 0 {
      settings.wire.messagesPerAppend = min(settings.wire.messagesPerAppend, settings.messageLimit)
    }
    self.settings = settings
    namespaces = Namespaces(settings)
    self.logger = logger
  }

  /// For `Listener(makeSession:)`.
  public func makeSession(_ connection: Connection) -> any ConnectionSession {
    IMAPSession(connection, self)
  }
}
