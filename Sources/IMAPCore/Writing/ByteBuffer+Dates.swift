public import Bytes
public import NIOCore

/// The proleptic Gregorian calendar in whole days since 1970-01-01.
public enum CivilDate {
  /// Year, month 1–12, day 1–31 of a day number.
  @inlinable
  public static func date(ofDay number: Int) -> (year: Int, month: Int, day: Int) {
    // Years begin in March here, so that the leap day is the last of its year; eras are 400 years of 146,097 days.
    let shifted = number + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
  }

  /// The day number of a date; nil if there is no such day.
  @inlinable
  public static func day(year: Int, month: Int, day: Int) -> Int? {
    guard month >= 1, month <= 12, day >= 1, year >= 0, year <= 9999 else { return nil }
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let number = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    let back = date(ofDay: number)
    guard back.day == day, back.month == month else { return nil }
    return number
  }

  @usableFromInline static let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
}

extension ByteBuffer {
  @inlinable
  mutating func writeMonth(_ month: Int) {
    let start = CivilDate.months.utf8Start + (month - 1) * 3
    writeBytes(UnsafeRawBufferPointer(start: start, count: 3))
  }

  /// `" 7-Feb-1994 22:43:04 -0800"`, quotes included (RFC 9051 §9, date-time). Years outside 0–9999 are clipped.
  @inlinable
  public mutating func writeDateTime(_ date: IMAPDateTime) {
    let (civil, time, zone) = date.local
    writeInteger(UInt8.quote)
    if civil.day < 10 { writeSpace() }
    writeDecimal(civil.day)
    writeInteger(UInt8(ascii: "-"))
    writeMonth(civil.month)
    writeInteger(UInt8(ascii: "-"))
    writeDecimal(civil.year, width: 4)
    writeSpace()
    writeDecimal(time / 3600, width: 2)
    writeInteger(UInt8(ascii: ":"))
    writeDecimal(time / 60 % 60, width: 2)
    writeInteger(UInt8(ascii: ":"))
    writeDecimal(time % 60, width: 2)
    writeSpace()
    writeInteger(zone < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
    writeDecimal(abs(zone) / 60, width: 2)
    writeDecimal(abs(zone) % 60, width: 2)
    writeInteger(UInt8.quote)
  }

  /// `1-Feb-1994` (RFC 9051 §9, date-text).
  public mutating func writeDay(_ day: IMAPDay) {
    let civil = CivilDate.date(ofDay: Int(day.number))
    writeDecimal(civil.day)
    writeInteger(UInt8(ascii: "-"))
    writeMonth(civil.month)
    writeInteger(UInt8(ascii: "-"))
    writeDecimal(civil.year, width: 4)
  }
}
