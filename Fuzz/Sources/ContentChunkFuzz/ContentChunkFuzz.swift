// The input is what stands behind the checksum of the list of keys of a chunk of contents, and of a column of it, and what that
// is decompressed to: a program that is wrong makes right checksums.
// Invariants:
// - Any bytes can be read; content numbers ascend, and none is above the chunk's last.
// - The pieces of a column lie in it, one behind the other, and fill it behind the lengths.
import BlobStore
import FuzzKit
import NIOCore

@testable import MailStoreSQL

func contentChunkFuzz(_ given: ByteBuffer) {
  let last: Int64 = 1 << 35
  given.withUnsafeReadableBytes { bytes in
    guard let numbers = ContentChunk.keys(behindChecksum: bytes, last: last)?.numbers else { return }
    must(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "numbers do not ascend")
    must(numbers.allSatisfy { $0 > 0 && $0 <= last }, "a number out of bounds")
  }
  var unsqueezer = Unsqueezer()
  for count in [0, 1, 3] {
    given.withUnsafeReadableBytes { bytes in
      let column = ChunkColumn()
      let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
      guard column.fill(behindChecksum: bytes, count: count, group: 2, after: nothing, &unsqueezer) else { return }
      for slot in 0..<count where column.prepare(slot, &unsqueezer) {
        must(column[slot].count < column.raw.count, "pieces beyond the column")
      }
    }
    given.withUnsafeReadableBytes { bytes in
      let column = ChunkColumn()
      guard column.fill(bytes, pieces: count) else { return }
      var octets = 0
      for slot in 0..<count { octets += column[slot].count }
      must(octets < bytes.count, "pieces beyond the column")
    }
  }
}
