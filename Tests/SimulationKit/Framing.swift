import NIOCore

/// Where a server's answer ends.
enum Framing: Sendable {
  /// One line: a greeting, `+OK`, an LMTP line.
  case line
  /// The line that begins with this tag; literals are passed over.
  case tagged(String)
  /// The same, or a line that asks for more (IDLE).
  case continuation(String)
  /// `-ERR …`, or `+OK …` and lines up to a dot.
  case multiline
  /// So many replies of LMTP, each of one line or more.
  case replies(Int)

  /// Is all of it there?
  func isComplete(_ bytes: ByteBufferView) -> Bool {
    switch self {
    case .line: return bytes.contains(10)
    case .tagged(let tag): return Self.scanIMAP(bytes) { $0.starts(with: "\(tag) ".utf8) }
    case .continuation(let tag):
      return Self.scanIMAP(bytes) { $0.starts(with: "\(tag) ".utf8) || $0.starts(with: "+ ".utf8) }
    case .multiline:
      guard bytes.contains(10) else { return false }
      return bytes.starts(with: "-".utf8) || bytes.suffix(5).elementsEqual("\r\n.\r\n".utf8)
    case .replies(let count):
      var found = 0
      for line in bytes.split(separator: 10, omittingEmptySubsequences: false).dropLast()
      where line.count < 4 || line[line.startIndex + 3] != UInt8(ascii: "-") { found += 1 }
      return found >= count
    }
  }

  /// True when some whole line outside literals meets `wanted`.
  static func scanIMAP(_ bytes: ByteBufferView, _ wanted: (ByteBufferView) -> Bool) -> Bool {
    var rest = bytes
    var isStart = true
    while let end = rest.firstIndex(of: 10) {
      let line = rest[rest.startIndex..<end]
      if isStart, wanted(line) { return true }
      rest = rest[(end + 1)...]
      let literal = literalSize(line)
      isStart = literal == nil
      if let literal {
        guard rest.count >= literal else { return false }
        rest = rest.dropFirst(literal)
      }
    }
    return false
  }

  /// `…{12}` and `…~{12}` at a line's end.
  private static func literalSize(_ line: ByteBufferView) -> Int? {
    var line = line
    if line.last == 13 { line = line.dropLast() }
    guard line.last == UInt8(ascii: "}"), let open = line.lastIndex(of: UInt8(ascii: "{")) else { return nil }
    return Int(String(decoding: line[(open + 1)..<(line.endIndex - 1)], as: UTF8.self))
  }
}
