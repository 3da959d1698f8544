import IMAPCore
import MailNet
import MailStore
import NIOCore
import Synchronization

/// Sessions that have a mailbox selected, to be told of its new key: "any current IMAP session logged in as the user that
/// has the mailbox selected will receive an untagged OK response" (RFC 4467 §7).
final class KeyWatchers: Sendable {
  private struct Watcher: Sendable {
    weak var session: IMAPSession?
    var mailbox: MailboxID
  }

  /// With room at once: see `ViewRegistry`.
  private let watchers = Mutex([AccountID: [ObjectIdentifier: Watcher]](minimumCapacity: 16))

  func add(_ session: IMAPSession, _ ref: MailboxRef) {
    let watcher = Watcher(session: session, mailbox: ref.mailbox)
    watchers.withLock { $0[ref.account, default: [:]][ObjectIdentifier(session)] = watcher }
  }

  func remove(_ session: IMAPSession, of account: AccountID) {
    watchers.withLock {
      $0[account]?[ObjectIdentifier(session)] = nil
      if $0[account]?.isEmpty == true { $0[account] = nil }
    }
  }

  /// `mailbox` nil: all keys of the account are gone.
  func tell(account: AccountID, mailbox: MailboxID?, but session: IMAPSession) {
    let told = watchers.withLock { watchers in
      (watchers[account] ?? [:]).values.filter { mailbox == nil || $0.mailbox == mailbox }.compactMap(\.session)
    }
    for other in told where other !== session {
      other.connection.eventLoop.execute { [weak other] in other?.assumeIsolated { $0.keyChanged() } }
    }
  }
}

extension IMAPSession {
  /// Another session has made a new key for the selected mailbox. Told behind the command under way, or at once in IDLE.
  func keyChanged() {
    guard !isOver, view != nil else { return }
    hasKeyNews = true
    guard idleTag != nil, running == nil, !isDraining, hasRoom() else { return }
    tellKey()
    connection.push()
  }

  func tellKey() {
    guard hasKeyNews else { return }
    hasKeyNews = false
    say(.ok, Self.mechanisms, "The mailbox has a new access key")
  }
}
