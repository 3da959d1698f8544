import Foundation

/// Cells of a terminal's table.
enum Text {
  /// Without what could play with the terminal: servers choose unique-ids, names and words.
  static func plain(_ text: String) -> String {
    var plain = text
    plain.unicodeScalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: plain.unicodeScalars.append("?")
      default: plain.unicodeScalars.append(scalar)
      }
    }
    return plain
  }

  /// `4.1 MiB`; octets in powers of 1024.
  static func size(_ octets: Int64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(octets)
    var unit = 0
    while value >= 1023.5, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    if unit == 0 { return "\(octets) B" }
    return String(format: value < 9.95 ? "%.1f %@" : "%.0f %@", value, units[unit])
  }

  /// `25 Nov 14:02` within half a year, else `25 Nov 2024`: as ls(1) has it, in local time.
  static func date(_ seconds: Int64, now: Int64) -> String {
    var time = time_t(seconds)
    var parts = tm()
    localtime_r(&time, &parts)
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let day = String(format: "%2d %@", parts.tm_mday, months[Int(parts.tm_mon) % 12])
    if abs(now - seconds) < 182 * 86_400 { return day + String(format: " %02d:%02d", parts.tm_hour, parts.tm_min) }
    return day + String(format: "  %4d", Int(parts.tm_year) + 1900)
  }

  /// `1:05`, `2:10:00`.
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 360_000 else { return "–" }
    let whole = Int(seconds.rounded())
    if whole >= 3600 { return String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60) }
    return String(format: "%d:%02d", whole / 60, whole % 60)
  }

  static func left(_ text: String, _ width: Int) -> String {
    let cut = Self.cut(text, width)
    return cut + String(repeating: " ", count: max(0, width - columns(cut)))
  }

  static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - columns(text))) + text
  }

  /// At most `width` columns; what was cut off shows as `…`.
  static func cut(_ text: String, _ width: Int) -> String {
    if columns(text) <= width { return text }
    var result = ""
    var used = 0
    for character in text {
      let next = columns(character)
      if used + next > width - 1 { break }
      result.append(character)
      used += next
    }
    return result + "…"
  }

  static func columns(_ text: String) -> Int { text.reduce(0) { $0 + columns($1) } }

  /// Columns a terminal gives a character: none to marks alone, two to East Asian wide forms and emoji.
  static func columns(_ character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    switch first.value {
    case 0x20...0x7E, 0xA0...0x2FF: return 1
    case 0x300...0x36F, 0x200B...0x200F, 0xFE00...0xFE0F: return 0
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
      0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F,
      0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
      return 2
    default:
      return first.properties.isEmojiPresentation ? 2 : 1
    }
  }
}

extension Terminal {
  /// Columns of the terminal, 100 where there is none.
  static var width: Int {
    var size = winsize()
    if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 { return Int(size.ws_col) }
    return ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init).map { max(40, $0) } ?? 100
  }
}
