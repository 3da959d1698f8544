import Bytes

/// A rough reading of HTML: tags, comments, scripts and styles go, the common character references are resolved.
extension PreviewText {
  mutating func addHTML(_ text: [UInt8]) {
    var index = 0
    while index < text.count, !isFull {
      switch text[index] {
      case 0x3C: index = skipTag(text, index)
      case 0x26: index = addReference(text, index)
      default:
        var end = index + 1
        while end < text.count, text[end] != 0x3C, text[end] != 0x26 { end += 1 }
        add(text[index..<end])
        index = end
      }
    }
  }

  /// Returns the place behind the tag at `start`, its content too when that is no text.
  private mutating func skipTag(_ text: [UInt8], _ start: Int) -> Int {
    if Self.has(text, start, "<!--") { return Self.after(text, start + 4, "-->") }
    var name = start + 1
    if name < text.count, text[name] == 0x2F { name += 1 }
    guard name < text.count, text[name].isASCIILetter || text[name] == 0x21 || text[name] == 0x3F else {
      add(text[start..<start + 1])
      return start + 1
    }
    for hidden in Self.hidden where Self.has(text, start, hidden.open) {
      return Self.after(text, start + 1, hidden.close)
    }
    let isInline = Self.inline.contains { Self.hasTag(text, name, $0) }
    if !isInline { breakWord() }
    var end = name
    while end < text.count, text[end] != 0x3E { end += 1 }
    return end + 1
  }

  private static let hidden: [(open: StaticString, close: StaticString)] = [
    ("<style", "</style"), ("<script", "</script"), ("<head>", "</head"), ("<head ", "</head"), ("<title", "</title"),
  ]
  private static let inline: [StaticString] = [
    "b", "i", "u", "a", "em", "strong", "span", "font", "big", "small", "o:p",
  ]

  private static func has(_ text: [UInt8], _ start: Int, _ word: StaticString) -> Bool {
    guard start + word.utf8CodeUnitCount <= text.count else { return false }
    for offset in 0..<word.utf8CodeUnitCount
    where text[start + offset].asciiLowercased != word.utf8Start[offset] {
      return false
    }
    return true
  }

  private static func hasTag(_ text: [UInt8], _ start: Int, _ name: StaticString) -> Bool {
    let end = start + name.utf8CodeUnitCount
    return has(text, start, name) && end < text.count && !text[end].isASCIILetter && !text[end].isASCIIDigit
  }

  /// The place behind the next `word` and the `>` that follows; the end when there is none.
  private static func after(_ text: [UInt8], _ start: Int, _ word: StaticString) -> Int {
    var index = start
    while index < text.count, !has(text, index, word) { index += 1 }
    while index < text.count, text[index] != 0x3E { index += 1 }
    return index + 1
  }

  private static let names: [(StaticString, UInt32)] = [
    ("nbsp;", 0x20), ("amp;", 0x26), ("lt;", 0x3C), ("gt;", 0x3E), ("quot;", 0x22), ("apos;", 0x27), ("copy;", 0xA9),
    ("reg;", 0xAE), ("euro;", 0x20AC), ("hellip;", 0x2026), ("ndash;", 0x2013), ("mdash;", 0x2014), ("rsquo;", 0x2019),
    ("lsquo;", 0x2018), ("rdquo;", 0x201D), ("ldquo;", 0x201C), ("bull;", 0x2022), ("middot;", 0xB7), ("zwnj;", 0x20),
    ("laquo;", 0xAB), ("raquo;", 0xBB), ("auml;", 0xE4), ("ouml;", 0xF6), ("uuml;", 0xFC), ("szlig;", 0xDF),
    ("eacute;", 0xE9), ("egrave;", 0xE8), ("agrave;", 0xE0), ("ccedil;", 0xE7),
  ]

  private mutating func addReference(_ text: [UInt8], _ start: Int) -> Int {
    if start + 2 < text.count, text[start + 1] == 0x23 {
      var index = start + 2
      let isHex = text[index] | 0x20 == 0x78
      if isHex { index += 1 }
      let digits = index
      var value: UInt32 = 0
      while index < text.count, index < digits + 7, let digit = text[index].hexDigit, isHex || digit < 10 {
        value = value * (isHex ? 16 : 10) + UInt32(digit)
        index += 1
      }
      if index > digits, let scalar = Unicode.Scalar(value) {
        if index < text.count, text[index] == 0x3B { index += 1 }
        add(scalar: value == 0x200C || value == 0x200B || value == 0x034F ? " " : scalar)
        return index
      }
    } else if let found = Self.names.first(where: { Self.has(text, start + 1, $0.0) }) {
      if let scalar = Unicode.Scalar(found.1) { add(scalar: scalar) }
      return start + 1 + found.0.utf8CodeUnitCount
    }
    add(text[start..<start + 1])
    return start + 1
  }
}
