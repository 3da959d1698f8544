import NIOCore

/// Reads IMAP data (RFC 9051 §9) to say whether it is well formed; written anew here, as a second opinion.
struct WireForm {
  private var bytes: ByteBuffer

  /// Whether `bytes` are one parenthesised list and nothing else.
  static func isOneList(_ bytes: ByteBuffer) -> Bool {
    var form = WireForm(bytes: bytes)
    return form.peek == UInt8(ascii: "(") && form.value() && form.bytes.readableBytes == 0
  }

  private init(bytes: ByteBuffer) { self.bytes = bytes }

  private var peek: UInt8? { bytes.getInteger(at: bytes.readerIndex) }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    bytes.moveReaderIndex(forwardBy: 1)
    return true
  }

  private mutating func value() -> Bool {
    switch peek {
    case UInt8(ascii: "("): list()
    case UInt8(ascii: "\""): quoted()
    case UInt8(ascii: "{"): literal()
    default: nilOrNumber()
    }
  }

  /// Values with one space between them; none between lists that follow each other (parts, addresses).
  private mutating func list() -> Bool {
    guard take(UInt8(ascii: "(")) else { return false }
    var isFirst = true
    while !take(UInt8(ascii: ")")) {
      if !isFirst {
        let isList = peek == UInt8(ascii: "(")
        guard take(0x20) || isList else { return false }
      }
      guard value() else { return false }
      isFirst = false
    }
    return !isFirst
  }

  private mutating func quoted() -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    while let byte = bytes.readInteger(as: UInt8.self) {
      switch byte {
      case UInt8(ascii: "\""): return true
      case UInt8(ascii: "\\"):
        guard take(UInt8(ascii: "\"")) || take(UInt8(ascii: "\\")) else { return false }
      case 0, 0x0A, 0x0D, 0x80...0xFF: return false
      default: break
      }
    }
    return false
  }

  private mutating func literal() -> Bool {
    guard take(UInt8(ascii: "{")), let size = number(), take(UInt8(ascii: "}")), take(0x0D), take(0x0A),
      let content = bytes.readSlice(length: size)
    else { return false }
    return !content.readableBytesView.contains(0)
  }

  private mutating func nilOrNumber() -> Bool {
    if take(UInt8(ascii: "N")) { return take(UInt8(ascii: "I")) && take(UInt8(ascii: "L")) }
    return number() != nil
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let byte = peek, (0x30...0x39).contains(byte), (value ?? 0) < 1 << 32 {
      value = (value ?? 0) * 10 + Int(byte - 0x30)
      bytes.moveReaderIndex(forwardBy: 1)
    }
    return value
  }
}
