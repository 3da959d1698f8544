import Bytes

/// Undoes a transfer encoding piece by piece. What comes out is what `TransferDecoding` makes of the whole, unless more
/// than `heldLimit` blanks stand in one run.
struct TransferStream {
  /// Blanks are held until it is known whether the line ends behind them; honest lines have 76 octets (RFC 2045 §6.7).
  static let heldLimit = 256 << 10

  private let encoding: TransferEncoding
  // Base64
  private var bits: UInt32 = 0
  private var count = 0
  /// Quoted-printable: what cannot be decided yet. Uuencode: the line begun.
  private var held: [UInt8] = []
  // Uuencode
  private var lineGoesOn = false
  private var state = UuencodeState.before
  private enum UuencodeState { case before, inside, behind }

  init(_ encoding: TransferEncoding) { self.encoding = encoding }

  /// - isLast: nothing comes behind these octets.
  mutating func decode(_ bytes: RawSpan, isLast: Bool, into output: inout [UInt8]) {
    switch encoding {
    case .base64: base64(bytes, isLast: isLast, into: &output)
    case .quotedPrintable:
      bytes.withUnsafeBytes { held.append(contentsOf: $0) }
      let used = Self.quotedPrintable(held.span.bytes, isLast: isLast, into: &output)
      held.removeFirst(used)
      if held.count > Self.heldLimit {
        output.append(contentsOf: held)
        held.removeAll()
      }
    case .uuencode: uuencode(bytes, isLast: isLast, into: &output)
    case .sevenBit, .eightBit, .binary, .other: bytes.withUnsafeBytes { output.append(contentsOf: $0) }
    }
  }

  // MARK: Base64 (RFC 2045 §6.8)

  private mutating func base64(_ bytes: RawSpan, isLast: Bool, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + bytes.byteCount / 4 * 3 + 6)
    for offset in 0..<bytes.byteCount {
      let value = Self.base64Table[Int(bytes.at(offset))]
      if value < 64 {
        bits = bits << 6 | UInt32(value)
        count += 1
        if count == 4 {
          output.append(UInt8(truncatingIfNeeded: bits >> 16))
          output.append(UInt8(truncatingIfNeeded: bits >> 8))
          output.append(UInt8(truncatingIfNeeded: bits))
          bits = 0
          count = 0
        }
      } else if value == Self.padding {
        endQuantum(into: &output)
      }
    }
    if isLast { endQuantum(into: &output) }
  }

  private mutating func endQuantum(into output: inout [UInt8]) {
    let left = bits << UInt32(6 * (4 - count))
    if count >= 2 { output.append(UInt8(truncatingIfNeeded: left >> 16)) }
    if count == 3 { output.append(UInt8(truncatingIfNeeded: left >> 8)) }
    bits = 0
    count = 0
  }

  private static let padding: UInt8 = 64
  private static let base64Table: [UInt8] = {
    var table = [UInt8](repeating: 255, count: 256)
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (value, character) in alphabet.utf8.enumerated() { table[Int(character)] = UInt8(value) }
    table[0x3D] = padding
    return table
  }()

  // MARK: Quoted-printable (RFC 2045 §6.7)

  /// Returns how many octets are decided; the others are a run of blanks or an escape that may go on.
  private static func quotedPrintable(_ bytes: RawSpan, isLast: Bool, into output: inout [UInt8]) -> Int {
    let end = bytes.byteCount
    var offset = 0
    func append(_ range: Range<Int>) {
      bytes.extracting(range).withUnsafeBytes { output.append(contentsOf: $0) }
    }
    while offset < end {
      let byte = bytes.at(offset)
      var next = offset + 1
      if byte == 0x3D {
        if let high = bytes.peek(next)?.hexDigit {
          guard next + 1 < end || isLast else { return offset }
          if let low = bytes.peek(next + 1)?.hexDigit {
            output.append(high << 4 | low)
            offset += 3
            continue
          }
        }
        while next < end, bytes.at(next).isBlank { next += 1 }
        switch lineEnd(bytes, at: next) {
        case nil where !isLast: return offset
        // RFC 2045 §6.7 (5): a soft line break.
        case let length?: if length > 0 { next += length } else { append(offset..<next) }
        // The end of the text; a CR alone there is no line end.
        case nil: if next < end { append(offset..<next) }
        }
      } else if byte.isBlank {
        while next < end, bytes.at(next).isBlank { next += 1 }
        let length = lineEnd(bytes, at: next)
        if length == nil, !isLast { return offset }
        // RFC 2045 §6.7 (3): blanks at the end of a line were added on the way.
        if (length ?? 0) == 0 { append(offset..<next) }
      } else {
        while next < end, bytes.at(next) != 0x3D, !bytes.at(next).isBlank { next += 1 }
        append(offset..<next)
      }
      offset = next
    }
    return end
  }

  /// Octets of the line end at `offset`, 0 when there is none; nil when the end comes before that can be told.
  private static func lineEnd(_ bytes: RawSpan, at offset: Int) -> Int? {
    guard let byte = bytes.peek(offset) else { return nil }
    if byte == .lf { return 1 }
    guard byte == .cr else { return 0 }
    return bytes.peek(offset + 1).map { $0 == .lf ? 2 : 0 }
  }

  // MARK: Uuencode

  /// No more of a line than this means anything.
  private static let lineLimit = 128

  private mutating func uuencode(_ bytes: RawSpan, isLast: Bool, into output: inout [UInt8]) {
    var offset = 0
    let end = bytes.byteCount
    while offset < end, state != .behind {
      let next = bytes.nextLine(from: offset, to: end)
      let kept = min(next, offset + Self.lineLimit - held.count)
      bytes.extracting(offset..<kept).withUnsafeBytes { held.append(contentsOf: $0) }
      for place in kept..<next where bytes.at(place) != .cr && bytes.at(place) != .lf { lineGoesOn = true }
      if bytes.at(next - 1) == .lf { uuencodedLine(into: &output) }
      offset = next
    }
    if isLast, !held.isEmpty { uuencodedLine(into: &output) }
  }

  private mutating func uuencodedLine(into output: inout [UInt8]) {
    // A CR within the line is none of its end.
    if lineGoesOn { held.append(0x20) }
    let line = held
    let bytes = line.span.bytes
    if state == .before {
      if bytes.hasWord("begin ", at: 0) { state = .inside }
    } else if bytes.equals("end", in: bytes.trimmedEnd(0..<bytes.byteCount)) {
      state = .behind
    } else {
      output.append(contentsOf: TransferDecoding.uuencode((Self.begin + line).span.bytes, limit: .max))
    }
    held.removeAll(keepingCapacity: true)
    lineGoesOn = false
  }

  private static let begin = Array("begin \n".utf8)
}
