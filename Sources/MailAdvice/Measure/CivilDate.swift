/// Years of the proleptic Gregorian calendar in UTC, for sorting mail by age.
enum CivilDate {
  /// Messages from before are taken as undated: 1980-01-01.
  static let earliest: Int64 = 315_532_800

  static func year(ofSeconds seconds: Int64) -> Int {
    let date = self.date(ofSeconds: seconds)
    return date.year
  }

  static func date(ofSeconds seconds: Int64) -> (year: Int, month: Int, day: Int) {
    // Days since 0000-03-01: with years that begin in March, the leap day is the last of its year.
    let days = Int((seconds >= 0 ? seconds : seconds - 86_399) / 86_400) + 719_468
    let era = (days >= 0 ? days : days - 146_096) / 146_097
    let dayOfEra = days - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    return (era * 400 + yearOfEra + (month >= 10 ? 1 : 0), month < 10 ? month + 3 : month - 9, day)
  }

  /// `2026-11-25`
  static func text(ofSeconds seconds: Int64) -> String {
    let (year, month, day) = date(ofSeconds: seconds)
    return "\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
  }
}
