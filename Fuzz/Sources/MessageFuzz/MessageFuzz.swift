// The input is a message. Invariants:
// - Summary, index and texts can be made of any bytes.
// - Parts lie inside their parents, one behind the other, and count their lines.
// - The index says the same after `encoded` and `decode`, and sections lie where their parts do.
// - ENVELOPE, BODY and BODYSTRUCTURE are well-formed data of IMAP4rev1: one list, no 8-bit or line ends in quotes.
// - HEADER.FIELDS and HEADER.FIELDS.NOT share the header's fields between them.
// - Previews keep RFC 8970's bound; a limit on decoded bytes cuts and does not change what comes before it.
import Bytes
import FuzzKit
import MailFormat
import NIOCore

func messageFuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  let message = given
  let span = message.readableBytesSpan
  // Small limits for a quarter of the inputs, so that they are met at all.
  let limits = count % 4 == 3 ? MIMELimits(depth: 3, parts: 4, headerBytes: 64) : MIMELimits()
  let summary = MessageSummary.make(span, limits: limits)
  let index = summary.index

  must(index.size == count, "the index tells another size")
  must(MessageIndex.decode(index.encoded()) == index, "an index changes when it is kept")
  check(index.root, within: 0..<count, message)
  checkSections(of: index)
  checkFields(of: index, message)

  for (name, form) in [
    ("ENVELOPE", summary.envelope), ("BODY", summary.body), ("BODYSTRUCTURE", summary.bodyStructure),
  ] {
    must(WireForm.isOneList(form), "\(name) is not well formed: \(String(buffer: form))")
  }
  must(summary.preview.unicodeScalars.count <= 256, "the preview is too long")
  // What was not looked at whole has a mark of three octets in front.
  let mark = CommonHeaders.areWhole(summary.commonHeaders.readableBytesSpan) ? 0 : 3
  must(summary.commonHeaders.readableBytes <= index.headerLength + mark, "there are more common headers than headers")
}

private func check(_ part: Part, within bounds: Range<Int>, _ message: ByteBuffer) {
  must(part.headerStart >= bounds.lowerBound, "a part begins before its parent")
  must(part.headerRange.upperBound <= part.bodyStart, "a body begins inside its header")
  must(part.bodyEnd <= bounds.upperBound, "a part ends behind its parent")
  let body = message.getSlice(at: message.readerIndex + part.bodyStart, length: part.bodyRange.count) ?? ByteBuffer()
  must(body.readableBytes == part.bodyRange.count, "a part ends behind the message")
  let lines = body.readableBytesView.reduce(into: 0) { $0 += $1 == 0x0A ? 1 : 0 }
  must(part.lineCount == lines, "\(part.lineCount) lines were counted, there are \(lines)")
  for field in ContentField.allCases {
    guard let range = part.range(of: field) else { continue }
    must(
      range.lowerBound >= part.headerStart && range.upperBound <= part.headerRange.upperBound,
      "a field lies outside its header")
  }
  if part.children.isEmpty {
    checkText(part, message)
  } else {
    must(part.isMessage != part.isMultipart, "a part with children is neither a message nor a multipart")
  }
  var start = part.bodyStart
  for child in part.children {
    check(child, within: start..<part.bodyEnd, message)
    start = child.bodyEnd
  }
}

private func checkText(_ part: Part, _ message: ByteBuffer) {
  let span = message.readableBytesSpan
  _ = part.parameters(in: span)
  _ = part.disposition(in: span)
  let text = TextDecoding.decodedText(of: part, in: span)
  must(String(validating: text.readableBytesView, as: UTF8.self) != nil, "decoded text is not UTF-8")
  guard let whole = TextDecoding.transferDecoded(part, in: span) else { return }
  guard let front = TextDecoding.transferDecoded(part, in: span, maxBytes: 20) else {
    return must(false, "a limit makes an encoding unknown")
  }
  must(front.readableBytes <= 20, "more was decoded than asked for")
  // Blanks at the end of a quoted-printable line go; whether they end it is not known where the limit cuts.
  var certain = front.readableBytesView[...]
  if part.encoding == .quotedPrintable {
    while certain.last == 0x20 || certain.last == 0x09 { certain.removeLast() }
  }
  must(whole.readableBytesView.starts(with: certain), "a limit changes what is decoded")
}

private func checkSections(of index: MessageIndex) {
  for number in 0...5 {
    for path in [[number], [number, 1], [1, number], [1, 1, number], [2, 1, number]] {
      let part = index.part(at: path)
      must(index.range(of: SectionPath(path)) == part?.bodyRange, "a section is not its part's body")
      must(index.range(of: SectionPath(path, .mime)) == part?.headerRange, "MIME is not its part's header")
      for kind in [SectionPath.Kind.header, .text] {
        guard let range = index.range(of: SectionPath(path, kind)), let part else { continue }
        must(
          range.lowerBound >= part.bodyStart && range.upperBound <= part.bodyEnd,
          "HEADER or TEXT lies outside the embedded message")
      }
    }
  }
}

private func checkFields(of index: MessageIndex, _ message: ByteBuffer) {
  let span = message.readableBytesSpan
  let header = index.root.headerRange
  var total = 0
  var position = header.lowerBound
  HeaderFields.forEach(span, in: header) { name, value, whole in
    must(whole.lowerBound == position && !whole.isEmpty, "fields do not lie one behind the other")
    must(name.upperBound <= value.lowerBound && name.lowerBound == whole.lowerBound, "a name is not before its value")
    must(value.upperBound <= whole.upperBound, "a value is longer than its field")
    position = whole.upperBound
    total += whole.count
    return true
  }
  must(position <= header.upperBound, "fields lie outside the header")
  let names = ["subject", "to", "content-type"].map { Array($0.utf8) }
  var with = ByteBuffer()
  var without = ByteBuffer()
  HeaderFields.write(fields: names, not: false, of: span, header: header, into: &with)
  HeaderFields.write(fields: names, not: true, of: span, header: header, into: &without)
  for (isNot, whole) in [(false, with), (true, without)] {
    var filter = HeaderFieldFilter(HeaderFieldNames(names), not: isNot)
    var pieces = ByteBuffer()
    let bytes = message.getSlice(at: message.readerIndex + header.lowerBound, length: header.count) ?? ByteBuffer()
    for piece in bytes.cut(seed: UInt64(header.count)) { filter.filter(piece.readableBytesSpan, into: &pieces) }
    filter.finish(into: &pieces)
    must(pieces == whole, "HEADER.FIELDS depends on how the header is cut")
  }
  let emptyLines = with.readableBytes + without.readableBytes - total
  must(emptyLines == 0 || emptyLines == 4, "HEADER.FIELDS and HEADER.FIELDS.NOT do not make up the header")
}
