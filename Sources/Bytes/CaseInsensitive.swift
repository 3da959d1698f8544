public import NIOCore

/// Comparing without ASCII case.
extension RawSpan {
  /// The byte at `index`, which must be within the span.
  @inlinable
  public func byte(at index: Int) -> UInt8 {
    precondition(index >= 0 && index < byteCount)
    return unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
  }

  @inlinable
  public func equalsIgnoringCase(_ other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    for index in 0..<byteCount
    where unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self).asciiUppercased
      != other.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self).asciiUppercased
    {
      return false
    }
    return true
  }

  @inlinable
  public func equalsIgnoringCase(_ word: StaticString) -> Bool {
    guard byteCount == word.utf8CodeUnitCount else { return false }
    for index in 0..<byteCount
    where unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self).asciiUppercased
      != word.utf8Start[index].asciiUppercased
    {
      return false
    }
    return true
  }
}

extension ByteBuffer {
  /// The readable bytes are `word`, ASCII letters compared without case.
  @inlinable
  public func equalsIgnoringCase(_ word: StaticString) -> Bool {
    readableBytesSpan.equalsIgnoringCase(word)
  }
}

extension StringProtocol {
  /// Equal but for the case of ASCII letters.
  @inlinable
  public func equalsIgnoringASCIICase(_ other: some StringProtocol) -> Bool {
    utf8.count == other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0.asciiUppercased == $1.asciiUppercased }
  }
}
