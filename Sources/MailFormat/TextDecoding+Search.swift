import Bytes

/// The text of a part for those who only look at it: nothing is copied that need not be.
extension TextDecoding {
  /// Calls with the text that `decodedText` gives; with `asciiOnly` other characters than ASCII may be left in the part's own
  /// character set, as octets above 0x7F.
  /// - early: is shown the text before its character set is converted, if ASCII stands in it as it does in the text; what it
  ///   returns is the result. Nil: the text has to be read.
  public static func withText<Result>(
    of part: Part, in bytes: RawSpan, asciiOnly: Bool, early: (RawSpan) -> Result? = { _ in nil },
    _ body: (RawSpan) -> Result
  ) -> Result {
    let raw = bytes.extracting(bytes.clamped(part.bodyRange))
    let charset = part.charset.map(Charset.init) ?? .guess
    switch part.encoding {
    case .sevenBit, .eightBit, .binary, .other: return withText(raw, charset, asciiOnly, early, body)
    case .quotedPrintable:
      let decoded = TransferDecoding.quotedPrintable(raw)
      return withText(decoded.span.bytes, charset, asciiOnly, early, body)
    case .base64:
      let decoded = TransferDecoding.base64(raw, limit: .max)
      return withText(decoded.span.bytes, charset, asciiOnly, early, body)
    case .uuencode:
      let decoded = TransferDecoding.uuencode(raw, limit: .max)
      return withText(decoded.span.bytes, charset, asciiOnly, early, body)
    }
  }

  private static func withText<Result>(
    _ decoded: RawSpan, _ charset: Charset, _ asciiOnly: Bool, _ early: (RawSpan) -> Result?,
    _ body: (RawSpan) -> Result
  ) -> Result {
    if charset.keepsASCII {
      if asciiOnly || UTF8Repair.asciiPrefix(decoded, from: 0) == decoded.byteCount { return body(decoded) }
      if let result = early(decoded) { return result }
    }
    var converter = TextConverter()
    var output: [UInt8] = []
    output.reserveCapacity(decoded.byteCount)
    converter.convertAlways(decoded, from: charset, into: &output)
    return body(output.span.bytes)
  }
}

extension Charset {
  /// Octets below 0x80 are ASCII wherever they stand, and no others become ASCII.
  var keepsASCII: Bool {
    switch self {
    case .utf8, .guess, .windows1252, .invalid: return true
    case .iconv(let name):
      // One octet a character. Not those of which iconv composes letters (CP1255, CP1258).
      let lower = name.lowercased()
      if let family = ["iso-8859-", "koi8-"].first(where: { lower.hasPrefix($0) }) {
        return lower.dropFirst(family.count).utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit }
      }
      return ["cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1256", "cp1257"].contains(lower)
    }
  }
}

extension TransferDecoding {
  /// All decoded octets: the same as `quotedPrintable(_:limit:)` without a limit, by lines instead of octets.
  static func quotedPrintable(_ bytes: RawSpan) -> [UInt8] {
    let end = bytes.byteCount
    return [UInt8](unsafeUninitializedCapacity: end) { output, written in
      var offset = 0
      // Where the next line feed is; nil: there is none.
      var lineFeed = bytes.firstIndex(of: .lf, from: 0, to: end)
      func copy(_ range: Range<Int>) {
        bytes.extracting(range).withUnsafeBytes { raw in
          UnsafeMutableRawBufferPointer(output).baseAddress.map { target in
            (target + written).copyMemory(from: raw.baseAddress ?? UnsafeRawPointer(target), byteCount: raw.count)
          }
        }
        written += range.count
      }
      while offset < end {
        if let known = lineFeed, known < offset { lineFeed = bytes.firstIndex(of: .lf, from: offset, to: end) }
        let lineEnd = lineFeed ?? end
        if let escape = bytes.firstIndex(of: 0x3D, from: offset, to: lineEnd) {
          copy(offset..<escape)
          offset = escape + 1
          quotedPrintableEscape(bytes, &offset) { byte in
            output[written] = byte
            written += 1
          }
          continue
        }
        guard lineEnd < end else {
          copy(offset..<end)
          break
        }
        // RFC 2045 §6.7 (3): blanks at the end of a line were added on the way.
        let breakStart = lineEnd > offset && bytes.at(lineEnd - 1) == .cr ? lineEnd - 1 : lineEnd
        var textEnd = breakStart
        while textEnd > offset, bytes.at(textEnd - 1).isBlank { textEnd -= 1 }
        copy(offset..<textEnd)
        copy(breakStart..<lineEnd + 1)
        offset = lineEnd + 1
      }
    }
  }
}
