import MailFormat
import NIOCore
import Testing

@Suite struct DateTests {
  private func read(_ text: String) -> MailDate? {
    let bytes = Array(text.utf8)
    return DateParser.messageDate(bytes.span.bytes, in: 0..<bytes.count)
  }

  @Test(arguments: [
    ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", 837_595_405, -420),
    ("17 Jul 96 02:23 PDT", 837_595_380, -420),
    ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880_127_706, -360),
    ("Thu,\r\n 1 Jan 1970\r\n 00:00:00 +0000", 0, 0),
    ("Mon, 1 Jan 101 00:00:00 GMT", 978_307_200, 0),
    ("1 Jan 2001 00:00:00 Z", 978_307_200, 0),
    ("Tue Oct  8 20:21:08 2002", 1_034_108_468, 0),
    ("08-Oct-2002 20:21:08 +0200", 1_034_101_268, 120),
    ("2002-10-08T20:21:08 +02:00", 1_034_101_268, 120),
    ("Tue, 8 Oct 2002 08:21:08 PM -0400", 1_034_122_868, -240),
    ("Sat, 29 Feb 2020 23:59:60 +0000", 1_583_020_800, 0),
    ("1 Jan 2001", 978_307_200, 0),
    ("1 Jan 2001 10:00:00", 978_343_200, 0),
  ]) func `Dates of messages are read`(text: String, seconds: Int64, zone: Int) {
    #expect(read(text) == MailDate(seconds: seconds, zoneMinutes: zone))
  }

  @Test(arguments: [
    "", "yesterday", "32 Jan 2001 00:00:00 +0000", "29 Feb 2001", "Jan 2001", "(1 Jan 2001)", "1 Jan 99999999999",
  ])
  func `What is no date is nil`(text: String) {
    #expect(read(text) == nil)
  }

  @Test func `The day is the one written, whatever the zone`() {
    #expect(read("1 Jan 1970 00:30:00 +0200")?.day == 0)
    #expect(read("31 Dec 1969 23:30:00 -0200")?.day == -1)
  }

  @Test func `IMAP dates are read and printed`() {
    for seconds in stride(from: Int64(-2_000_000_000), through: 4_000_000_000, by: 97_654_321) {
      for zone in [0, -420, 345, 840, -720] {
        let date = MailDate(seconds: seconds, zoneMinutes: zone)
        var buffer = ByteBuffer()
        DateParser.writeIMAPDateTime(date, into: &buffer)
        let bytes = Array(buffer: buffer)
        #expect(DateParser.imapDateTime(bytes.span.bytes) == date, "\(String(buffer: buffer))")
        buffer.clear()
        DateParser.writeMessageDate(date, into: &buffer)
        #expect(read(String(buffer: buffer)) == date, "\(String(buffer: buffer))")
        buffer.clear()
        DateParser.writeIMAPDate(day: date.day, into: &buffer)
        let day = Array(buffer: buffer)
        #expect(DateParser.imapDate(day.span.bytes) == date.day, "\(String(buffer: buffer))")
      }
    }
  }

  @Test func `The example of the RFC`() {
    let text = Array("17-Jul-1996 02:44:25 -0700".utf8)
    #expect(DateParser.imapDateTime(text.span.bytes) == MailDate(seconds: 837_596_665, zoneMinutes: -420))
    var buffer = ByteBuffer()
    DateParser.writeIMAPDateTime(MailDate(seconds: 0, zoneMinutes: 0), into: &buffer)
    #expect(String(buffer: buffer) == " 1-Jan-1970 00:00:00 +0000")
    buffer.clear()
    DateParser.writeMessageDate(MailDate(seconds: 837_596_665, zoneMinutes: -420), into: &buffer)
    #expect(String(buffer: buffer) == "Wed, 17 Jul 1996 02:44:25 -0700")
  }

  @Test(arguments: [
    "17-Jul-1996 02:44:25 -070", "17-Jul-1996 24:44:25 -0700", "31-Feb-1996 02:44:25 -0700",
    "17-Jux-1996 02:44:25 -0700",
    "17-Jul-1996 02:44:25 00700", "7-Jul-1996 02:44:25 -0700", "17-Jul-1996T02:44:25 -0700", "",
  ]) func `Wrong IMAP date-times are nil`(text: String) {
    let bytes = Array(text.utf8)
    #expect(DateParser.imapDateTime(bytes.span.bytes) == nil)
  }

  @Test(arguments: ["1-Jan-96", "0-Jan-1996", "1-1-1996", "1-Jan-1996 ", "-Jan-1996", "001-Jan-1996", ""])
  func `Wrong IMAP dates are nil`(text: String) {
    let bytes = Array(text.utf8)
    #expect(DateParser.imapDate(bytes.span.bytes) == nil)
  }
}
