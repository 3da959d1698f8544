import Glibc
import NIOCore

/// Finds the peer that says the next thing as soon as it has been answered (an MTA or a webmail on the same machine), and waits awake
/// for it. To fall asleep and be woken takes longer than such a peer does, and twice as long in a virtual machine.
///
/// One for each event loop: where two peers take turns, nobody is waited for. Of peers that are far away none is ever prompt.
struct PromptPeer {
  /// Of whom was heard last.
  private var connection: UInt64 = 0
  /// When it was answered; 0: it was not.
  private var answered: UInt64 = 0
  /// What it had been sent when it was heard.
  private var sent = 0
  /// How often in a row it was prompt, up to `most`; what it loses when it is waited for in vain is earned again.
  private var score = 0

  private static let most = 16
  private static let enough = 4
  private static let loss = 4

  /// Something has come from a peer that had been sent so many octets.
  mutating func heard(_ id: UInt64, sent: Int) {
    let now = Self.now()
    if id == connection, answered > 0, now - answered <= UInt64(NetLimits.promptReply.nanoseconds) {
      score = min(score + 1, Self.most)
    } else {
      score = 0
    }
    connection = id
    answered = 0
    self.sent = sent
  }

  /// It has been sent so many octets by now. True: the next thing it says should be waited for.
  mutating func answered(_ id: UInt64, sent: Int) -> Bool {
    guard sent != self.sent else { return false }
    guard id == connection else {
      score = 0
      return false
    }
    answered = Self.now()
    return score >= Self.enough
  }

  /// Waits until the socket can be read, a moment at most.
  mutating func wait(_ socket: CInt) {
    let end = answered + UInt64(NetLimits.promptWait.nanoseconds)
    var set = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    repeat {
      if poll(&set, 1, 0) != 0 { return }
    } while Self.now() < end
    score = max(score - Self.loss, 0)
  }

  private static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }
}
