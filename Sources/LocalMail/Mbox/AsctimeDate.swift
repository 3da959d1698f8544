import Bytes

/// Dates as C's `asctime` writes them, in the From lines of mbox: `Thu Jan  1 00:00:00 1970`, taken as UTC.
enum AsctimeDate {
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

  /// - Parameter seconds: since 1970. Years stay within 1 and 9999.
  static func write(_ seconds: Int64) -> String {
    let bounded = min(max(seconds, -62_135_596_800), 253_402_300_799)
    let days = Int(bounded >= 0 ? bounded / 86_400 : (bounded - 86_399) / 86_400)
    let second = Int(bounded) - days * 86_400
    let (year, month, day) = date(days)
    let weekday = weekdays[((days % 7) + 7) % 7]
    let time = "\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
    let digits = String(year)
    return "\(weekday) \(months[month - 1]) \(day < 10 ? " " : "")\(day) \(time) "
      + String(repeating: "0", count: 4 - digits.utf8.count) + digits
  }

  /// Reads words such as `Thu Jan 1 00:00 MET 1970 +0100`: the day of the week, seconds and zone may be missing. Nil if
  /// there is no month, day, time and year among them.
  static func read(_ words: some Sequence<Substring>) -> Int64? {
    var month: Int?
    var day: Int?
    var time: Int?
    var year: Int?
    var zone = 0
    for word in words {
      if month == nil, let index = months.firstIndex(where: { $0.equalsIgnoringASCIICase(word) }) {
        month = index + 1
      } else if time == nil, word.utf8.contains(.colon) {
        guard let read = clock(word) else { return nil }
        time = read
      } else if let number = Int(word), word.utf8.allSatisfy(\.isDigit) {
        if day == nil, time == nil, number >= 1, number <= 31 { day = number } else if year == nil { year = number }
      } else if let read = self.zone(word) {
        zone = read
      }
    }
    guard let month, let day, let time, let year, year >= 1, year <= 9999 else { return nil }
    return Int64(days(year, month, day) * 86_400 + time - zone)
  }

  private static func clock(_ word: Substring) -> Int? {
    let parts = word.split(separator: ":").map { Int($0) }
    guard parts.count >= 2, parts.count <= 3, let hour = parts[0], let minute = parts[1], let second = parts.last ?? 0,
      (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
    else { return nil }
    return hour * 3600 + minute * 60 + (parts.count == 3 ? second : 0)
  }

  /// `+0100`; seconds east.
  private static func zone(_ word: Substring) -> Int? {
    guard word.utf8.count == 5, let sign = word.utf8.first, sign == 0x2B || sign == 0x2D,
      word.utf8.dropFirst().allSatisfy(\.isDigit), let number = Int(word.dropFirst())
    else { return nil }
    let seconds = (number / 100 * 60 + number % 100) * 60
    return sign == 0x2D ? -seconds : seconds
  }

  private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

  /// Days since 1970, by years that begin in March, so that the leap day is the last.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month > 2 ? year : year - 1
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let march = (5 * dayOfYear + 2) / 153
    let month = march < 10 ? march + 3 : march - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
  }
}
