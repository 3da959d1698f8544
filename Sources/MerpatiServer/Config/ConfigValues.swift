/// Reading and printing of sizes and durations as people write them.
public enum ConfigValues {
  /// `1G`, `500M`, `10K`, `123`, with an optional trailing `B` or `iB`; powers of 1024. Nil: not a size.
  public static func octets(_ text: String) -> Int64? {
    var digits = Substring(text.uppercased())
    if digits.hasSuffix("IB") { digits.removeLast(2) } else if digits.hasSuffix("B") { digits.removeLast() }
    var factor: Int64 = 1
    if let last = digits.last, let power = "KMGT".firstIndex(of: last) {
      let exponent = "KMGT".distance(from: "KMGT".startIndex, to: power) + 1
      for _ in 0..<exponent { factor *= 1024 }
      digits.removeLast()
    }
    guard !digits.isEmpty, digits.allSatisfy(\.isASCIIDecimalDigit), let number = Int64(digits) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }

  /// Seconds: `90`, `90s`, `30m`, `12h`, `7d`. Nil: not a duration.
  public static func seconds(_ text: String) -> Int? {
    guard let last = text.last else { return nil }
    let factors: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
    let factor = factors[last]
    let digits = factor == nil ? Substring(text) : text.dropLast()
    guard !digits.isEmpty, digits.allSatisfy(\.isASCIIDecimalDigit), let number = Int(digits) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor ?? 1)
    return overflow ? nil : product
  }

  public static func flag(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "true", "yes", "on", "1": true
    case "false", "no", "off", "0": false
    default: nil
    }
  }

  /// `1536` → `1.5 KiB`
  public static func readable(octets: Int64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(octets)
    var unit = 0
    while value >= 1024, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    guard unit > 0 else { return "\(octets) B" }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }
}

extension Character {
  var isASCIIDecimalDigit: Bool { ("0"..."9").contains(self) }
}
