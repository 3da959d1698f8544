public import Bytes
public import NIOCore

/// One `* n FETCH (...)` line as it is written, item by item, into a buffer, without allocation.
///
/// ```swift
/// var line = FetchLine(sequence: 12, into: &buffer)
/// line.writeFlags(flags, keywords: entry.keywords, names: snapshot.keywords, into: &buffer)
/// line.writeUID(entry.uid, into: &buffer)
/// line.end(into: &buffer)
/// ```
public struct FetchLine: ~Copyable {
  @usableFromInline var isFirst = true

  @inlinable
  public init(sequence: some BinaryInteger, into buffer: inout ByteBuffer) {
    buffer.writeStaticString("* ")
    buffer.writeDecimal(sequence)
    buffer.writeStaticString(" FETCH (")
  }

  /// `* 7 UIDFETCH (` (RFC 9586 §3.3).
  @inlinable
  public init(uid: UInt32, into buffer: inout ByteBuffer) {
    buffer.writeStaticString("* ")
    buffer.writeDecimal(uid)
    buffer.writeStaticString(" UIDFETCH (")
  }

  /// Goes on with a line whose beginning stands there already.
  @inlinable
  public init(continuing hasItems: Bool) { isFirst = !hasItems }

  /// Writes `)` and the line end.
  @inlinable
  public consuming func end(into buffer: inout ByteBuffer) { buffer.writeStaticString(")\r\n") }

  /// Writes the space between items, the name and a space. The caller writes the value.
  @inlinable
  public mutating func writeName(_ name: StaticString, into buffer: inout ByteBuffer) {
    startItem(into: &buffer)
    buffer.writeStaticString(name)
    buffer.writeSpace()
  }

  /// Something stands behind the parenthesis.
  @inlinable
  public var hasItems: Bool { !isFirst }

  /// Writes the space between items. The caller writes the rest.
  @inlinable
  public mutating func startItem(into buffer: inout ByteBuffer) {
    if !isFirst { buffer.writeSpace() }
    isFirst = false
  }

  @inlinable
  public mutating func writeUID(_ uid: UInt32, into buffer: inout ByteBuffer) {
    writeName("UID", into: &buffer)
    buffer.writeDecimal(uid)
  }

  /// RFC 7162 §3.1.4.2.
  @inlinable
  public mutating func writeModSeq(_ modSeq: UInt64, into buffer: inout ByteBuffer) {
    writeName("MODSEQ", into: &buffer)
    buffer.writeStaticString("(")
    buffer.writeDecimal(modSeq)
    buffer.writeStaticString(")")
  }

  /// EMAILID and THREADID (RFC 8474 §5.3). `name` with the space and the parenthesis behind it.
  @inlinable
  public mutating func writeObjectID(_ name: StaticString, _ id: String, into buffer: inout ByteBuffer) {
    startItem(into: &buffer)
    buffer.writeStaticString(name)
    buffer.writeString(id)
    buffer.writeStaticString(")")
  }

  /// - Parameters:
  ///   - keywords: bit `n` stands for `names[n]`.
  @inlinable
  public mutating func writeFlags(
    _ flags: FlagSet, keywords: UInt64 = 0, names: [String] = [], into buffer: inout ByteBuffer
  ) {
    writeName("FLAGS", into: &buffer)
    buffer.writeFlagList(flags, keywords: keywords, names: names)
  }

  /// Octets of the whole message.
  @inlinable
  public mutating func writeSize(_ size: some BinaryInteger, into buffer: inout ByteBuffer) {
    writeName("RFC822.SIZE", into: &buffer)
    buffer.writeDecimal(size)
  }

  @inlinable
  public mutating func writeInternalDate(_ date: IMAPDateTime, into buffer: inout ByteBuffer) {
    writeName("INTERNALDATE", into: &buffer)
    buffer.writeDateTime(date)
  }

  /// The item's name as the response gives it (`BODY[1.HEADER]<0>`, `RFC822.TEXT`, `BINARY.SIZE[2]`) and a space
  /// (RFC 9051 §7.5.2). The caller writes the value: a literal after `writeLiteralHeader`, `NIL`, a number...
  public mutating func writeName(of item: FetchItem, into buffer: inout ByteBuffer) {
    startItem(into: &buffer)
    buffer.writeFetchItem(item, isResponse: true)
    buffer.writeSpace()
  }

  /// A section's octets, all at hand, as a literal; nil writes NIL.
  public mutating func writeSection(_ item: FetchItem, _ bytes: ByteBuffer?, into buffer: inout ByteBuffer) {
    writeName(of: item, into: &buffer)
    guard let bytes else {
      buffer.writeStaticString("NIL")
      return
    }
    buffer.writeLiteralHeader(size: bytes.readableBytes)
    buffer.writeImmutableBuffer(bytes)
  }
}

extension ByteBuffer {
  /// `(\Seen $Forwarded)`. Bit `n` of `keywords` stands for `names[n]`.
  @inlinable
  public mutating func writeFlagList(_ flags: FlagSet, keywords: UInt64 = 0, names: [String] = []) {
    writeInteger(UInt8(ascii: "("))
    let start = writerIndex
    writeSystemFlags(flags)
    var rest = keywords
    while rest != 0 {
      let bit = rest.trailingZeroBitCount
      rest &= rest &- 1
      guard bit < names.count else { break }
      if writerIndex != start { writeSpace() }
      writeString(names[bit])
    }
    writeInteger(UInt8(ascii: ")"))
  }

  /// A list of flags and keywords by name.
  public mutating func writeFlagList(_ flags: FlagSet, keywords: [String], acceptsNewKeywords: Bool = false) {
    writeInteger(UInt8(ascii: "("))
    let start = writerIndex
    writeSystemFlags(flags)
    for keyword in keywords {
      if writerIndex != start { writeSpace() }
      writeString(keyword)
    }
    if acceptsNewKeywords {
      if writerIndex != start { writeSpace() }
      writeStaticString("\\*")
    }
    writeInteger(UInt8(ascii: ")"))
  }

  @inlinable
  mutating func writeSystemFlags(_ flags: FlagSet) {
    if flags.isEmpty { return }
    let start = writerIndex
    if flags.contains(.answered) { writeStaticString("\\Answered ") }
    if flags.contains(.flagged) { writeStaticString("\\Flagged ") }
    if flags.contains(.deleted) { writeStaticString("\\Deleted ") }
    if flags.contains(.seen) { writeStaticString("\\Seen ") }
    if flags.contains(.draft) { writeStaticString("\\Draft ") }
    if flags.contains(.recent) { writeStaticString("\\Recent ") }
    // Take back the last space.
    if writerIndex > start { moveWriterIndex(to: writerIndex - 1) }
  }
}
