public import Logging
public import MailNet
public import MailStore
import Synchronization

/// What all LMTP sessions of a server share: give `makeSession` to its listeners.
public final class LMTPServer: Sendable {
  let store: any MailStore
  let settings: LMTPServerSettings
  let rules: DeliveryRules
  let logger: Logger
  private let queueIDs: QueueIDs

  public init(store: any MailStore, settings: LMTPServerSettings, logger: Logger) {
    self.store = store
    self.settings = settings
    self.logger = logger
    self.rules = DeliveryRules(store: store, settings: settings)
    self.queueIDs = QueueIDs(settings.now())
  }

  /// One session for one connection; called on the connection's event loop.
  public func makeSession(_ connection: Connection) -> any ConnectionSession {
    LMTPSession(connection: connection, server: self)
  }

  func newQueueID() -> String { queueIDs.next() }
}

/// Names of messages on their way in, for Received and the log; none comes twice while the clock does not go back.
final class QueueIDs: Sendable {
  private let prefix: String
  private let count = Atomic<UInt64>(0)

  init(_ start: Int64) { prefix = String(start, radix: 36).uppercased() }

  func next() -> String {
    prefix + "." + String(count.wrappingAdd(1, ordering: .relaxed).newValue, radix: 36).uppercased()
  }
}
