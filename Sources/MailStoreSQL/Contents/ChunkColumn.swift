import BlobStore
import MailStore

/// One part of the messages of a chunk (for the format see `ContentChunk`), in memory that is used again.
final class ChunkColumn {
  /// Where a group stands: in `packed`, and decompressed in `memory`.
  private struct Group {
    var packed: Range<Int>
    var raw: Range<Int>
    var isThere = false
  }

  @exclusivity(unchecked) private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// Groups that may be asked for yet.
  @exclusivity(unchecked) private var packed: [UInt8] = []
  @exclusivity(unchecked) private var groups: [Group] = []
  @exclusivity(unchecked) private var groupSize = 1
  @exclusivity(unchecked) private var count = 0
  /// Where each message's bytes begin and end.
  @exclusivity(unchecked) private var starts: [UInt32] = []
  @exclusivity(unchecked) private var ends: [UInt32] = []

  deinit { memory.deallocate() }

  /// What a part that is compressed after this one refers to.
  var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<(groups.last?.raw.upperBound ?? 0)]) }
  var capacity: Int { memory.count + packed.capacity }

  func letGo() {
    memory.deallocate()
    memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    packed = []
    groups = []
    count = 0
    starts = []
    ends = []
  }

  /// False: this is no column of `count` messages.
  func fill(
    behindChecksum bytes: UnsafeRawBufferPointer, count: Int, group: Int, after base: UnsafeRawBufferPointer,
    _ unsqueezer: inout Unsqueezer
  ) -> Bool {
    var cursor = VarintCursor(rest: bytes)
    groupSize = max(min(group, count), 1)
    self.count = count
    groups.removeAll(keepingCapacity: true)
    var raw = 0
    var stored = 0
    for _ in 0..<max((count + groupSize - 1) / groupSize, 1) {
      guard let size = cursor.varint(), let length = cursor.varint(),
        size <= UInt64(StoreLimits.believedContentColumn - raw), length <= UInt64(bytes.count - stored)
      else { return false }
      groups.append(Group(packed: stored..<stored + Int(length), raw: raw..<raw + Int(size)))
      raw += Int(size)
      stored += Int(length)
    }
    guard cursor.rest.count == stored else { return false }
    makeRoom(raw)
    guard groups.count > 1 else { return decompress(0, cursor.rest, after: base, &unsqueezer) }
    packed.removeAll(keepingCapacity: true)
    packed += cursor.rest
    return true
  }

  /// Decompresses what a message's bytes need. False: damaged.
  @inline(__always)
  func prepare(_ slot: Int, _ unsqueezer: inout Unsqueezer) -> Bool {
    let group = groups.count == 1 ? 0 : slot / groupSize
    return groups[group].isThere || prepare(group: group, &unsqueezer)
  }

  private func prepare(group: Int, _ unsqueezer: inout Unsqueezer) -> Bool {
    packed.withUnsafeBytes { bytes in
      let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
      return decompress(group, bytes, after: nothing, &unsqueezer)
    }
  }

  private func decompress(
    _ group: Int, _ bytes: UnsafeRawBufferPointer, after base: UnsafeRawBufferPointer, _ unsqueezer: inout Unsqueezer
  ) -> Bool {
    let place = groups[group]
    let source = UnsafeRawBufferPointer(rebasing: bytes[place.packed])
    let target = UnsafeMutableRawBufferPointer(rebasing: memory[place.raw])
    guard unsqueezer.decompress(source, after: base, into: target) else { return false }
    return divide(group)
  }

  /// Finds the pieces in what was decompressed. False: they do not fill it.
  private func divide(_ group: Int) -> Bool {
    let place = groups[group].raw
    let raw = UnsafeRawBufferPointer(rebasing: memory[place])
    guard let first = raw.first, first == ContentChunk.version else { return false }
    var cursor = VarintCursor(rest: UnsafeRawBufferPointer(rebasing: raw.dropFirst()))
    let slots = group * groupSize..<min((group + 1) * groupSize, count)
    var end = 0
    for slot in slots {
      guard let length = cursor.varint(), length <= UInt64(raw.count) else { return false }
      starts[slot] = UInt32(end)
      end += Int(length)
      guard end <= raw.count else { return false }
      ends[slot] = UInt32(end)
    }
    guard cursor.rest.count == end else { return false }
    let head = UInt32(place.upperBound - end)
    for slot in slots {
      starts[slot] += head
      ends[slot] += head
    }
    groups[group].isThere = true
    return true
  }

  /// With bytes that were never compressed, one group. False: see `divide`.
  func fill(_ bytes: UnsafeRawBufferPointer, pieces: Int) -> Bool {
    groupSize = max(pieces, 1)
    count = pieces
    groups = [Group(packed: 0..<0, raw: 0..<bytes.count)]
    makeRoom(bytes.count)
    UnsafeMutableRawBufferPointer(rebasing: memory[..<bytes.count]).copyMemory(from: bytes)
    return divide(0)
  }

  private func makeRoom(_ size: Int) {
    if memory.count < size {
      memory.deallocate()
      memory = .allocate(byteCount: max(size + size / 2, 4 << 10), alignment: 16)
    }
    if starts.count < count {
      starts = [UInt32](repeating: 0, count: count)
      ends = starts
    }
  }

  /// Of a message that `prepare` has been asked for.
  subscript(slot: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: memory[Int(starts[slot])..<Int(ends[slot])])
  }
}
