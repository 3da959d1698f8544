import Foundation
public import Logging
import Synchronization

/// Writes one line an event, `key=value` or JSON, to a file or to standard error. Control characters in values never
/// reach the log as such, so a client cannot forge lines.
public struct LineLogHandler: LogHandler {
  public var logLevel: Logger.Level
  public var metadata: Logger.Metadata = [:]
  public var metadataProvider: Logger.MetadataProvider?
  let label: String
  let sink: LogSink

  public init(label: String, sink: LogSink, level: Logger.Level) {
    self.label = label
    self.sink = sink
    self.logLevel = level
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
    if let given = event.metadata {
      if all.isEmpty { all = given } else { all.merge(given) { _, new in new } }
    }
    var pairs = all.map { pair in
      if case .string(let text) = pair.value { (pair.key, text) } else { (pair.key, "\(pair.value)") }
    }
    pairs.sort { $0.0 < $1.0 }
    let line =
      sink.json
      ? Self.json(event.level, label, "\(event.message)", pairs)
      : Self.text(event.level, label, "\(event.message)", pairs)
    sink.write(line)
  }

  static func text(_ level: Logger.Level, _ label: String, _ message: String, _ pairs: [(String, String)]) -> String {
    var line = ""
    line.reserveCapacity(256)
    appendTimestamp(to: &line)
    line.append(" ")
    line.append(level.rawValue)
    line.append(" ")
    line.append(label)
    line.append(": ")
    line.append(LogEscape.text(message))
    for (key, value) in pairs {
      line.append(" ")
      line.append(key)
      line.append("=")
      line.append(LogEscape.value(value))
    }
    line.append("\n")
    return line
  }

  static func json(_ level: Logger.Level, _ label: String, _ message: String, _ pairs: [(String, String)]) -> String {
    var line = "{\"time\":\""
    appendTimestamp(to: &line)
    line += "\",\"level\":\"\(level.rawValue)\",\"room\":\(LogEscape.json(label))"
    line += ",\"event\":\(LogEscape.json(message))"
    for (key, value) in pairs { line += ",\(LogEscape.json(key)):\(LogEscape.json(value))" }
    return line + "}\n"
  }

  /// `2026-01-31T23:59:59.123Z`
  private static func appendTimestamp(to line: inout String) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    var seconds = now.tv_sec
    gmtime_r(&seconds, &parts)
    // Digits by hand: half of a line's cost were the strings that a text with ten values in it is made of.
    let digits: InlineArray<24, UInt8> = .init { place in
      func digit(_ value: Int32, _ divisor: Int32) -> UInt8 {
        UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10)
      }
      let millis = Int32(truncatingIfNeeded: now.tv_nsec / 1_000_000)
      return switch place {
      case 0: digit(parts.tm_year + 1900, 1000)
      case 1: digit(parts.tm_year + 1900, 100)
      case 2: digit(parts.tm_year + 1900, 10)
      case 3: digit(parts.tm_year + 1900, 1)
      case 4, 7: UInt8(ascii: "-")
      case 5: digit(parts.tm_mon + 1, 10)
      case 6: digit(parts.tm_mon + 1, 1)
      case 8: digit(parts.tm_mday, 10)
      case 9: digit(parts.tm_mday, 1)
      case 10: UInt8(ascii: "T")
      case 11: digit(parts.tm_hour, 10)
      case 12: digit(parts.tm_hour, 1)
      case 13, 16: UInt8(ascii: ":")
      case 14: digit(parts.tm_min, 10)
      case 15: digit(parts.tm_min, 1)
      case 17: digit(parts.tm_sec, 10)
      case 18: digit(parts.tm_sec, 1)
      case 19: UInt8(ascii: ".")
      case 20: digit(millis, 100)
      case 21: digit(millis, 10)
      case 22: digit(millis, 1)
      default: UInt8(ascii: "Z")
      }
    }
    digits.span.withUnsafeBufferPointer { line.append(String(decoding: $0, as: UTF8.self)) }
  }
}

/// Where log lines go. One `write` call a line, so that lines of several threads never mix.
public final class LogSink: Sendable {
  let json: Bool
  private let path: String
  private let output: Mutex<Output>

  private struct Output {
    var descriptor: Int32 = STDERR_FILENO
    /// Lines that could not be written, or not wholly.
    var lost = 0
    /// The file ends within a line.
    var isTorn = false
  }

  /// - Throws: `ConfigError` when the file cannot be opened for appending.
  ///
  /// - Parameter opensNow: false: standard error until the first `reopen`, for a file that another user is to own.
  public init(path: String, json: Bool, opensNow: Bool = true) throws(ConfigError) {
    self.json = json
    self.path = path
    output = Mutex(Output())
    if opensNow { try reopen() }
  }

  private init() {
    json = false
    path = ""
    output = Mutex(Output())
  }

  /// For commands: what goes wrong, as text.
  static let standardError = LogSink()

  /// After the file was rotated away (SIGHUP).
  public func reopen() throws(ConfigError) {
    guard !path.isEmpty else { return }
    let fresh = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    guard fresh >= 0 else { throw ConfigError("log.file: \(path): \(String(cString: strerror(errno)))") }
    output.withLock { output in
      if output.descriptor != STDERR_FILENO { close(output.descriptor) }
      output.descriptor = fresh
      output.isTorn = false
    }
  }

  /// A log that cannot be written (a full disk) must not stop the mail. How many lines are missing is said when it can.
  func write(_ line: String) {
    output.withLock { output in
      if output.lost > 0 {
        let notice = lossNotice(output.lost)
        guard Self.put((output.isTorn ? "\n" : "") + notice, &output) else { return output.lost += 1 }
        output.lost = 0
      }
      if !Self.put(line, &output) { output.lost += 1 }
    }
  }

  private func lossNotice(_ lost: Int) -> String {
    let text = "lines were lost while the log could not be written"
    let pairs = [("lines", "\(lost)")]
    return json ? LineLogHandler.json(.error, "log", text, pairs) : LineLogHandler.text(.error, "log", text, pairs)
  }

  private static func put(_ text: String, _ output: inout Output) -> Bool {
    var text = text
    return text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count {
        let count = Foundation.write(output.descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else {
          if done > 0 { output.isTorn = true }
          return false
        }
        done += count
      }
      output.isTorn = false
      return true
    }
  }
}
