import Bytes
public import NIOCore

/// A point in time and the zone it was written in.
public struct MailDate: Sendable, Hashable {
  /// Seconds since 1970-01-01T00:00:00Z.
  public var seconds: Int64
  /// Minutes east of UTC.
  public var zoneMinutes: Int

  public init(seconds: Int64, zoneMinutes: Int = 0) {
    self.seconds = seconds
    self.zoneMinutes = zoneMinutes
  }

  /// Days since 1970-01-01 of the date as written, in its own zone (RFC 9051 §6.4.4, SENTON disregards time and zone).
  public var day: Int32 {
    let local = seconds + Int64(zoneMinutes) * 60
    return Int32(clamping: local >= 0 ? local / 86_400 : (local - 86_399) / 86_400)
  }
}

/// Dates as mail writes them.
public enum DateParser {
  // MARK: RFC 5322

  /// A `date-time` of RFC 5322 §3.3 or its obsolete forms (§4.3: two- and three-digit years, named zones, comments,
  /// missing seconds). Also the form of C's asctime. A missing or unknown zone counts as -0000. Nil when there is no date.
  public static func messageDate(_ bytes: RawSpan, in value: Range<Int>) -> MailDate? {
    var reader = MessageDateReader(bytes, value)
    return reader.read()
  }

  // MARK: IMAP

  /// `17-Jul-1996 02:44:25 -0700` (RFC 9051 §9 date-time, without the quotes; a leading blank in the day is allowed).
  public static func imapDateTime(_ bytes: RawSpan) -> MailDate? {
    guard bytes.byteCount == 26 else { return nil }
    guard let days = imapDate(bytes.extracting(0..<11), fixedWidth: true), bytes.at(11) == .space,
      let hour = number(bytes, 12, 2), bytes.at(14) == 0x3A, let minute = number(bytes, 15, 2), bytes.at(17) == 0x3A,
      let second = number(bytes, 18, 2), bytes.at(20) == .space, hour < 24, minute < 60, second < 61,
      bytes.at(21) == 0x2B || bytes.at(21) == 0x2D, let zoneHour = number(bytes, 22, 2),
      let zoneMinute = number(bytes, 24, 2), zoneMinute < 60
    else { return nil }
    let zone = (zoneHour * 60 + zoneMinute) * (bytes.at(21) == 0x2D ? -1 : 1)
    let local = Int64(days) * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
    return MailDate(seconds: local - Int64(zone) * 60, zoneMinutes: zone)
  }

  /// `17-Jul-1996` or `7-Jul-1996` (RFC 9051 §9 date-text) as days since 1970-01-01.
  public static func imapDate(_ bytes: RawSpan) -> Int32? { imapDate(bytes, fixedWidth: false) }

  private static func imapDate(_ bytes: RawSpan, fixedWidth: Bool) -> Int32? {
    guard let dash = bytes.firstIndex(of: 0x2D, from: 0, to: bytes.byteCount), bytes.byteCount == dash + 9 else {
      return nil
    }
    let day: Int?
    switch dash {
    case 1 where !fixedWidth: day = number(bytes, 0, 1)
    case 2 where fixedWidth && bytes.at(0) == .space: day = number(bytes, 1, 1)
    case 2: day = number(bytes, 0, 2)
    default: day = nil
    }
    guard let day, let month = CalendarDate.month(bytes, dash + 1..<dash + 4), bytes.at(dash + 4) == 0x2D,
      let year = number(bytes, dash + 5, 4), day >= 1, day <= CalendarDate.daysInMonth(year: year, month: month)
    else { return nil }
    return Int32(CalendarDate.days(year: year, month: month, day: day))
  }

  /// Exactly `count` digits.
  private static func number(_ bytes: RawSpan, _ start: Int, _ count: Int) -> Int? {
    guard start + count <= bytes.byteCount else { return nil }
    var value = 0
    for offset in start..<start + count {
      guard bytes.at(offset).isASCIIDigit else { return nil }
      value = value * 10 + Int(bytes.at(offset) - 0x30)
    }
    return value
  }

  // MARK: Printing

  /// `17-Jul-1996 02:44:25 -0700`, without quotes; a day below 10 has a blank before it (RFC 9051 §9 date-day-fixed).
  public static func writeIMAPDateTime(_ date: MailDate, into buffer: inout ByteBuffer) {
    let parts = Parts(date)
    parts.writeNumber(parts.day, 2, pad: .space, into: &buffer)
    buffer.writeStaticString("-")
    parts.writeMonth(into: &buffer)
    buffer.writeStaticString("-")
    parts.writeNumber(parts.year, 4, into: &buffer)
    parts.writeTimeAndZone(into: &buffer)
  }

  /// `17-Jul-1996`
  public static func writeIMAPDate(day: Int32, into buffer: inout ByteBuffer) {
    let parts = Parts(MailDate(seconds: Int64(day) * 86_400))
    buffer.writeDecimal(parts.day)
    buffer.writeStaticString("-")
    parts.writeMonth(into: &buffer)
    buffer.writeStaticString("-")
    parts.writeNumber(parts.year, 4, into: &buffer)
  }

  /// `Wed, 17 Jul 1996 02:44:25 -0700` (RFC 5322 §3.3)
  public static func writeMessageDate(_ date: MailDate, into buffer: inout ByteBuffer) {
    let parts = Parts(date)
    buffer.writeStaticString(CalendarDate.weekdays[((Int(date.day) % 7) + 7) % 7])
    buffer.writeStaticString(", ")
    buffer.writeDecimal(parts.day)
    buffer.writeStaticString(" ")
    parts.writeMonth(into: &buffer)
    buffer.writeStaticString(" ")
    parts.writeNumber(parts.year, 4, into: &buffer)
    parts.writeTimeAndZone(into: &buffer)
  }

  private struct Parts {
    let year: Int
    let month: Int
    let day: Int
    let secondOfDay: Int
    let zone: Int

    init(_ date: MailDate) {
      // What four-digit years and zones can say.
      let zone = min(max(date.zoneMinutes, -5_999), 5_999)
      let seconds = min(max(date.seconds, -62_135_500_000), 253_402_200_000)
      let clamped = MailDate(seconds: seconds, zoneMinutes: zone)
      (year, month, day) = CalendarDate.date(days: Int(clamped.day))
      secondOfDay = Int(seconds + Int64(zone) * 60 - Int64(clamped.day) * 86_400)
      self.zone = zone
    }

    func writeNumber(_ value: Int, _ width: Int, pad: UInt8 = 0x30, into buffer: inout ByteBuffer) {
      var threshold = 10
      var digits = 1
      while digits < width {
        if value < threshold { buffer.writeInteger(pad) }
        threshold *= 10
        digits += 1
      }
      buffer.writeDecimal(value)
    }

    func writeMonth(into buffer: inout ByteBuffer) {
      let name = CalendarDate.months[month - 1]
      buffer.writeInteger(name.utf8Start[0].asciiUppercased)
      buffer.writeInteger(name.utf8Start[1])
      buffer.writeInteger(name.utf8Start[2])
    }

    func writeTimeAndZone(into buffer: inout ByteBuffer) {
      buffer.writeStaticString(" ")
      writeNumber(secondOfDay / 3_600, 2, into: &buffer)
      buffer.writeStaticString(":")
      writeNumber(secondOfDay / 60 % 60, 2, into: &buffer)
      buffer.writeStaticString(":")
      writeNumber(secondOfDay % 60, 2, into: &buffer)
      buffer.writeString(zone < 0 ? " -" : " +")
      writeNumber(abs(zone) / 60, 2, into: &buffer)
      writeNumber(abs(zone) % 60, 2, into: &buffer)
    }
  }
}
