import MailNet
import Synchronization

/// How long each address has to wait for its next login. Addresses are counted by `PeerAddress.limitKey`; unix sockets
/// have no address and don't wait.
///
/// Attempts of one address wait one behind the other, up to the longest delay: many connections at once gain nothing, and
/// whoever shares the address with a guesser gets in after that delay at the latest.
final class FailureDelays: Sendable {
  fileprivate struct Entry {
    var failures: Int
    var lastFailure: ContinuousClock.Instant
    /// When the next attempt may be looked at.
    var free: ContinuousClock.Instant
  }

  /// Two generations: what is used moves to `young`; when that is full, `old` is forgotten.
  fileprivate struct State {
    var young: [PeerAddress.LimitKey: Entry] = [:]
    var old: [PeerAddress.LimitKey: Entry] = [:]
  }

  /// Addresses remembered, at most.
  static let capacity = 20_000

  private let first: Duration
  private let longest: Duration
  private let decay: Duration
  private let state = Mutex(State())

  init(_ settings: AuthSettings) {
    first = settings.failureDelay
    longest = settings.longestFailureDelay
    decay = settings.failureDecay
  }

  /// What an attempt made now has to wait. It takes its place in the line.
  func delay(for peer: PeerAddress, now: ContinuousClock.Instant) -> Duration {
    guard !peer.isUnixSocket else { return .zero }
    return state.withLock { state in
      guard var entry = state.entry(peer.limitKey) else { return .zero }
      fade(&entry, now)
      let step = delay(failures: entry.failures)
      guard step > .zero else {
        state.forget(peer.limitKey)
        return .zero
      }
      entry.free = max(entry.free, now).advanced(by: step)
      let wait = min(now.duration(to: entry.free), longest)
      entry.free = min(entry.free, now.advanced(by: longest))
      state.keep(peer.limitKey, entry)
      return wait
    }
  }

  func failed(_ peer: PeerAddress, now: ContinuousClock.Instant) {
    guard !peer.isUnixSocket, first > .zero else { return }
    state.withLock { state in
      var entry = state.entry(peer.limitKey) ?? Entry(failures: 0, lastFailure: now, free: now)
      fade(&entry, now)
      entry.failures = min(entry.failures + 1, 32)
      entry.lastFailure = now
      state.keep(peer.limitKey, entry)
    }
  }

  func succeeded(_ peer: PeerAddress) {
    state.withLock { state in
      guard var entry = state.entry(peer.limitKey) else { return }
      entry.failures /= 2
      if entry.failures == 0 { state.forget(peer.limitKey) } else { state.keep(peer.limitKey, entry) }
    }
  }

  /// Addresses remembered now.
  var count: Int { state.withLock { $0.young.count + $0.old.count } }

  private func delay(failures: Int) -> Duration {
    guard failures > 0 else { return .zero }
    var delay = first
    for _ in 1..<failures where delay < longest { delay = delay * 2 }
    return min(delay, longest)
  }

  private func fade(_ entry: inout Entry, _ now: ContinuousClock.Instant) {
    guard decay > .zero else { return }
    while entry.failures > 0, entry.lastFailure.duration(to: now) >= decay {
      entry.failures /= 2
      entry.lastFailure = entry.lastFailure.advanced(by: decay)
    }
  }
}

extension FailureDelays.State {
  fileprivate func entry(_ key: PeerAddress.LimitKey) -> FailureDelays.Entry? { young[key] ?? old[key] }

  fileprivate mutating func forget(_ key: PeerAddress.LimitKey) {
    young[key] = nil
    old[key] = nil
  }

  fileprivate mutating func keep(_ key: PeerAddress.LimitKey, _ entry: FailureDelays.Entry) {
    old[key] = nil
    if young[key] == nil, young.count >= FailureDelays.capacity / 2 {
      old = young
      young = [:]
    }
    young[key] = entry
  }
}
