/// Memory that is used again and again and grows when it must; contents don't survive growing.
///
/// `@unchecked Sendable`: the memory has one owner, since the struct cannot be copied.
struct RawBuffer: ~Copyable, @unchecked Sendable {
  private(set) var bytes: UnsafeMutableRawBufferPointer

  init(capacity: Int = 0) {
    bytes = capacity > 0 ? .allocate(byteCount: capacity, alignment: 16) : .init(start: nil, count: 0)
  }

  deinit { bytes.deallocate() }

  /// The first `count` bytes, after making room for them.
  mutating func prefix(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if bytes.count < count {
      bytes.deallocate()
      // Room for somewhat larger ones, so that a walk over messages doesn't reallocate for each.
      bytes = .allocate(byteCount: max(count + count / 2, 16 << 10), alignment: 16)
    }
    return UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
  }

  /// Gives memory back when there is more than `limit` of it.
  mutating func trim(to limit: Int) {
    guard bytes.count > limit else { return }
    bytes.deallocate()
    bytes = .init(start: nil, count: 0)
  }
}
