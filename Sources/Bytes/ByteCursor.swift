/// A forward cursor over borrowed bytes, bounds-checked, that never copies and never allocates.
///
/// Parsers decide by the byte in front of them and do not throw to backtrack: `peek` first, or save `position` and
/// put it back.
public struct ByteCursor: ~Escapable {
  public let span: RawSpan
  public var position: Int

  @inlinable
  @_lifetime(copy span)
  public init(_ span: RawSpan) {
    self.span = span
    self.position = 0
  }

  @inlinable public var count: Int { span.byteCount }
  @inlinable public var isAtEnd: Bool { position >= span.byteCount }
  @inlinable public var remaining: Int { span.byteCount - position }

  /// The byte at the cursor, or nil at the end.
  @inlinable public var peek: UInt8? {
    position < span.byteCount ? span.unsafeLoad(fromUncheckedByteOffset: position, as: UInt8.self) : nil
  }

  /// The byte `offset` places on, or nil beyond the end.
  @inlinable
  public func peek(at offset: Int) -> UInt8? {
    let index = position &+ offset
    guard index >= 0, index < span.byteCount else { return nil }
    return span.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
  }

  @inlinable
  @_lifetime(self: copy self)
  public mutating func next() -> UInt8? {
    guard let byte = peek else { return nil }
    position &+= 1
    return byte
  }

  /// Steps over `byte` if it is next.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    position &+= 1
    return true
  }

  /// Steps over bytes while `predicate` holds; returns how many.
  @inlinable
  @_lifetime(self: copy self)
  @discardableResult
  public mutating func skip(while predicate: (UInt8) -> Bool) -> Int {
    let start = position
    while let byte = peek, predicate(byte) { position &+= 1 }
    return position - start
  }

  /// Steps over `word` if it is next, ASCII letters compared without case. `word` must be given in upper case.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func takeIgnoringCase(_ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard remaining >= length else { return false }
    for index in 0..<length {
      let byte = span.unsafeLoad(fromUncheckedByteOffset: position &+ index, as: UInt8.self)
      guard byte.asciiUppercased == word.utf8Start[index] else { return false }
    }
    position &+= length
    return true
  }

  /// An unsigned decimal number of at most `maximumDigits` digits that fits 63 bits; nil (and no step) otherwise.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func takeNumber(maximumDigits: Int = 19) -> Int64? {
    let start = position
    var value: Int64 = 0
    while let byte = peek, byte.isASCIIDigit {
      guard position - start < maximumDigits else {
        position = start
        return nil
      }
      let (product, overflow1) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.addingReportingOverflow(Int64(byte &- 0x30))
      guard !overflow1, !overflow2 else {
        position = start
        return nil
      }
      value = sum
      position &+= 1
    }
    return position == start ? nil : value
  }
}
