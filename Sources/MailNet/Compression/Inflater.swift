import CZlib
import NIOCore

/// A raw DEFLATE stream (RFC 1951) taken apart in pieces of bounded size.
final class Inflater {
  /// Why `step` returned.
  enum Stop: Sendable {
    /// All that the other side flushed has come out: a block has ended, and on an octet.
    case flush
    /// The piece is full; there may be more.
    case full
    case needsInput
    /// The other side has ended the stream. What is left of the input is no part of it.
    case ended
    case damaged
  }

  /// zlib keeps a pointer back to it: it must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private let piece: Int
  private var input = ByteBuffer()
  /// zlib filled the last piece to the brim: it may hold more.
  private(set) var mayHoldMore = false
  private(set) var isDamaged = false
  /// Nothing of a block has been taken in that is not ended.
  private(set) var isAtFlush = true

  /// - Parameters:
  ///   - piece: the most octets that come out at a time.
  ///   - history: what came out of the stream before, where another inflater went on with it until a flush.
  init?(piece: Int = ClientNetLimits.inflatedPiece, history: ByteBuffer = ByteBuffer()) {
    self.piece = piece
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // Negative: neither zlib's header nor its checksum. The other side chooses its window, so ours is the largest.
    guard inflateInit2_(stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      stream.deallocate()
      return nil
    }
    guard history.readableBytes > 0 else { return }
    let status = history.withUnsafeReadableBytes { bytes in
      inflateSetDictionary(stream, Self.start(of: bytes), uInt(clamping: bytes.count))
    }
    // Fails on no stream of this kind; then it would be damaged.
    isDamaged = status != Z_OK
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  // MARK: Input of its own

  func feed(_ bytes: ByteBuffer) {
    if input.readableBytes == 0 { input = bytes } else { input.writeImmutableBuffer(bytes) }
  }

  /// At most `piece` octets; nil when more input is needed, or `isDamaged`. A stream that ends is taken for damaged.
  func next() -> ByteBuffer? {
    guard !isDamaged, input.readableBytes > 0 || mayHoldMore else { return nil }
    var output = ByteBuffer()
    if case .ended = step(&input, &output, Z_SYNC_FLUSH) { isDamaged = true }
    return output.readableBytes > 0 ? output : nil
  }

  // MARK: The caller's input

  /// Inflates from the front of `input` and appends to `output`, until the next flush or `piece` octets.
  func step(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> Stop {
    // With Z_BLOCK zlib returns at the end of each block, and says how many bits of the last octet are left.
    step(&input, &output, Z_BLOCK)
  }

  private func step(_ input: inout ByteBuffer, _ output: inout ByteBuffer, _ mode: Int32) -> Stop {
    guard !isDamaged else { return .damaged }
    // Mail shrinks to a third: small answers get a small buffer.
    let room = mayHoldMore ? piece : min(piece, 4 * input.readableBytes + 1024)
    var stop = Stop.needsInput
    output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
      stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: Bytef.self)
      stream.pointee.avail_out = uInt(room)
      input.readWithUnsafeReadableBytes { source in
        // zlib's counts are 32 bits wide; what is left over is taken by the next call.
        let given = min(source.count, Int(Int32.max))
        stream.pointee.next_in = Self.start(of: source)
        stream.pointee.avail_in = uInt(given)
        stop = run(mode)
        return given - Int(stream.pointee.avail_in)
      }
      return room - Int(stream.pointee.avail_out)
    }
    mayHoldMore = stop == .full
    isDamaged = stop == .damaged
    return stop
  }

  private func run(_ mode: Int32) -> Stop {
    while true {
      let status = inflate(stream, mode)
      switch status {
      // Z_BUF_ERROR: no progress was possible, which is no error (zlib's manual, inflate).
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END:
        isAtFlush = true
        return .ended
      default: return .damaged
      }
      // 128: a block has ended; below 64: bits of the last octet that are not used up.
      let place = stream.pointee.data_type
      if status == Z_OK { isAtFlush = place & 128 != 0 && place & 63 == 0 }
      // The last block (64) has ended: so will the stream, without any more input.
      if status == Z_OK, place & 192 == 192 { continue }
      if stream.pointee.avail_out == 0 { return .full }
      if isAtFlush, status == Z_OK, mode == Z_BLOCK { return .flush }
      if stream.pointee.avail_in == 0 || status == Z_BUF_ERROR { return .needsInput }
    }
  }

  /// What the rest of the stream may refer to, for an inflater that goes on with it; nil within a block.
  func history() -> ByteBuffer? {
    guard isAtFlush, !isDamaged, !mayHoldMore else { return nil }
    var length: uInt = 0
    guard inflateGetDictionary(stream, nil, &length) == Z_OK else { return nil }
    var history = ByteBuffer()
    guard length > 0 else { return history }
    history.reserveCapacity(Int(length))
    var status = Z_OK
    history.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(length)) { target in
      status = inflateGetDictionary(stream, target.baseAddress?.assumingMemoryBound(to: Bytef.self), &length)
      return status == Z_OK ? Int(length) : 0
    }
    return status == Z_OK ? history : nil
  }

  /// zlib's header knows no const, but nothing is written there.
  static func start(of source: UnsafeRawBufferPointer) -> UnsafeMutablePointer<Bytef>? {
    source.baseAddress.map { UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: Bytef.self)) }
  }
}
