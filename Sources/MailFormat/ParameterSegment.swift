import Bytes

/// A parameter whose name says `*`: a piece of a longer value, a value with a charset, or both (RFC 2231 §3, §4).
struct ParameterSegment {
  /// Without the `*` and what follows.
  var base: [UInt8]
  /// -1 for one that is not numbered.
  var index: Int
  var isExtended: Bool
  var value: [UInt8]
  /// Its own name, for when it cannot be joined.
  var name: [UInt8]

  /// Nil when the name is an ordinary one.
  init?(_ bytes: RawSpan, _ name: Range<Int>, value: [UInt8]) {
    guard let star = bytes.firstIndex(of: 0x2A, from: name.lowerBound, to: name.upperBound), star > name.lowerBound
    else { return nil }
    var cursor = star + 1
    var index = 0
    while cursor < name.upperBound, bytes.at(cursor).isASCIIDigit, index < 100_000 {
      index = index * 10 + Int(bytes.at(cursor) - 0x30)
      cursor += 1
    }
    let isNumbered = cursor > star + 1
    isExtended = cursor < name.upperBound && bytes.at(cursor) == 0x2A
    if isExtended, isNumbered { cursor += 1 }
    if !isNumbered { cursor = name.upperBound == star + 1 ? star + 1 : star }
    guard cursor == name.upperBound else { return nil }
    if !isNumbered { isExtended = true }
    self.base = bytes.bytes(name.lowerBound..<star)
    self.index = isNumbered ? index : -1
    self.name = bytes.bytes(name)
    self.value = value
  }

  private var key: [UInt8] { base.map(\.asciiLowercased) }

  /// Joins pieces 0, 1, 2... of each name; pieces without a beginning or behind a gap keep their own names.
  static func join(_ segments: inout [ParameterSegment], into result: inout [MIMEParameter]) {
    let keyed = segments.enumerated().map { (key: $1.key, order: $0, segment: $1) }
    let sorted = keyed.sorted {
      if $0.key != $1.key { return $0.key.lexicographicallyPrecedes($1.key) }
      return $0.segment.index != $1.segment.index ? $0.segment.index < $1.segment.index : $0.order < $1.order
    }
    var start = 0
    while start < sorted.count {
      var end = start + 1
      while end < sorted.count, sorted[end].key == sorted[start].key { end += 1 }
      join(sorted[start..<end].map(\.segment), into: &result)
      start = end
    }
  }

  /// `group`: pieces of one name, in order.
  private static func join(_ group: [ParameterSegment], into result: inout [MIMEParameter]) {
    let whole = group.prefix { $0.index < 0 }
    result.append(contentsOf: whole.map { MIMEParameter(name: $0.name, value: $0.value) })
    let pieces = group.dropFirst(whole.count)
    guard let first = pieces.first else { return }
    let isComplete = zip(pieces, 0...).allSatisfy { $0.index == $1 }
    guard isComplete else {
      result.append(contentsOf: pieces.map { MIMEParameter(name: $0.name, value: $0.value) })
      return
    }
    let isExtended = pieces.contains { $0.isExtended }
    let value = pieces.reduce(into: [UInt8]()) { value, piece in
      // In a value that is extended as a whole, a plain piece must not be mistaken for percent codes.
      if isExtended, !piece.isExtended, piece.value.contains(0x25) {
        for byte in piece.value { value.append(contentsOf: byte == 0x25 ? [0x25, 0x32, 0x35] : [byte]) }
      } else {
        value.append(contentsOf: piece.value)
      }
    }
    result.append(MIMEParameter(name: first.base + (isExtended ? [0x2A] : []), value: value))
  }
}

/// `charset'language'percent-encoded` (RFC 2231 §4).
struct ExtendedValue {
  var charset: String
  /// Percent codes decoded, in `charset`.
  var decoded: [UInt8]

  init(_ value: [UInt8]) {
    charset = ""
    var text = value[...]
    if let first = text.firstIndex(of: 0x27), let second = text[(first + 1)...].firstIndex(of: 0x27) {
      charset = String(decoding: text[..<first], as: UTF8.self)
      text = text[(second + 1)...]
    }
    decoded = []
    decoded.reserveCapacity(text.count)
    var index = text.startIndex
    while index < text.endIndex {
      if text[index] == 0x25, index + 2 < text.endIndex, let high = text[index + 1].hexDigit,
        let low = text[index + 2].hexDigit
      {
        decoded.append(high << 4 | low)
        index += 3
      } else {
        decoded.append(text[index])
        index += 1
      }
    }
  }
}

extension UInt8 {
  /// The value of a hexadecimal digit, either case.
  var hexDigit: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x37
    case 0x61...0x66: self - 0x57
    default: nil
    }
  }
}
