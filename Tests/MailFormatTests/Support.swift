import MailFormat
import NIOCore

/// A fixture: lines are written with LF and become CRLF.
func message(_ text: String) -> [UInt8] {
  var bytes: [UInt8] = []
  for byte in text.utf8 {
    if byte == 0x0A { bytes.append(0x0D) }
    bytes.append(byte)
  }
  return bytes
}

extension [UInt8] {
  var index: MessageIndex { MessageIndex.parse(span.bytes) }
  var summary: MessageSummary { MessageSummary.make(span.bytes) }

  func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: self[$0], as: UTF8.self) } }

  func section(_ path: [Int], _ kind: SectionPath.Kind = .whole) -> String? {
    text(index.range(of: SectionPath(path, kind)))
  }

  var envelope: String { String(buffer: summary.envelope) }
  var bodyStructure: String { String(buffer: summary.bodyStructure) }
}

/// What an IMAP response holds in parentheses: the tests' own reader, which shares no code with the writers.
indirect enum SExpression: Equatable {
  case list([SExpression])
  case string([UInt8])
  case atom(String)

  /// Nil unless `bytes` are exactly one well-formed expression.
  static func read(_ bytes: [UInt8]) -> SExpression? {
    var position = 0
    guard let value = read(bytes, &position), position == bytes.count else { return nil }
    return value
  }

  private static func read(_ bytes: [UInt8], _ position: inout Int) -> SExpression? {
    guard position < bytes.count else { return nil }
    switch bytes[position] {
    case UInt8(ascii: "("): return readList(bytes, &position)
    case UInt8(ascii: "\""): return readQuoted(bytes, &position)
    case UInt8(ascii: "{"): return readLiteral(bytes, &position)
    default:
      let start = position
      while position < bytes.count, bytes[position] > 0x20, bytes[position] < 0x7F,
        !"()\"{".utf8.contains(bytes[position])
      {
        position += 1
      }
      guard position > start else { return nil }
      return .atom(String(decoding: bytes[start..<position], as: UTF8.self))
    }
  }

  private static func readList(_ bytes: [UInt8], _ position: inout Int) -> SExpression? {
    position += 1
    var items: [SExpression] = []
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: ")") {
        position += 1
        return .list(items)
      }
      if bytes[position] == 0x20 {
        guard !items.isEmpty else { return nil }
        position += 1
      }
      guard let item = read(bytes, &position) else { return nil }
      items.append(item)
    }
    return nil
  }

  /// 7-bit only: what IMAP4rev1 allows.
  private static func readQuoted(_ bytes: [UInt8], _ position: inout Int) -> SExpression? {
    position += 1
    var content: [UInt8] = []
    while position < bytes.count {
      var byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") { return .string(content) }
      if byte == UInt8(ascii: "\\") {
        guard position < bytes.count, bytes[position] == 0x22 || bytes[position] == 0x5C else { return nil }
        byte = bytes[position]
        position += 1
      }
      guard byte != 0, byte != 0x0D, byte != 0x0A, byte < 0x80 else { return nil }
      content.append(byte)
    }
    return nil
  }

  private static func readLiteral(_ bytes: [UInt8], _ position: inout Int) -> SExpression? {
    guard let close = bytes[position...].firstIndex(of: UInt8(ascii: "}")),
      let length = Int(String(decoding: bytes[(position + 1)..<close], as: UTF8.self)),
      close + 3 + length <= bytes.count,
      bytes[close + 1] == 0x0D, bytes[close + 2] == 0x0A
    else { return nil }
    let content = Array(bytes[(close + 3)..<(close + 3 + length)])
    position = close + 3 + length
    return content.contains(0) ? nil : .string(content)
  }

  var items: [SExpression]? { if case .list(let items) = self { items } else { nil } }
  var isNString: Bool {
    switch self {
    case .string, .atom("NIL"): true
    default: false
    }
  }
  var isNumber: Bool { if case .atom(let text) = self { Int(text) != nil } else { false } }

  /// RFC 9051 §9 envelope.
  var isEnvelope: Bool {
    guard let items, items.count == 10 else { return false }
    func isAddressList(_ value: SExpression) -> Bool {
      if value == .atom("NIL") { return true }
      guard let list = value.items, !list.isEmpty else { return false }
      return list.allSatisfy { $0.items?.count == 4 && $0.items?.allSatisfy(\.isNString) == true }
    }
    return items[0].isNString && items[1].isNString && items[2...7].allSatisfy(isAddressList) && items[8].isNString
      && items[9].isNString
  }

  private var isParameters: Bool {
    if self == .atom("NIL") { return true }
    guard let items, !items.isEmpty, items.count % 2 == 0 else { return false }
    return items.allSatisfy { if case .string = $0 { true } else { false } }
  }

  /// Disposition, language and location.
  private static func areExtensions(_ items: ArraySlice<SExpression>) -> Bool {
    let items = Array(items)
    guard items.count == 3, items[2].isNString else { return false }
    if items[0] != .atom("NIL") {
      guard let parts = items[0].items, parts.count == 2, parts[0].isNString, parts[1].isParameters else {
        return false
      }
    }
    guard items[1] != .atom("NIL") else { return true }
    return items[1].items.map { !$0.isEmpty && $0.allSatisfy(\.isNString) } ?? false
  }

  /// RFC 9051 §9 body, with the extension data of BODYSTRUCTURE or without.
  func isBody(extensible: Bool) -> Bool {
    guard let items, let first = items.first else { return false }
    if first.items != nil {
      let children = items.prefix { $0.items != nil }
      let rest = items.dropFirst(children.count)
      guard children.allSatisfy({ $0.isBody(extensible: extensible) }), rest.first?.isNString == true else {
        return false
      }
      guard extensible else { return rest.count == 1 }
      return rest.count == 5 && rest.dropFirst().first?.isParameters == true && Self.areExtensions(rest.dropFirst(2))
    }
    guard items.count >= 7, case .string(let type) = items[0], case .string(let subtype) = items[1],
      items[2].isParameters, items[3].isNString, items[4].isNString, case .string = items[5], items[6].isNumber
    else { return false }
    var count = 7
    switch (String(decoding: type, as: UTF8.self).lowercased(), String(decoding: subtype, as: UTF8.self).lowercased()) {
    case ("text", _):
      guard items.count > 7, items[7].isNumber else { return false }
      count = 8
    case ("message", "rfc822"), ("message", "global"):
      guard items.count > 9, items[7].isEnvelope, items[8].isBody(extensible: extensible), items[9].isNumber else {
        return false
      }
      count = 10
    default: break
    }
    guard extensible else { return items.count == count }
    return items.count == count + 4 && items[count].isNString && Self.areExtensions(items[(count + 1)...])
  }
}

/// Checks what must hold for every message; returns what does not.
func violations(of bytes: [UInt8], limits: MIMELimits = .init()) -> [String] {
  var result: [String] = []
  let summary = MessageSummary.make(bytes.span.bytes, limits: limits)
  let index = summary.index
  if index.size != bytes.count { result.append("size") }
  if MessageIndex.decode(index.encoded()) != index { result.append("encoding does not round-trip") }
  func check(_ part: Part, within bounds: Range<Int>) {
    if part.headerRange.lowerBound < bounds.lowerBound || part.bodyEnd > bounds.upperBound {
      result.append("part outside")
    }
    if part.headerRange.upperBound != part.bodyStart { result.append("gap before the body") }
    let lines = bytes[part.bodyRange].count { $0 == 0x0A }
    if lines != part.lineCount { result.append("lines \(part.lineCount), not \(lines)") }
    var previous = part.bodyStart
    for child in part.children {
      if child.headerStart < previous { result.append("parts overlap") }
      check(child, within: part.bodyRange)
      previous = child.bodyEnd
    }
  }
  check(index.root, within: 0..<bytes.count)
  if index.root.headerRange.lowerBound != 0 || index.root.bodyEnd != bytes.count { result.append("root is not all") }
  if SExpression.read(Array(buffer: summary.envelope))?.isEnvelope != true {
    result.append("envelope: \(String(buffer: summary.envelope))")
  }
  if SExpression.read(Array(buffer: summary.body))?.isBody(extensible: false) != true {
    result.append("body: \(String(buffer: summary.body))")
  }
  if SExpression.read(Array(buffer: summary.bodyStructure))?.isBody(extensible: true) != true {
    result.append("body structure: \(String(buffer: summary.bodyStructure))")
  }
  if summary.preview.unicodeScalars.count > 200 { result.append("preview too long") }
  return result
}
