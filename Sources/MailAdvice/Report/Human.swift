/// Figures as people read them. Sizes in powers of 1024, as quotas are counted and as the other commands print them.
enum Human {
  static func size(_ octets: Int64) -> String {
    if octets < 0 { return "-" + size(octets == .min ? .max : -octets) }
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var value = Double(octets)
    var unit = 0
    // 1023.95 would be printed as 1024.0.
    while value >= 1023.5, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return unit == 0 ? "\(octets) B" : "\(tenths(value)) \(units[unit])"
  }

  /// One digit behind the point below 10, none above.
  static func tenths(_ value: Double) -> String {
    guard value.isFinite else { return "∞" }
    if value >= 9.95 { return count(Int64(octets: value)) }
    let tenths = Int((max(0, value) * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  /// `12,345`
  static func count(_ number: some BinaryInteger) -> String {
    var digits = Array(String(number.magnitude))
    var index = digits.count - 3
    while index > 0 {
      digits.insert(",", at: index)
      index -= 3
    }
    return (number < 0 ? "-" : "") + String(digits)
  }

  /// `1 message`, `12,345 messages`
  static func count(_ number: Int, _ noun: String, plural: String? = nil) -> String {
    "\(count(number)) \(number == 1 ? noun : plural ?? noun + "s")"
  }

  /// Of a fraction: `94 %`; never `0 %` for something, nor `100 %` for not all.
  static func percent(_ fraction: Double) -> String {
    guard fraction.isFinite else { return "? %" }
    let percent = fraction * 100
    if percent > 0, percent < 1 { return "<1 %" }
    if percent > 99, percent < 100 { return "99 %" }
    return "\(count(Int64(octets: percent))) %"
  }

  /// A time that passes while one waits: `0.2 s`, `40 s`, `7 min`, `2.5 h`, `3 days`.
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite else { return "?" }
    if seconds > 0, seconds < 0.05 { return "<0.1 s" }
    if seconds < 99.5 { return "\(tenths(seconds)) s" }
    if seconds < 99.5 * 60 { return "\(tenths(seconds / 60)) min" }
    if seconds < 48 * 3600 { return "\(tenths(seconds / 3600)) h" }
    return days(seconds / 86_400)
  }

  /// A time ahead: `11 days`, `7 months`, `6 years`.
  static func days(_ days: Double) -> String {
    guard days.isFinite else { return "?" }
    if days < 1 { return "less than a day" }
    if days < 99.5 { return unit(days, "day") }
    if days < 730 { return unit(days / 30.4375, "month") }
    return unit(days / 365.25, "year")
  }

  private static func unit(_ value: Double, _ name: String) -> String {
    let whole = Int64(octets: value)
    return "\(count(whole)) \(name)\(whole == 1 ? "" : "s")"
  }

  /// A round trip: `38 ms`.
  static func milliseconds(_ seconds: Double) -> String { "\(tenths(seconds * 1000)) ms" }

  /// Without control characters and marks that turn the direction of text.
  static func printable(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: shown += "?"
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }

  /// A name from a server, safe to print and not too long.
  static func name(_ name: String) -> String {
    let shown = printable(name)
    guard shown.count > AdviceLimits.shownName else { return shown }
    return String(shown.prefix(AdviceLimits.shownName - 1)) + "…"
  }
}
