import Bytes

/// Reads the words of a Date field in whatever order broken programs write them; RFC 5322 order is the common case.
struct MessageDateReader: ~Escapable {
  private var reader: FieldReader
  private var day: Int?
  private var month: Int?
  private var year: Int?
  private var time: Int?
  private var zone: Int?

  @_lifetime(copy span)
  init(_ span: RawSpan, _ range: Range<Int>) {
    reader = FieldReader(span, range)
  }

  @_lifetime(self: copy self)
  mutating func read() -> MailDate? {
    while !reader.isAtEnd, zone == nil || year == nil {
      reader.skipCFWS()
      guard let byte = reader.peek else { break }
      if byte.isASCIIDigit {
        number()
      } else if byte.isASCIILetter {
        word()
      } else if (byte == 0x2B || byte == 0x2D) && time != nil {
        numericZone()
      } else {
        reader.position += 1
      }
    }
    guard let day, let month, let year, day >= 1, day <= CalendarDate.daysInMonth(year: year, month: month) else {
      return nil
    }
    // RFC 5322 §4.3: an unknown zone counts as -0000.
    let minutes = zone ?? 0
    let local = Int64(CalendarDate.days(year: year, month: month, day: day)) * 86_400 + Int64(time ?? 0)
    return MailDate(seconds: local - Int64(minutes) * 60, zoneMinutes: minutes)
  }

  /// Digits: a time when a colon follows, else day or year.
  @_lifetime(self: copy self)
  private mutating func number() {
    let (value, digits) = takeDigits()
    guard let value else { return }
    if time == nil {
      // RFC 5322 §4.3: comments and blanks may stand around the colons.
      reader.skipCFWS()
      if reader.peek == 0x3A { return clock(hour: value) }
    }
    if day == nil, digits <= 2 {
      day = value
    } else if day == nil, year == nil, digits == 4, month == nil {
      isoDate(year: value)
    } else if year == nil, month != nil {
      // RFC 5322 §4.3: two digits mean 1950-2049, three are added to 1900.
      switch digits {
      case 1, 2: year = value + (value < 50 ? 2_000 : 1_900)
      case 3: year = value + 1_900
      default: year = (1...9_999).contains(value) ? value : nil
      }
    }
  }

  /// `2002-10-08`, as some programs write.
  @_lifetime(self: copy self)
  private mutating func isoDate(year: Int) {
    guard reader.take(0x2D), let month = takeDigits().value, (1...12).contains(month), reader.take(0x2D),
      let day = takeDigits().value
    else { return }
    self.year = year
    self.month = month
    self.day = day
    if reader.peek.map({ $0 | 0x20 == 0x74 }) == true { reader.position += 1 }
  }

  @_lifetime(self: copy self)
  private mutating func clock(hour: Int) {
    var parts = [hour, 0, 0]
    for index in 1...2 {
      reader.skipCFWS()
      guard reader.peek == 0x3A else { break }
      reader.position += 1
      reader.skipCFWS()
      guard let value = takeDigits().value else { break }
      parts[index] = value
    }
    guard parts[0] < 24, parts[1] < 60, parts[2] < 61 else { return }
    time = parts[0] * 3_600 + parts[1] * 60 + parts[2]
  }

  /// A month, a zone, or something to pass over such as the weekday.
  @_lifetime(self: copy self)
  private mutating func word() {
    let start = reader.position
    while let byte = reader.peek, byte.isASCIILetter { reader.position += 1 }
    let word = start..<reader.position
    if month == nil, let found = CalendarDate.month(reader.span, word) {
      month = found
    } else if let clock = time, zone == nil, reader.span.equals("pm", in: word) || reader.span.equals("am", in: word) {
      // Twelve-hour clocks occur, though RFC 5322 knows none.
      let isAfternoon = reader.span.at(start) | 0x20 == 0x70
      if isAfternoon, clock < 43_200 { time = clock + 43_200 }
      if !isAfternoon, clock >= 43_200 { time = clock - 43_200 }
    } else if time != nil, zone == nil, let minutes = Self.namedZone(reader.span, word) {
      zone = minutes
      // `GMT+0100`: the digits say more than the name.
      if minutes == 0, reader.peek == 0x2B || reader.peek == 0x2D { numericZone() }
    }
    // `08-Oct-2002`
    if reader.peek == 0x2D, time == nil { reader.position += 1 }
  }

  @_lifetime(self: copy self)
  private mutating func numericZone() {
    let isWest = reader.peek == 0x2D
    reader.position += 1
    let start = reader.position
    guard let value = takeDigits().value else { return }
    var minutes = value / 100 * 60 + value % 100
    if reader.position - start <= 2 {
      minutes = value * 60
      if reader.take(0x3A) { minutes += takeDigits().value ?? 0 }
    } else if reader.position - start > 4 {
      return
    }
    guard minutes < 6_000 else { return }
    zone = isWest ? -minutes : minutes
  }

  @_lifetime(self: copy self)
  private mutating func takeDigits() -> (value: Int?, digits: Int) {
    let start = reader.position
    var value = 0
    while let byte = reader.peek, byte.isASCIIDigit {
      if reader.position - start < 9 { value = value * 10 + Int(byte - 0x30) }
      reader.position += 1
    }
    let digits = reader.position - start
    return (digits > 0 && digits <= 9 ? value : nil, digits)
  }

  /// RFC 5322 §4.3: the North American zones and UT have the meaning of old, single letters count as -0000.
  private static func namedZone(_ bytes: RawSpan, _ word: Range<Int>) -> Int? {
    if word.count == 1 { return 0 }
    let zones: [(StaticString, Int)] = [
      ("ut", 0), ("gmt", 0), ("utc", 0), ("est", -300), ("edt", -240), ("cst", -360), ("cdt", -300), ("mst", -420),
      ("mdt", -360), ("pst", -480), ("pdt", -420),
    ]
    return zones.first { bytes.equals($0.0, in: word) }?.1
  }
}
