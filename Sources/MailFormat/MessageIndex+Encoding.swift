public import NIOCore

/// The binary form that is kept in the database: a version byte, then numbers of 7 bits a byte, low bits first.
///
///     index   = version size part
///     part    = flags header-start-gap header-length body-gap body-length lines type subtype [charset]
///               field-mask *(start length) [child-count *part]
///     string  = length *byte
///
/// Gaps are counted from the parent's body start (a part's header) and from the header's end (its body).
extension MessageIndex {
  private static let version: UInt8 = 1

  public func encoded() -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.reserveCapacity(64)
    buffer.writeInteger(Self.version)
    buffer.writeVariable(size)
    root.encode(parentStart: 0, into: &buffer)
    return buffer
  }

  /// Nil when the bytes are not an index of this version, whole and in itself consistent.
  public static func decode(_ bytes: ByteBuffer) -> MessageIndex? {
    var buffer = bytes
    guard buffer.readInteger(as: UInt8.self) == version, let size = buffer.readVariable() else { return nil }
    guard let root = Part.decode(&buffer, within: 0..<size, depth: 0), buffer.readableBytes == 0 else { return nil }
    return MessageIndex(root: root, size: size)
  }
}

extension Part {
  private static let hasCharset = 1
  private static let opaque = 2
  private static let hasChildren = 4
  /// More levels than any limit allows mean a damaged record.
  private static let deepest = 1_000

  fileprivate func encode(parentStart: Int, into buffer: inout ByteBuffer) {
    var flags = Int(encoding.rawValue) << 3
    if charset != nil { flags |= Self.hasCharset }
    if isOpaque { flags |= Self.opaque }
    if !children.isEmpty { flags |= Self.hasChildren }
    buffer.writeVariable(flags)
    buffer.writeVariable(headerStart - parentStart)
    buffer.writeVariable(headerRange.count)
    buffer.writeVariable(bodyStart - headerRange.upperBound)
    buffer.writeVariable(bodyRange.count)
    buffer.writeVariable(lineCount)
    buffer.writeCounted(type)
    buffer.writeCounted(subtype)
    if let charset { buffer.writeCounted(charset) }
    var mask = 0
    for field in ContentField.allCases where fields[field] != nil { mask |= 1 << field.rawValue }
    buffer.writeVariable(mask)
    for field in ContentField.allCases {
      guard let place = fields[field] else { continue }
      buffer.writeVariable(place.lowerBound)
      buffer.writeVariable(place.count)
    }
    guard !children.isEmpty else { return }
    buffer.writeVariable(children.count)
    for child in children { child.encode(parentStart: bodyStart, into: &buffer) }
  }

  fileprivate static func decode(_ buffer: inout ByteBuffer, within bounds: Range<Int>, depth: Int) -> Part? {
    guard depth < deepest, let flags = buffer.readVariable(),
      let encoding = UInt8(exactly: flags >> 3).flatMap(TransferEncoding.init),
      let header = buffer.readRange(from: bounds.lowerBound, within: bounds),
      let body = buffer.readRange(from: header.upperBound, within: bounds), let lines = buffer.readVariable(),
      let type = buffer.readCounted(), let subtype = buffer.readCounted()
    else { return nil }
    var part = Part(headerStart: header.lowerBound)
    part.headerRange = header
    part.bodyRange = body
    part.lineCount = lines
    part.type = type
    part.subtype = subtype
    part.encoding = encoding
    part.isOpaque = flags & opaque != 0
    if flags & hasCharset != 0 {
      guard let charset = buffer.readCounted() else { return nil }
      part.charset = charset
    }
    guard let mask = buffer.readVariable() else { return nil }
    for field in ContentField.allCases where mask & 1 << field.rawValue != 0 {
      guard let place = buffer.readRange(from: 0, within: 0..<header.count) else { return nil }
      part.fields[field] = place
    }
    guard flags & hasChildren != 0 else { return part }
    // A part takes ten bytes at least, so the count cannot make us reserve more than there is.
    guard let count = buffer.readVariable(), count > 0, count <= buffer.readableBytes else { return nil }
    for _ in 0..<count {
      guard let child = decode(&buffer, within: body, depth: depth + 1) else { return nil }
      part.children.append(child)
    }
    return part
  }
}

extension ByteBuffer {
  /// A number that is not negative.
  mutating func writeVariable(_ value: Int) {
    var rest = UInt64(max(0, value))
    while rest >= 0x80 {
      writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    writeInteger(UInt8(rest))
  }

  mutating func readVariable() -> Int? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while let byte = readInteger(as: UInt8.self) {
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return Int(exactly: value) }
      shift += 7
      // Eight bytes say 56 bits: more than any offset needs.
      if shift > 49 { return nil }
    }
    return nil
  }

  /// A gap behind `start` and a length, which must lie within `bounds`.
  fileprivate mutating func readRange(from start: Int, within bounds: Range<Int>) -> Range<Int>? {
    guard let gap = readVariable(), let length = readVariable() else { return nil }
    let lower = start + gap
    guard lower >= bounds.lowerBound, lower + length <= bounds.upperBound else { return nil }
    return lower..<lower + length
  }

  fileprivate mutating func writeCounted(_ text: String) {
    writeVariable(text.utf8.count)
    writeString(text)
  }

  fileprivate mutating func readCounted() -> String? {
    guard let count = readVariable() else { return nil }
    return readString(length: count)
  }
}
