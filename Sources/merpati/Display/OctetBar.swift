import Foundation
import Synchronization

/// One bar for work that is measured in octets, redrawn on a terminal; nothing in cron.
final class OctetBar: Sendable {
  private let title: String
  private let isShown: Bool
  private let begun = ContinuousClock.now
  private let last = Mutex(ContinuousClock.now - .seconds(1))

  init(_ title: String, json: Bool) {
    self.title = title
    isShown = !json && isatty(STDERR_FILENO) == 1
  }

  /// Safe from any thread; draws a few times a second.
  func show(_ done: Int64, of total: Int64) {
    guard isShown else { return }
    let now = ContinuousClock.now
    let isDue = last.withLock { last in
      guard now - last > .milliseconds(200) || done >= total else { return false }
      last = now
      return true
    }
    guard isDue else { return }
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
    let full = Int(share * 30)
    let rate = Double(done) / max(0.001, (now - begun).seconds)
    var line = "\r\u{1B}[2K\(title) " + String(repeating: "━", count: full) + String(repeating: "─", count: 30 - full)
    line += " \(Text.size(done))/\(Text.size(total))  \(Text.size(Int64(rate)))/s"
    if rate > 0, total > done { line += "  \(Text.duration(Double(total - done) / rate)) left" }
    Terminal.write(line, to: STDERR_FILENO)
  }

  func clear() {
    if isShown { Terminal.write("\r\u{1B}[2K", to: STDERR_FILENO) }
  }
}
