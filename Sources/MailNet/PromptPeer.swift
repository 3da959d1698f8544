import NIOCore

/// Finds the peer that says the next thing as soon as it has been answered (an MTA or a webmail on the same machine),
/// so that its loop can wait awake for it. To fall asleep and be woken takes longer than such a peer does.
///
/// One for each event loop, and only for a peer that the loop hears alone. A wait in vain costs `loss` points, twice
/// as many the next time; waits that pay make it cheaper again, ten of them by half. Points are earned one by one:
/// where more than a tenth of the waits is in vain, there are soon hardly any. Times are given from outside, in
/// nanoseconds; 0 is none.
struct PromptPeer {
  private enum Wait { case none, paid, vain }

  /// Of whom was heard last.
  private var connection: UInt64
  /// When it was answered since.
  private var answered: UInt64 = 0
  /// What it had been sent when it was heard.
  private var sent = 0
  /// What became of the wait after that answer.
  private var wait = Wait.none
  /// How often in a row it was prompt; below 0: what waits in vain have cost, whoever comes next.
  private(set) var score: Int
  private(set) var loss: Int
  /// How many there have been.
  private(set) var waits = 0

  static let enough = 4
  static let most = 16
  static let leastLoss = 4
  static let mostLoss = 1024

  init(connection: UInt64 = 0, score: Int = 0, loss: Int = leastLoss) {
    self.connection = connection
    self.score = score
    self.loss = loss
  }

  /// Something has come from a peer that had been sent so many octets.
  mutating func heard(_ id: UInt64, sent: Int, at now: UInt64) {
    seen(id)
    if answered > 0 {
      if now - answered <= UInt64(NetLimits.promptReply.nanoseconds) {
        score = min(score + 1, Self.most)
        if wait == .paid { loss = max(loss - loss / 16 - 1, Self.leastLoss) }
      } else {
        score = min(score, 0)
      }
    }
    connection = id
    self.sent = sent
    answered = 0
    wait = .none
  }

  /// The loop had to do with this peer. If it is another one, nobody is alone any more, and it may have been waited
  /// for while this one had something to say.
  mutating func seen(_ id: UInt64) {
    guard id != connection else { return }
    score = min(score, 0)
    if wait == .paid { lose() }
    gone(connection)
  }

  /// It has ended its side, or is no more.
  mutating func gone(_ id: UInt64) {
    guard id == connection else { return }
    connection = 0
    answered = 0
    wait = .none
  }

  /// A peer has been sent so many octets by now, and nothing is left to do for it. True: the next thing it says should
  /// be waited for, once.
  mutating func answered(_ id: UInt64, sent: Int, at now: UInt64) -> Bool {
    guard id == connection, sent != self.sent, answered == 0 else { return false }
    answered = now
    return score >= Self.enough
  }

  /// Up to when it is to be waited for; nil: not any more.
  func end(for id: UInt64) -> UInt64? {
    id == connection && answered > 0 && wait == .none
      ? answered + UInt64(NetLimits.promptWait.nanoseconds) : nil
  }

  /// It was waited for; `paid`: until it had something to say.
  mutating func waited(paid: Bool) {
    waits += 1
    wait = paid ? .paid : .vain
    if !paid { lose() }
  }

  private mutating func lose() {
    score = max(score - loss, -Self.mostLoss)
    loss = min(loss * 2, Self.mostLoss)
  }
}
