import Bytes

/// The first words of a message (RFC 8970): of text/plain if there is any, else of text/html.
enum Preview {
  /// - step: see `MessageSummary.make`.
  static func make(
    _ index: MessageIndex, _ bytes: RawSpan, step: (() -> Void)?, _ converter: inout TextConverter
  ) -> String {
    var plain: [Part] = []
    var html: [Part] = []
    var visited = 0
    collect(index.root, bytes, &plain, &html) {
      visited += 1
      if visited % MIMELimits.stepParts == 0 { step?() }
    }
    for part in plain {
      let text = TextDecoding.text(of: part, in: bytes, maxBytes: MIMELimits.previewBytes / 4, &converter)
      var result = PreviewText()
      result.addPlain(text, skippingQuotes: true)
      if result.isEmpty { result.addPlain(text, skippingQuotes: false) }
      if !result.isEmpty { return result.string }
    }
    for part in html {
      let text = TextDecoding.text(of: part, in: bytes, maxBytes: MIMELimits.previewBytes, &converter)
      var result = PreviewText()
      result.addHTML(text)
      if !result.isEmpty { return result.string }
    }
    return ""
  }

  /// Text parts in order, attachments left out.
  private static func collect(
    _ part: Part, _ bytes: RawSpan, _ plain: inout [Part], _ html: inout [Part], visited: () -> Void
  ) {
    guard plain.count + html.count < MIMELimits.previewParts else { return }
    visited()
    let isAttachment = part.range(of: .disposition).map { bytes.hasWord("attachment", at: $0.lowerBound) } ?? false
    if part.isText, !isAttachment {
      if part.subtype == "html" { html.append(part) } else if part.subtype == "plain" { plain.append(part) }
    }
    for child in part.children { collect(child, bytes, &plain, &html, visited: visited) }
  }
}

/// Collects text with white space collapsed, up to the length of a preview.
struct PreviewText {
  private var output: [UInt8] = []
  private var scalars = 0
  private var needsSpace = false

  var isEmpty: Bool { output.isEmpty }
  var isFull: Bool { scalars >= MIMELimits.previewCharacters }
  var string: String { String(decoding: output, as: UTF8.self) }

  /// - skippingQuotes: leave out lines that begin with `>`, and what follows a signature mark (RFC 3676 §4.3).
  mutating func addPlain(_ text: [UInt8], skippingQuotes: Bool) {
    var start = 0
    while start < text.count, !isFull {
      let end = text[start...].firstIndex(of: .lf) ?? text.count
      let line = text[start..<end]
      if skippingQuotes {
        if line.elementsEqual([0x2D, 0x2D, 0x20]) || line.elementsEqual([0x2D, 0x2D, 0x20, 0x0D]) { return }
        if line.first != 0x3E { add(line) }
      } else {
        add(line)
      }
      needsSpace = true
      start = end + 1
    }
  }

  /// Appends bytes of UTF-8; white space and controls between words become one space.
  mutating func add(_ bytes: ArraySlice<UInt8>) {
    var index = bytes.startIndex
    while index < bytes.endIndex, !isFull {
      let byte = bytes[index]
      let isNoBreakSpace = byte == 0xC2 && index + 1 < bytes.endIndex && bytes[index + 1] == 0xA0
      if byte <= .space || byte == 0x7F || isNoBreakSpace {
        needsSpace = true
        index += isNoBreakSpace ? 2 : 1
        continue
      }
      if needsSpace, !output.isEmpty {
        output.append(.space)
        scalars += 1
        if isFull { return }
      }
      needsSpace = false
      // The bytes of one scalar stay together.
      var end = index + 1
      while end < bytes.endIndex, bytes[end] & 0xC0 == 0x80 { end += 1 }
      output.append(contentsOf: bytes[index..<end])
      scalars += 1
      index = end
    }
  }

  mutating func add(scalar: Unicode.Scalar) {
    var bytes: [UInt8] = []
    UTF8.encode(scalar) { bytes.append($0) }
    add(bytes[...])
  }

  mutating func breakWord() { needsSpace = true }
}
