import Foundation
import MailClient
import MerpatiServer
import Synchronization

/// Shows the events of long work: bars that are redrawn on a terminal, quiet lines in cron, a JSON line each with --json.
/// Everything but JSON goes to standard error.
final class ProgressDisplay: Sendable {
  enum Form: Sendable { case bars, lines, json }

  private struct Row {
    var event: JobEvent
    var begun: ContinuousClock.Instant
  }
  private struct State {
    /// In the order they began.
    var keys: [String] = []
    var rows: [String: Row] = [:]
    var drawn = 0
  }

  private let form: Form
  private let state = Mutex(State())

  init(json: Bool) {
    // A reader that goes away, as head(1) does, ends no work.
    signal(SIGPIPE, SIG_IGN)
    form = json ? .json : isatty(STDERR_FILENO) == 1 ? .bars : .lines
  }

  /// Safe from any task.
  func report(_ event: JobEvent) {
    switch form {
    case .json: state.withLock { _ in Self.printJSON(event) }
    case .lines: state.withLock { _ in Self.printLine(event) }
    case .bars: state.withLock { Self.draw(event, &$0) }
    }
  }

  private static func printJSON(_ event: JobEvent) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let line = try? encoder.encode(event) else { return }
    Terminal.write(LogEscape.finishedJSON(String(decoding: line, as: UTF8.self)) + "\n", to: STDOUT_FILENO)
  }

  /// Cron sends mail for every line: the beginning and the way say nothing.
  private static func printLine(_ event: JobEvent) {
    switch event.event {
    case .started, .progress: break
    case .warning, .failed: write("\(sentence(event.text ?? "failed", title(event)))\n")
    case .finished:
      if let text = event.text, event.done > 0 { write("\(sentence(text, title(event)))\n") }
    }
  }

  /// Errors name their account themselves.
  private static func sentence(_ text: String, _ title: String) -> String {
    Text.plain(text.hasPrefix(title + ": ") ? text : "\(title): \(text)")
  }

  private static func title(_ event: JobEvent) -> String {
    Text.plain(event.mailbox.map { "\(event.account) \($0)" } ?? event.account)
  }

  private static func draw(_ event: JobEvent, _ state: inout State) {
    let key = title(event)
    if state.rows[key] == nil {
      state.keys.append(key)
      state.rows[key] = Row(event: event, begun: .now)
    }
    state.rows[key]?.event = event
    var out = state.drawn > 0 ? "\u{1B}[\(state.drawn)A" : ""
    if event.event == .warning || event.event == .failed || event.event == .finished {
      // A sentence that stays, above the bars that go on.
      if let text = event.text {
        out += "\u{1B}[2K\(sentence(text, key))\n"
      }
      if event.event != .warning {
        state.keys.removeAll { $0 == key }
        state.rows[key] = nil
      }
    }
    for key in state.keys {
      guard let row = state.rows[key] else { continue }
      out += "\u{1B}[2K" + bar(key, row) + "\n"
    }
    out += "\u{1B}[J"
    state.drawn = state.keys.count
    write(out)
  }

  /// `budi  ━━━━━━────── 1,240/2,000  3.1 MiB  812/s  0:01 left`
  private static func bar(_ key: String, _ row: Row) -> String {
    let event = row.event
    let elapsed = max(0.001, (ContinuousClock.now - row.begun).seconds)
    let rate = Double(event.done) / elapsed
    var tail = event.total.map { " \(grouped(event.done))/\(grouped($0))" } ?? " \(grouped(event.done))"
    if event.bytes > 0 { tail += "  \(Text.size(event.bytes))" }
    if event.done > 0, elapsed > 0.5 {
      tail += String(format: "  %.0f/s", rate)
      if let total = event.total, total > event.done, rate > 0 {
        tail += "  \(Text.duration(Double(total - event.done) / rate)) left"
      }
    }
    let name = Text.left(key, min(24, max(8, Text.columns(key)))) + " "
    let room = max(5, min(40, width - Text.columns(name) - Text.columns(tail) - 1))
    let share = event.total.map { $0 > 0 ? min(1, Double(event.done) / Double($0)) : 1 } ?? 0
    let full = Int((Double(room) * share).rounded(.down))
    return name + String(repeating: "━", count: full) + String(repeating: "─", count: room - full) + tail
  }

  private static var width: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col >= 40 ? Int(size.ws_col) : 80
  }

  /// 12,345
  private static func grouped(_ number: Int) -> String {
    number < 1000 ? "\(number)" : grouped(number / 1000) + "," + String("00\(number % 1000)".suffix(3))
  }

  private static func write(_ text: String) { Terminal.write(text, to: STDERR_FILENO) }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
