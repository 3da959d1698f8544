public import NIOCore

/// What libFuzzer hands to a target.
public typealias FuzzBytes = UnsafePointer<UInt8>

/// Copies the input: a target keeps slices of it, and libFuzzer does not keep it alive.
public func input(_ bytes: FuzzBytes?, _ count: Int) -> ByteBuffer {
  guard let bytes, count > 0 else { return ByteBuffer() }
  return ByteBuffer(bytes: UnsafeBufferPointer(start: bytes, count: count))
}

/// Which input is looked at, where it has a name: for the sentence that ends a test.
@TaskLocal public var checkedInput: String?

/// Ends the process with a sentence when an invariant does not hold; libFuzzer keeps the input.
@inline(never)
public func must(_ condition: Bool, _ sentence: @autoclosure () -> String) {
  // The end of the process is how a fuzz target says that it has found something.
  if !condition { fatalError((checkedInput.map { "\($0): " } ?? "") + sentence()) }
}

/// Numbers that follow from a seed (SplitMix64): the same input is always cut in the same places.
public struct SeededNumbers {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  public mutating func number(below bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }
}

extension ByteBuffer {
  /// Takes the first byte off: targets steer themselves by it. 0 when there is none.
  public mutating func takeByte() -> UInt8 { readInteger() ?? 0 }

  /// Takes what stands before the next `separator` byte, and the separator; the rest when there is none.
  public mutating func takeField(upTo separator: UInt8) -> ByteBuffer {
    let index = readableBytesView.firstIndex(of: separator) ?? writerIndex
    let field = readSlice(length: index - readerIndex) ?? ByteBuffer()
    moveReaderIndex(forwardBy: min(1, readableBytes))
    return field
  }

  /// The bytes cut into pieces, in the places that `seed` says: single bytes, short and long ones.
  public func cut(seed: UInt64) -> [ByteBuffer] {
    var numbers = SeededNumbers(seed: seed)
    // Not into single bytes where there are thousands: that would only be slow.
    let scale = max([1, 3, 16, 200, 1500][numbers.number(below: 5)], readableBytes / 500)
    var rest = self
    var pieces: [ByteBuffer] = []
    while rest.readableBytes > 0 {
      let length = min(rest.readableBytes, 1 + numbers.number(below: scale))
      if let piece = rest.readSlice(length: length) { pieces.append(ByteBuffer(bytes: piece.readableBytesView)) }
    }
    return pieces
  }

  /// Lengthens: `FE n` stands for 16 × n repetitions of the byte before it. Limits of thousands of octets would
  /// otherwise hardly ever be met by inputs that are kept short for speed. Stops lengthening at `limit`
  /// octets.
  public func stretched(upTo limit: Int) -> ByteBuffer {
    guard readableBytesView.contains(0xFE) else { return self }
    var output = ByteBuffer()
    var source = self
    while let byte = source.readInteger(as: UInt8.self) {
      guard byte == 0xFE, let count = source.readInteger(as: UInt8.self) else {
        output.writeInteger(byte)
        continue
      }
      let last = output.getInteger(at: output.writerIndex - 1, as: UInt8.self) ?? 0x20
      let room = max(limit - output.readableBytes, 0)
      output.writeRepeatingByte(last, count: min(16 * Int(count), room))
    }
    return output
  }
}
