import MailStore
import NIOCore

/// The compact form of `SortKeys` in `content.sort`: a byte of what is there, then numbers and counted strings.
extension SortKeys {
  private static let hasDate: UInt8 = 1
  private static let hasDay: UInt8 = 2

  func encoded() -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeInteger((sentDate == nil ? 0 : Self.hasDate) | (sentDay == nil ? 0 : Self.hasDay))
    if let sentDate { buffer.writeInteger(sentDate) }
    if let sentDay { buffer.writeInteger(sentDay) }
    for text in [baseSubject, from, to, cc, displayFrom, displayTo] {
      // Longer than 64 KB does not come (`MIMELimits.keptSortKeyBytes`); cut rather than misread.
      let bytes = text.utf8.prefix(Int(UInt16.max))
      buffer.writeInteger(UInt16(bytes.count))
      buffer.writeBytes(bytes)
    }
    return buffer
  }

  /// Empty keys when the bytes are not of this form: the row is then sorted as if its header said nothing.
  init(decoding bytes: UnsafeRawBufferPointer) {
    self.init(
      sentDate: nil, sentDay: nil, baseSubject: "", from: "", to: "", cc: "", displayFrom: "", displayTo: "")
    guard let flags = bytes.first else { return }
    var position = 1
    func number<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
      guard position + MemoryLayout<Value>.size <= bytes.count else { return nil }
      defer { position += MemoryLayout<Value>.size }
      return Value(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Value.self))
    }
    func text() -> String {
      guard let count = number(UInt16.self), position + Int(count) <= bytes.count else { return "" }
      defer { position += Int(count) }
      return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(count)]), as: UTF8.self)
    }
    if flags & Self.hasDate != 0 { sentDate = number(Int64.self) }
    if flags & Self.hasDay != 0 { sentDay = number(Int32.self) }
    baseSubject = text()
    from = text()
    to = text()
    cc = text()
    displayFrom = text()
    displayTo = text()
  }

  /// The date alone.
  static func sentDate(in bytes: UnsafeRawBufferPointer) -> Int64? {
    guard let flags = bytes.first, flags & hasDate != 0, bytes.count >= 9 else { return nil }
    return Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: Int64.self))
  }

  /// One of the texts, where it stands. Empty when the bytes are not of this form.
  static func text(_ text: SortText, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    guard let flags = bytes.first else { return nothing }
    var position = 1 + (flags & hasDate != 0 ? 8 : 0) + (flags & hasDay != 0 ? 4 : 0)
    for index in 0...text.rawValue {
      guard position + 2 <= bytes.count else { return nothing }
      let count = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt16.self)))
      position += 2
      guard position + count <= bytes.count else { return nothing }
      if index == text.rawValue { return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count]) }
      position += count
    }
    return nothing
  }
}
