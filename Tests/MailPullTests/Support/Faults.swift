import MailNet
import Synchronization

/// The process ended here: from now on nothing of it does anything.
struct Crash: Error {}

/// Counts the steps of a run and stops it at one of them.
final class Faults: Sendable {
  enum Kind: Sendable {
    /// The process ends.
    case crash
    /// The line is cut; at a step that has no line nothing happens.
    case cut
  }
  private struct State {
    var count = 0
    var at: Int?
    var kind = Kind.crash
    var isDead = false
    var log: [String] = []
    /// One in so many steps, by chance.
    var oneIn: UInt64 = 0
    var random: UInt64 = 0
  }
  private let state = Mutex(State())

  /// Steps since the last `arm`.
  var count: Int { state.withLock { $0.count } }
  var log: [String] { state.withLock { $0.log } }

  func arm(_ kind: Kind, at step: Int?) {
    state.withLock { $0 = State(at: step, kind: kind) }
  }

  /// Crashes at one step in `oneIn`.
  func arm(seed: UInt64, oneIn: UInt64) {
    state.withLock { $0 = State(oneIn: oneIn, random: seed) }
  }

  func disarm() { state.withLock { $0 = State() } }

  /// A step on the line to the server.
  func line(_ name: String) throws(ClientError) {
    let isCut = state.withLock { state in
      if state.isDead { return true }
      return Self.advance(&state, name)
    }
    if isCut { throw ClientError(.disconnected, server: name) }
  }

  /// A step of this process: at the target, in the journal.
  func step(_ name: String) throws {
    let isDead = state.withLock { state in
      if state.isDead { return true }
      let isHit = Self.advance(&state, name)
      if isHit, state.kind == .cut { return false }
      return isHit
    }
    if isDead { throw Crash() }
  }

  private static func advance(_ state: inout State, _ name: String) -> Bool {
    state.count += 1
    state.log.append(name)
    var isHit = state.at == state.count
    if state.oneIn > 0 {
      state.random = state.random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      isHit = (state.random >> 33) % state.oneIn == 0
    }
    if isHit, state.kind == .crash { state.isDead = true }
    return isHit
  }

  /// The process has ended: a step on the line must not be taken for a cut and tried again.
  var isDead: Bool { state.withLock { $0.isDead } }
}
