/// One step of a slow walk over a pack.
public struct ScrubStep: Sendable, Hashable {
  public struct Finding: Sendable, Hashable {
    public var offset: Int64
    /// Octets up to the next frame.
    public var bytes: Int64
    public var what: String
    /// The header is whole, only the data are damaged.
    public var isFrame: Bool
  }

  /// Where the next step begins; nil: the pack is done.
  public var next: Int64?
  public var frames = 0
  public var findings: [Finding] = []
  /// A copy of the pack's dictionary is damaged: its mail should go to another pack before the other one is.
  public var lacksDictionary = false
  /// What ended the step before its time: the disk failed. What it had found until then is told all the same.
  public var failure: BlobError?
  public init() {}
}

/// A handle that can tell the system that what was read will not be wanted again.
protocol CacheAdvising {
  func forgetCached(_ range: Range<Int64>)
}

extension PackStore {
  /// Verifies the frames of a pack from `offset` on, until about `bytes` octets are read. `pause` is told of every read
  /// and may sleep. What was read is taken out of the system's cache again. Throws only where the pack cannot be opened.
  public func scrub(
    _ pack: Int64, from offset: Int64, bytes: Int64, pause: (Int) -> Void
  ) throws(BlobError) -> ScrubStep {
    let end = try table.info(pack).bytes
    let reader = try frameReader(pack)
    let scanner = PackScanner(reader: reader, pack: pack, end: end)
    var scratch = BlobScratch()
    var step = ScrubStep()
    var position = offset
    if offset == 0 { step.lacksDictionary = PackHead(reader, pack: pack, end: end).isDamaged }
    do throws(BlobError) {
      while position < end, position - offset < bytes {
        if let header = try reader.header(at: position, end: end, pack: pack, first: 4 << 10, &scratch) {
          if !header.isDictionary { step.frames += 1 }
          if let chunk = try reader.damagedChunk(header, &scratch, pause: pause) {
            step.findings.append(
              .init(
                offset: position, bytes: header.frameLength,
                what: "\(reader.handle.path) at \(position): chunk \(chunk) is damaged", isFrame: true))
          }
          pause(header.headerLength)
          position += header.frameLength
        } else {
          let next = try scanner.nextMagic(after: position, &scratch)
          step.findings.append(
            .init(
              offset: position, bytes: next - position,
              what: "\(reader.handle.path) at \(position): \(next - position) octets are no frame", isFrame: false))
          pause(Int(next - position))
          position = next
        }
      }
    } catch {
      step.failure = error
    }
    (reader.handle as? any CacheAdvising)?.forgetCached(offset..<position)
    step.next = step.failure == nil && position < end ? position : nil
    return step
  }
}
