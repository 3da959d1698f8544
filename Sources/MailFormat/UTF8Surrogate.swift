import Bytes
public import NIOCore

/// The header of a message with UTF-8 in its header, for a client that has not asked for UTF-8 (RFC 6856 §2.1, RFC 6855
/// §7): what RFC 6858 §2 makes of it. Bodies stay as they are, and so do headers with eight-bit octets that are not UTF-8: those are old
/// mail, no internationalized mail, and no one rule would make them better.
public enum UTF8Surrogate {
  /// Where an internationalized address stood (RFC 6858 §2.1).
  private static let noAddress = "<invalid@internationalized-address.invalid>"

  private static let addressFields: Set<String> = [
    "bcc", "cc", "from", "reply-to", "resent-bcc", "resent-cc", "resent-from", "resent-sender", "resent-to", "sender",
    "to",
  ]

  /// Whether these header octets need a client that takes UTF-8: there is a non-ASCII character in valid UTF-8.
  public static func isNeeded(_ header: RawSpan) -> Bool {
    header.withUnsafeBytes { bytes in
      bytes.contains { $0 >= 0x80 } && String(validating: bytes, as: UTF8.self) != nil
    }
  }

  public static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var high: UInt64 = 0
    var index = 0
    while index + 8 <= bytes.count {
      high |= bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      index += 8
    }
    while index < bytes.count {
      high |= UInt64(bytes[index])
      index += 1
    }
    return high & 0x8080_8080_8080_8080 == 0
  }

  /// The ASCII header for `header`, which `isNeeded` and ends with its empty line.
  public static func header(for header: RawSpan) -> ByteBuffer {
    var result = ByteBuffer()
    for field in fields(header.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }) {
      if field.utf8.allSatisfy({ $0 < 0x80 }) {
        result.writeSubstring(field)
      } else if let surrogate = surrogate(for: field) {
        result.writeString(surrogate)
        result.writeCRLF()
      }
    }
    return result
  }

  /// Each field with its continuation lines and line end; the empty line is the last.
  private static func fields(_ header: String) -> [Substring] {
    var fields: [Substring] = []
    let bytes = header.utf8
    var start = bytes.startIndex
    var position = bytes.startIndex
    while position < bytes.endIndex {
      let end = bytes[position...].firstIndex(of: .lf).map(bytes.index(after:)) ?? bytes.endIndex
      if position > start, !bytes[position].isBlank {
        fields.append(header[start..<position])
        start = position
      }
      position = end
    }
    if start < bytes.endIndex { fields.append(header[start...]) }
    return fields
  }

  /// Nil: the field is left out (RFC 6858 §2.4).
  private static func surrogate(for field: Substring) -> String? {
    guard let colon = field.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
    let name = field[..<colon]
    guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    let value = unfolded(field[field.utf8.index(after: colon)...])
    let key = name.lowercased()
    if addressFields.contains(key) {
      let addresses = split(value, at: UInt8(ascii: ",")).map(address)
      return "\(name): " + addresses.joined(separator: ",\r\n ")
    }
    switch key {
    case "return-path": return "\(name): \(noAddress)"
    case "subject": return "\(name): " + encoded(value)  // RFC 6858 §2.3
    case "content-type", "content-disposition":
      // RFC 6858 §2.2: parameters that cannot be shown are cut out.
      let parts = split(value, at: UInt8(ascii: ";"))
      guard let type = parts.first, isASCII(type) else { return nil }
      return "\(name): " + parts.filter(isASCII).joined(separator: ";\r\n ")
    default: return nil
    }
  }

  /// One address of a list, in ASCII.
  private static func address(_ text: String) -> String {
    if isASCII(text) { return text }
    guard let open = text.utf8.lastIndex(of: UInt8(ascii: "<")), text.utf8.last == UInt8(ascii: ">"),
      isASCII(text[open...]), !text.utf8[..<open].contains(UInt8(ascii: ":"))
    else {
      return encoded(text.filter { $0 != "\"" }) + "\r\n " + noAddress
    }
    // Only the name beside the address needs more than ASCII.
    let name = trimmed(text[..<open]).filter { $0 != "\"" && $0 != "\\" }
    return encoded(name) + "\r\n " + text[open...]
  }

  /// RFC 2047 encoded words, cut between characters, none longer than 75 octets.
  private static func encoded(_ text: String) -> String {
    if isASCII(text) { return text }
    var words: [String] = []
    var piece: [UInt8] = []
    func end() {
      if !piece.isEmpty { words.append("=?utf-8?B?" + Base64.encodedString(piece.span.bytes) + "?=") }
      piece = []
    }
    for scalar in text.unicodeScalars {
      let octets = Array(String(scalar).utf8)
      if piece.count + octets.count > 42 { end() }
      piece += octets
    }
    end()
    return words.joined(separator: "\r\n ")
  }

  private static func isASCII(_ text: some StringProtocol) -> Bool { text.utf8.allSatisfy { $0 < 0x80 } }

  private static func unfolded(_ value: Substring) -> String {
    trimmed(value.unicodeScalars.reduce(into: "") { if $1 != "\r" && $1 != "\n" { $0.unicodeScalars.append($1) } }[...])
  }

  private static func trimmed(_ text: Substring) -> String {
    var bytes = text.utf8
    while let first = bytes.first, first.isBlank { bytes.removeFirst() }
    while let last = bytes.last, last.isBlank { bytes.removeLast() }
    return String(Substring(bytes))
  }

  /// Cuts at `mark` where it stands outside quotes, comments and angle brackets.
  private static func split(_ text: String, at mark: UInt8) -> [String] {
    var parts: [String] = []
    var start = text.utf8.startIndex
    var isQuoted = false
    var isEscaped = false
    var depth = 0
    for index in text.utf8.indices {
      let byte = text.utf8[index]
      if isEscaped {
        isEscaped = false
        continue
      }
      switch byte {
      case UInt8.backslash: isEscaped = true
      case UInt8.quote: isQuoted.toggle()
      case UInt8(ascii: "("), UInt8(ascii: "<"): if !isQuoted { depth += 1 }
      case UInt8(ascii: ")"), UInt8(ascii: ">"): if !isQuoted { depth = max(0, depth - 1) }
      case mark where !isQuoted && depth == 0:
        parts.append(trimmed(text[start..<index]))
        start = text.utf8.index(after: index)
      default: break
      }
    }
    parts.append(trimmed(text[start...]))
    return parts.filter { !$0.isEmpty }
  }
}
