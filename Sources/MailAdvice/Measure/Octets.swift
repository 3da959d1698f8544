/// Sizes come from servers, which may say anything: sums stop at the ends of `Int64`, and no figure becomes NaN.
extension Int64 {
  func adding(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? .min : .max) : sum
  }

  func subtracting(_ other: Int64) -> Int64 {
    let (difference, overflow) = subtractingReportingOverflow(other)
    return overflow ? (other < 0 ? .max : .min) : difference
  }

  /// Not below 0, not beyond `max`; NaN is 0. Rounded to the nearest.
  init(octets value: Double) {
    guard value > 0 else {
      self = 0
      return
    }
    self = value >= 9.2e18 ? .max : Int64(value.rounded())
  }
}

extension Double {
  /// A figure for the report: finite, not below 0, with so many digits behind the point.
  func reported(digits: Int = 2) -> Double {
    guard isFinite else { return self > 0 ? 1e18 : 0 }
    guard self > 0 else { return 0 }
    var factor = 1.0
    for _ in 0..<digits { factor *= 10 }
    return self >= 1e12 ? rounded() : (self * factor).rounded() / factor
  }
}

extension Sequence where Element == Int64 {
  /// Stops at `Int64.max`.
  var total: Int64 { reduce(0) { $0.adding($1) } }
}
