import IMAPCore
public import MailNet
import NIOCore

extension IMAPClient {
  /// IDLE (RFC 2177), or NOOP each `poll` without it, until something happens or `limit` passes. Empty: nothing happened.
  /// What had come before and was not asked for by `events()` counts as happened.
  public func idle(limit: Duration, poll: Duration) async throws(ClientError) -> [MailboxEvent] {
    let clock = ContinuousClock()
    let end = clock.now + limit
    var canIdle = has("IDLE")
    while noticed.isEmpty, clock.now < end {
      let left = end - clock.now
      if canIdle {
        let wait = min(left, IMAPClientLimits.idleRenewal)
        let began = clock.now
        canIdle = try await idleOnce(within: wait)
        // Who ends IDLE by itself at once, a proxy perhaps, would be asked in a loop.
        if clock.now - began < min(wait, IMAPClientLimits.shortestIdle) { canIdle = false }
      } else {
        try await listen(within: min(left, poll))
        if noticed.isEmpty { try await run("NOOP") }
      }
    }
    return events()
  }

  /// One IDLE, up to the first news. False: the server refused it.
  private func idleOnce(within limit: Duration) async throws(ClientError) -> Bool {
    let command = try await begin("IDLE") { $0.word("IDLE") }
    guard try await continuation(of: command.tag) != nil else {
      _ = try await finish(command)
      return false
    }
    if noticed.isEmpty { try await listen(within: limit, until: command.tag) }
    // RFC 9051 §6.3.13; a server that has ended IDLE by itself would take DONE for a command.
    if completions[command.tag] == nil { try await send(ByteBuffer(string: "DONE\r\n")) }
    _ = try await finish(command)
    return true
  }

  /// Hears what the server says of its own accord, until something has happened. What came along with it is read too.
  private func listen(within limit: Duration, until tag: String? = nil) async throws(ClientError) {
    let clock = ContinuousClock()
    let end = clock.now + limit
    while true {
      while let incoming = try inHand() {
        guard case .response(let response) = incoming else { continue }
        try sort(response) { (_) throws(ClientError) in false }
      }
      guard noticed.isEmpty, clock.now < end, tag.map({ completions[$0] == nil }) ?? true else { return }
      do {
        try await fill(within: end - clock.now)
      } catch {
        if case .timedOut = error.kind { return }
        throw error
      }
    }
  }
}
