import CZlib
import NIOCore

/// Makes a raw DEFLATE stream, ended at an octet after each call so that the other side can read all of it.
///
/// The stream has no end and each call leaves it between two blocks, so another deflater may go on with it: it refers to
/// nothing that was sent before it.
final class Deflater {
  private let stream: UnsafeMutablePointer<z_stream>

  init?(level: Int32 = Z_DEFAULT_COMPRESSION, window: Int32 = MAX_WBITS, memory: Int32 = 8) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let status = deflateInit2_(
      stream, level, Z_DEFLATED, -window, memory, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
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

  /// The same stream without any deflater: blocks that hold their octets as they are (RFC 1951 §3.2.4).
  static func store(_ bytes: ByteBuffer) -> ByteBuffer {
    var rest = bytes
    let blocks = rest.readableBytes / CompressionLimits.storedBlock + 1
    var output = ByteBuffer()
    output.reserveCapacity(rest.readableBytes + 5 * blocks)
    while let block = rest.readSlice(length: min(rest.readableBytes, CompressionLimits.storedBlock)),
      block.readableBytes > 0
    {
      let length = UInt16(block.readableBytes)
      output.writeInteger(UInt8(0))
      output.writeInteger(length, endianness: .little)
      output.writeInteger(~length, endianness: .little)
      output.writeImmutableBuffer(block)
    }
    return output
  }
}
