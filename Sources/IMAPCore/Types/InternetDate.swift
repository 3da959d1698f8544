import Bytes

/// date-time of RFC 3339 §5.6, as IMAP URLs carry it.
enum InternetDate {
  /// Seconds since 1970; fractions are dropped. Nil: there is no such date.
  static func parse(_ cursor: inout ByteCursor) -> Int64? {
    guard let year = digits(4, &cursor), cursor.take(UInt8(ascii: "-")), let month = digits(2, &cursor),
      cursor.take(UInt8(ascii: "-")), let day = digits(2, &cursor), cursor.takeIgnoringCase("T"),
      let hour = digits(2, &cursor), cursor.take(UInt8(ascii: ":")), let minute = digits(2, &cursor),
      cursor.take(UInt8(ascii: ":")), let second = digits(2, &cursor), (1...12).contains(month), hour < 24, minute < 60,
      second <= 60, let number = CivilDate.day(year: year, month: month, day: day)
    else { return nil }
    if cursor.take(UInt8(ascii: ".")) {
      guard cursor.skip(while: \.isASCIIDigit) > 0 else { return nil }
    }
    var seconds = Int64(number) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    if cursor.takeIgnoringCase("Z") { return seconds }
    let isWest = cursor.take(UInt8(ascii: "-"))
    guard isWest || cursor.take(UInt8(ascii: "+")), let hours = digits(2, &cursor), cursor.take(UInt8(ascii: ":")),
      let minutes = digits(2, &cursor), hours < 24, minutes < 60
    else { return nil }
    seconds += Int64(hours * 3600 + minutes * 60) * (isWest ? 1 : -1)
    return seconds
  }

  private static func digits(_ count: Int, _ cursor: inout ByteCursor) -> Int? {
    var value = 0
    for _ in 0..<count {
      guard let byte = cursor.peek, byte.isASCIIDigit else { return nil }
      value = value * 10 + Int(byte - 0x30)
      cursor.position += 1
    }
    return value
  }

  /// In UTC.
  static func string(_ seconds: Int64) -> String {
    let (civil, time, _) = IMAPDateTime(seconds: seconds).local
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let year = String(repeating: "0", count: max(0, 4 - "\(civil.year)".count)) + "\(civil.year)"
    return "\(year)-\(two(civil.month))-\(two(civil.day))T\(two(time / 3600)):\(two(time / 60 % 60)):\(two(time % 60))Z"
  }
}
