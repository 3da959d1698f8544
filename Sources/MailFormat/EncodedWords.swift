import Bytes

/// RFC 2047 encoded words in header values.
struct EncodedWords: ~Copyable {
  private var output: [UInt8] = []
  /// Decoded bytes of adjacent words in one character set: a character may be cut between words.
  private var pending: [UInt8] = []
  private var pendingCharset: Range<Int>?

  private init() {}

  /// `bytes` unfolded, with encoded words decoded, as UTF-8.
  static func decode(_ bytes: RawSpan, _ converter: inout TextConverter) -> [UInt8] {
    var words = EncodedWords()
    words.output.reserveCapacity(bytes.byteCount)
    words.run(bytes, &converter)
    return words.output
  }

  private mutating func run(_ bytes: RawSpan, _ converter: inout TextConverter) {
    let count = bytes.byteCount
    var position = 0
    var plainStart = 0
    while let mark = bytes.firstIndex(of: 0x3D, from: position, to: count) {
      position = mark + 1
      guard bytes.peek(position) == 0x3F, let word = Word(bytes, at: mark) else { continue }
      let gap = plainStart..<mark
      // RFC 2047 §6.2: blanks between adjacent encoded words are not shown.
      let isAdjacent = pendingCharset != nil && bytes.trimmed(gap).isEmpty
      if !isAdjacent {
        flush(bytes, &converter)
        plain(bytes, gap, &converter)
      } else if let charset = pendingCharset, !bytes.sameIgnoringCase(charset, word.charset) {
        flush(bytes, &converter)
      }
      pendingCharset = word.charset
      word.decode(bytes, into: &pending)
      position = word.end
      plainStart = word.end
    }
    flush(bytes, &converter)
    plain(bytes, plainStart..<count, &converter)
  }

  private mutating func flush(_ bytes: RawSpan, _ converter: inout TextConverter) {
    guard let charset = pendingCharset else { return }
    let start = output.count
    let text = pending
    converter.convertAlways(text.span.bytes, from: Charset(bytes.string(charset)), into: &output)
    // RFC 2047 §6.2 gives no leave to break lines.
    for index in start..<output.count {
      let byte = output[index]
      if byte == .cr || byte == .lf { output[index] = .space }
    }
    pending.removeAll(keepingCapacity: true)
    pendingCharset = nil
  }

  private mutating func plain(_ bytes: RawSpan, _ range: Range<Int>, _ converter: inout TextConverter) {
    guard !range.isEmpty else { return }
    let hasLineEnd =
      bytes.firstIndex(of: .lf, from: range.lowerBound, to: range.upperBound) != nil
      || bytes.firstIndex(of: .cr, from: range.lowerBound, to: range.upperBound) != nil
    if hasLineEnd {
      UTF8Repair.appendGuessing(HeaderFields.unfolded(bytes, range).span.bytes, to: &output)
    } else {
      UTF8Repair.appendGuessing(bytes.extracting(range), to: &output)
    }
  }

  /// `=?charset?encoding?text?=`
  private struct Word {
    let charset: Range<Int>
    let isBase64: Bool
    let text: Range<Int>
    let end: Int

    /// Nil when no encoded word begins at `mark`. Looks no farther than the second question mark behind the encoding, so
    /// that scanning for words costs linear time.
    init?(_ bytes: RawSpan, at mark: Int) {
      let start = mark + 2
      let limit = min(bytes.byteCount, start + 64)
      guard start < limit, let first = bytes.firstIndex(of: 0x3F, from: start, to: limit), first > start,
        let encoding = bytes.peek(first + 1), bytes.peek(first + 2) == 0x3F
      else { return nil }
      switch encoding {
      case 0x42, 0x62: isBase64 = true
      case 0x51, 0x71: isBase64 = false
      default: return nil
      }
      let textStart = first + 3
      guard textStart <= bytes.byteCount,
        var textEnd = bytes.firstIndex(of: 0x3F, from: textStart, to: bytes.byteCount)
      else { return nil }
      // Some programs leave question marks in Q text; the closing mark is `?=` that no `=?` precedes nearby.
      var extra = 0
      while bytes.peek(textEnd + 1) != 0x3D, !isBase64, extra < 8, bytes.peek(textEnd - 1) != 0x3D,
        let next = bytes.firstIndex(of: 0x3F, from: textEnd + 1, to: min(bytes.byteCount, textEnd + 80))
      {
        textEnd = next
        extra += 1
      }
      guard bytes.peek(textEnd + 1) == 0x3D else { return nil }
      charset = start..<first
      text = textStart..<textEnd
      end = textEnd + 2
    }

    func decode(_ bytes: RawSpan, into output: inout [UInt8]) {
      if isBase64 {
        output.append(contentsOf: TransferDecoding.base64(bytes.extracting(text), limit: .max))
        return
      }
      // RFC 2047 §4.2
      var offset = text.lowerBound
      while offset < text.upperBound {
        let byte = bytes.at(offset)
        offset += 1
        if byte == 0x3D, offset + 1 < text.upperBound, let high = bytes.at(offset).hexDigit,
          let low = bytes.at(offset + 1).hexDigit
        {
          output.append(high << 4 | low)
          offset += 2
        } else if byte == 0x5F {
          output.append(.space)
        } else if byte != .cr, byte != .lf {
          output.append(byte)
        }
      }
    }
  }
}

extension RawSpan {
  /// Whether two ranges hold the same bytes, ASCII letters compared without case.
  func sameIgnoringCase(_ first: Range<Int>, _ second: Range<Int>) -> Bool {
    guard first.count == second.count else { return false }
    for offset in 0..<first.count
    where at(first.lowerBound + offset).asciiLowercased != at(second.lowerBound + offset).asciiLowercased {
      return false
    }
    return true
  }
}
