import CZlib
import NIOCore

/// A raw DEFLATE stream (RFC 1951) taken apart in pieces of bounded size.
final class Inflater {
  /// zlib keeps a pointer back to it: it must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private var input = ByteBuffer()
  /// zlib filled the last piece to the brim: it may hold more.
  private var mayHoldMore = false
  private(set) var isDamaged = false

  init?() {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // Negative: neither zlib's header nor its checksum.
    guard inflateInit2_(stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  func feed(_ bytes: ByteBuffer) {
    if input.readableBytes == 0 { input = bytes } else { input.writeImmutableBuffer(bytes) }
  }

  /// At most `ClientNetLimits.inflatedPiece` octets; nil when more input is needed, or `isDamaged`.
  func next() -> ByteBuffer? {
    guard !isDamaged, input.readableBytes > 0 || mayHoldMore else { return nil }
    // Mail shrinks to a third: small answers get a small buffer.
    let guess = 4 * input.readableBytes + 1024
    let room = mayHoldMore ? ClientNetLimits.inflatedPiece : min(ClientNetLimits.inflatedPiece, guess)
    var output = ByteBuffer()
    var status = Z_OK
    output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
      input.readWithUnsafeReadableBytes { source in
        // zlib's counts are 32 bits wide; what is left over is taken by the next call.
        let given = min(source.count, Int(Int32.max))
        stream.pointee.next_in = Self.start(of: source)
        stream.pointee.avail_in = uInt(given)
        stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_out = uInt(room)
        status = inflate(stream, Z_SYNC_FLUSH)
        return given - Int(stream.pointee.avail_in)
      }
      return room - Int(stream.pointee.avail_out)
    }
    mayHoldMore = stream.pointee.avail_out == 0
    // Z_BUF_ERROR: no progress was possible, which is no error (zlib's manual, inflate).
    if status != Z_OK, status != Z_BUF_ERROR { isDamaged = true }
    return output.readableBytes > 0 ? output : nil
  }

  /// zlib's header knows no const, but nothing is written there.
  static func start(of source: UnsafeRawBufferPointer) -> UnsafeMutablePointer<Bytef>? {
    source.baseAddress.map { UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: Bytef.self)) }
  }
}

/// Makes a raw DEFLATE stream, ended at an octet after each call so that the other side can read all of it.
final class Deflater {
  private let stream: UnsafeMutablePointer<z_stream>

  init?() {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let status = deflateInit2_(
      stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// Nil only if zlib fails.
  func deflate(_ bytes: ByteBuffer) -> ByteBuffer? {
    var output = ByteBuffer()
    var input = bytes
    var isDone = false
    while !isDone {
      let room = Int(deflateBound(stream, uLong(input.readableBytes))) + 16
      var status = Z_OK
      output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
        input.readWithUnsafeReadableBytes { source in
          let given = min(source.count, Int(Int32.max))
          stream.pointee.next_in = Inflater.start(of: source)
          stream.pointee.avail_in = uInt(given)
          stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: Bytef.self)
          stream.pointee.avail_out = uInt(min(room, Int(Int32.max)))
          status = CZlib.deflate(stream, Z_SYNC_FLUSH)
          return given - Int(stream.pointee.avail_in)
        }
        return min(room, Int(Int32.max)) - Int(stream.pointee.avail_out)
      }
      // Z_BUF_ERROR: the last call had ended the flush to the octet.
      guard status == Z_OK || status == Z_BUF_ERROR else { return nil }
      isDone = status == Z_BUF_ERROR || input.readableBytes == 0 && stream.pointee.avail_out > 0
    }
    return output
  }
}
