import CZstd
public import NIOCore

/// A dictionary that was trained, and belongs to no pack yet.
public struct TrainedDictionary: Sendable, Hashable {
  public var bytes: ByteBuffer
  /// Seconds since 1970.
  public var made: Int64
}

/// Mail that a dictionary is trained from: so many octets of memory, and a few megabytes more while it is at work.
public struct DictionarySamples: ~Copyable {
  var scratch = BlobScratch()
  private var bytes: RawBuffer
  private var sizes: [Int] = []
  private var used = 0
  private let message: Int

  /// - Parameters:
  ///   - capacity: octets that are looked at.
  ///   - message: of them, octets of one message.
  public init(capacity: Int, message: Int = DictionaryLimits.sampleMessage) {
    bytes = RawBuffer(capacity: capacity)
    self.message = message
  }

  public var count: Int { sizes.count }

  /// Adds the message in `scratch`. False: there is no room for more.
  mutating func add(_ owners: [FrameOwner]) -> Bool {
    guard sizes.count < DictionaryLimits.mostSamples else { return false }
    var head = ByteBuffer()
    OwnersCoding.write(owners, to: &head)
    guard head.withUnsafeReadableBytes({ add($0) }) else { return false }
    let message = UnsafeRawBufferPointer(
      rebasing: UnsafeRawBufferPointer(scratch.message.bytes)[..<min(scratch.count, message)])
    return add(message)
  }

  private mutating func add(_ sample: UnsafeRawBufferPointer) -> Bool {
    // zstd does not learn from less.
    guard sample.count >= 8 else { return true }
    guard sample.count <= bytes.bytes.count - used else { return false }
    UnsafeMutableRawBufferPointer(rebasing: bytes.bytes[used..<used + sample.count]).copyMemory(from: sample)
    used += sample.count
    sizes.append(sample.count)
    return true
  }

  /// Nil: there are too few samples, or what they have in common saves nothing. Takes a tenth of a second.
  public mutating func train(octets: Int, level: Int32, now: Int64) -> TrainedDictionary? {
    guard sizes.count >= DictionaryLimits.leastSamples, octets >= DictionaryLimits.leastOctets else { return nil }
    var dictionary = ByteBuffer()
    let count = dictionary.writeWithUnsafeMutableBytes(minimumWritableBytes: octets) { target in
      let count = ZDICT_trainFromBuffer(target.baseAddress, octets, bytes.bytes.baseAddress, sizes, UInt32(sizes.count))
      return ZDICT_isError(count) == 0 ? count : 0
    }
    guard count >= 8 else { return nil }
    // Its number would stand in every frame of zstd; frames of ours have their own.
    dictionary.setInteger(UInt32(0), at: 4)
    let trained = TrainedDictionary(bytes: dictionary, made: now)
    return gain(dictionary, level) >= DictionaryLimits.leastGain ? trained : nil
  }

  /// Percent that it saves of some of the samples.
  private func gain(_ bytes: ByteBuffer, _ level: Int32) -> Int {
    guard let dictionary = PackDictionary(bytes, made: 0),
      let tables = dictionary.tables(level: min(level, DictionaryLimits.level))
    else {
      return 0
    }
    let target = RawBuffer(capacity: DictionaryLimits.sampleMessage * 2)
    var decompressor = Decompressor()
    let back = RawBuffer(capacity: DictionaryLimits.sampleMessage)
    var plain = 0
    var packed = 0
    var isSound = true
    let step = max(sizes.count / 256, 1)
    _ = try? CompressorPool.with { compressor in
      var start = 0
      for (index, size) in sizes.enumerated() {
        defer { start += size }
        guard index % step == 0, size <= DictionaryLimits.sampleMessage else { continue }
        let sample = UnsafeRawBufferPointer(rebasing: self.bytes.bytes[start..<start + size])
        plain += compressor.compress(sample, into: target.bytes, level: level) ?? size
        let count = compressor.compress(sample, with: tables, into: target.bytes) ?? size
        packed += count
        let stored = UnsafeRawBufferPointer(rebasing: target.bytes[..<count])
        let raw = UnsafeMutableRawBufferPointer(rebasing: back.bytes[..<size])
        isSound = isSound && decompressor.decompress(stored, with: dictionary, into: raw) && raw.elementsEqual(sample)
      }
    }
    return isSound && plain > 0 ? (plain - packed) * 100 / plain : 0
  }
}
