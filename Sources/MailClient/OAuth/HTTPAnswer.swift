import MailNet
import NIOCore

/// An HTTP/1.1 answer (RFC 9112), read from bytes as they come.
struct HTTPAnswer: Sendable {
  enum Problem: Error { case malformed(String) }

  private enum Body {
    case head
    case counted(Int)
    case untilEnd
    case chunkSize
    case chunk(Int)
    case chunkEnd
    case trailer
    case done
  }

  private(set) var status = 0
  private(set) var body = ByteBuffer()
  private var input = ByteBuffer()
  private var state = Body.head
  private var headOctets = 0

  /// Takes what has come. True: the answer is whole.
  mutating func feed(_ bytes: ByteBuffer) throws(Problem) -> Bool {
    input.writeImmutableBuffer(bytes)
    while try advance() {}
    if case .done = state { return true }
    return false
  }

  /// The server has ended the connection. True: the answer is whole.
  mutating func end() -> Bool {
    switch state {
    case .untilEnd, .done: true
    default: false
    }
  }

  /// False: more is needed, or all is there.
  private mutating func advance() throws(Problem) -> Bool {
    switch state {
    case .head:
      guard try readHead() else { return false }
    case .counted(let left):
      let taken = try take(left)
      state = taken == left ? .done : .counted(left - taken)
      return false
    case .untilEnd:
      _ = try take(.max)
      return false
    case .chunkSize:
      guard let line = try line() else { return false }
      // RFC 9112 §7.1: the size in hexadecimal, then extensions.
      let digits = line.prefix { $0 != ";" && $0 != " " && $0 != "\t" }
      guard (1...8).contains(digits.count), digits.allSatisfy(\.isHexDigit), let size = Int(digits, radix: 16) else {
        throw .malformed("the size of a chunk")
      }
      state = size == 0 ? .trailer : .chunk(size)
    case .chunk(let left):
      let taken = try take(left)
      state = taken == left ? .chunkEnd : .chunk(left - taken)
      return taken == left
    case .chunkEnd:
      guard let line = try line() else { return false }
      guard line.isEmpty else { throw .malformed("the end of a chunk") }
      state = .chunkSize
    case .trailer:
      guard let line = try line() else { return false }
      if line.isEmpty { state = .done }
    case .done:
      return false
    }
    return true
  }

  /// Status line and fields. False: not all is there.
  private mutating func readHead() throws(Problem) -> Bool {
    let view = input.readableBytesView
    guard let end = Self.endOfHead(view) else {
      guard view.count <= MailClientLimits.httpHead else { throw .malformed("a header beyond all measure") }
      return false
    }
    let lines = String(decoding: view[..<end], as: UTF8.self).split(whereSeparator: \.isNewline)
    input.moveReaderIndex(forwardBy: end - view.startIndex)
    // RFC 9112 §4: HTTP/1.1 200 OK
    let words = lines.first?.split(separator: " ", maxSplits: 2) ?? []
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3, let code = Int(words[1]),
      code >= 100
    else { throw .malformed("this is no HTTP") }
    // RFC 9110 §15.2: interim answers are passed over.
    if code < 200 {
      headOctets += end - view.startIndex
      guard headOctets <= MailClientLimits.httpHead else { throw .malformed("interim answers without end") }
      return true
    }
    status = code
    try chooseBody(lines.dropFirst())
    return true
  }

  private mutating func chooseBody(_ lines: some Sequence<Substring>) throws(Problem) {
    var length: Int?
    state = .untilEnd
    for line in lines {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      switch line[..<colon].lowercased() {
      case "transfer-encoding":
        guard value.lowercased().hasPrefix("chunked") else { throw .malformed("transfer encoding \(value.prefix(20))") }
        state = .chunkSize
      case "content-length":
        let digits = value.prefix { $0 != " " && $0 != "\t" }
        guard digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }), let number = Int(digits),
          length == nil || length == number
        else { throw .malformed("Content-Length") }
        length = number
      default: break
      }
    }
    // RFC 9112 §6.3: chunks go before a length.
    if case .chunkSize = state { return }
    guard let length, status != 204, status != 304 else {
      if status == 204 || status == 304 { state = .done }
      return
    }
    guard length <= MailClientLimits.httpBody else { throw .malformed("an answer of \(length) octets") }
    state = length == 0 ? .done : .counted(length)
  }

  /// Moves up to `most` octets into the body. Returns how many.
  private mutating func take(_ most: Int) throws(Problem) -> Int {
    guard let piece = input.readSlice(length: min(most, input.readableBytes)) else { return 0 }
    guard body.readableBytes + piece.readableBytes <= MailClientLimits.httpBody else {
      throw .malformed("an answer of more than \(MailClientLimits.httpBody >> 20) MiB")
    }
    body.writeImmutableBuffer(piece)
    return piece.readableBytes
  }

  /// A line without its end; nil if it is not all there.
  private mutating func line() throws(Problem) -> String? {
    let view = input.readableBytesView
    guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else {
      guard view.count <= MailClientLimits.httpHead else { throw .malformed("a line beyond all measure") }
      return nil
    }
    let text = String(decoding: view[..<end], as: UTF8.self)
    input.moveReaderIndex(forwardBy: end + 1 - view.startIndex)
    headOctets += text.utf8.count
    guard headOctets <= MailClientLimits.httpHead + MailClientLimits.httpBody else {
      throw .malformed("too many lines")
    }
    return text.hasSuffix("\r") ? String(text.dropLast()) : text
  }

  /// Behind the empty line.
  private static func endOfHead(_ view: ByteBufferView) -> Int? {
    var previous = view.startIndex
    while let end = view[previous...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = view[previous..<end]
      if line.isEmpty || (line.count == 1 && line.first == UInt8(ascii: "\r")) { return end + 1 }
      previous = end + 1
    }
    return nil
  }
}
