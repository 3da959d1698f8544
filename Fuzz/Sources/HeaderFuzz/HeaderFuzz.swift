// The input is a header value, read as each of the things that a value can be. Invariants:
// - All of it can be read as anything.
// - Dates that the printers can say say the same when they are printed and read again.
// - No more addresses come out than were asked for, the end of a group apart.
// - Converted text is UTF-8.
import Bytes
import FuzzKit
import MailFormat
import NIOCore

func headerFuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  let value = given
  checkDates(value)

  let span = value.readableBytesSpan
  let addresses = Address.parse(span, in: 0..<count)
  let front = Address.parse(span, in: 0..<count, limit: 2)
  must(front.count <= 3 && addresses.count >= front.count, "more addresses than asked for")
  _ = TextDecoding.decodeHeader(span)
  _ = HeaderFields.decodedValue(span, 0..<count)
  HeaderFields.forEach(span, in: 0..<count) { name, value, whole in
    must(whole.lowerBound <= name.lowerBound && value.upperBound <= whole.upperBound, "a field lies outside itself")
    return true
  }

  var text = value
  let charset = String(buffer: text.takeField(upTo: UInt8(ascii: ":")))
  if let converted = TextDecoding.toUTF8(text.readableBytesSpan, charset: charset) {
    must(String(validating: converted.readableBytesView, as: UTF8.self) != nil, "converted text is not UTF-8")
    must(TextDecoding.isKnown(charset: charset), "a character set is known only sometimes")
  }
}

/// What fits four digits of a year and of a zone.
private func canBePrinted(_ date: MailDate) -> Bool {
  (-62_135_500_000...253_402_200_000).contains(date.seconds) && (-5_999...5_999).contains(date.zoneMinutes)
}

private func checkDates(_ value: ByteBuffer) {
  let span = value.readableBytesSpan
  if let date = DateParser.imapDateTime(span), canBePrinted(date) {
    var printed = ByteBuffer()
    DateParser.writeIMAPDateTime(date, into: &printed)
    must(DateParser.imapDateTime(printed.readableBytesSpan) == date, "printed as \(String(buffer: printed))")
  }
  if let day = DateParser.imapDate(span), canBePrinted(MailDate(seconds: Int64(day) * 86_400)) {
    var printed = ByteBuffer()
    DateParser.writeIMAPDate(day: day, into: &printed)
    must(DateParser.imapDate(printed.readableBytesSpan) == day, "printed as \(String(buffer: printed))")
  }
  if let date = DateParser.messageDate(span, in: 0..<span.byteCount) {
    var printed = ByteBuffer()
    DateParser.writeMessageDate(date, into: &printed)
    guard canBePrinted(date) else { return }
    let again = DateParser.messageDate(printed.readableBytesSpan, in: 0..<printed.readableBytes)
    must(again?.seconds == date.seconds, "printed as \(String(buffer: printed))")
  }
}
