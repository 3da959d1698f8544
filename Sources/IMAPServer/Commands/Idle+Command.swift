import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// IDLE (RFC 9051 §6.3.13, RFC 2177): from here to DONE every change is told as it comes.
  func startIdle(_ tag: String) throws(CommandError) -> Completion? {
    // The command is complete, so EXPUNGE may go out before the continuation (RFC 9051 §6.3.13, example).
    tell(expunge: true, includeUID: isRev2)
    guard !isOver else { return nil }
    sayContinuation("idling")
    framer.expectLine()
    idleTag = tag
    connection.setDeadline(settings.idleTimeout)
    if notify != nil || contexts != nil { mailboxChanged() }
    restSoon()
    return nil
  }

  /// While nothing happens the mailbox is held in as little memory as can be.
  func restSoon() {
    guard view != nil, !willRest else { return }
    willRest = true
    connection.whenQuiet { [weak self] in
      self?.assumeIsolated { session in
        session.willRest = false
        if session.idleTag != nil { session.view?.rest() }
      }
    }
  }

  /// The line that ends it. Only DONE may come (RFC 9051 §6.3.13).
  func endIdle(_ line: ByteBuffer) {
    guard let tag = idleTag else { return }
    idleTag = nil
    let row = CommandTable.row(for: .idle)
    guard Idle.isDone(line) else {
      tally.badInARow += 1
      finish(tag, row, isUID: false, .bad("Expected DONE"))
      return
    }
    finish(tag, row, isUID: false, .ok("IDLE completed"))
  }
}
