import Bytes
public import NIOCore

/// What a client is shown of an internationalized message while it has not asked for UTF-8 (RFC 6858): the same message,
/// its headers, and those of its parts and of the messages in it, in ASCII. Only headers are held; bodies stay where they
/// are. Places are counted with trace lines, if there are any, in front of the message; in the surrogate these are the
/// beginning of its header.
public struct MessageSurrogate: Sendable {
  /// A piece of the surrogate.
  public enum Piece: Sendable {
    case header(ByteBuffer)
    /// Octets of the message.
    case body(Range<Int>)
  }

  private struct Patch: Sendable {
    var place: Range<Int>
    var bytes: ByteBuffer
    /// Octets, and line ends, by which the surrogate is longer behind this patch than the message.
    var growth: Int
    var lines: Int
  }

  private let patches: [Patch]
  /// Of the surrogate. There are no trace lines any more.
  public let index: MessageIndex
  /// All headers of the surrogate, one behind the other, and their places in there.
  private let headers: ByteBuffer
  private let compact: MessageIndex

  /// The headers to be looked at, ascending.
  public static func headerPlaces(of index: MessageIndex, trace: Int) -> [Range<Int>] {
    var places: [Range<Int>] = [0..<trace + index.root.headerRange.upperBound]
    func collect(_ part: Part) {
      for child in part.children {
        places.append(child.headerRange.lowerBound + trace..<child.headerRange.upperBound + trace)
        collect(child)
      }
    }
    collect(index.root)
    return places
  }

  /// `blocks` are the octets at `headerPlaces`. Nil: all of them can be shown as they are.
  public init?(_ index: MessageIndex, trace: Int, blocks: [ByteBuffer]) {
    let places = Self.headerPlaces(of: index, trace: trace)
    var patches: [Patch] = []
    var shown = blocks
    for (number, place) in places.enumerated() where number < blocks.count {
      let block = blocks[number]
      guard UTF8Surrogate.isNeeded(block.readableBytesSpan) else { continue }
      let bytes = UTF8Surrogate.header(for: block.readableBytesSpan)
      shown[number] = bytes
      let last = patches.last
      patches.append(
        Patch(
          place: place, bytes: bytes, growth: (last?.growth ?? 0) + bytes.readableBytes - place.count,
          lines: (last?.lines ?? 0) + Self.lines(bytes) - Self.lines(block)))
    }
    guard !patches.isEmpty, blocks.count == places.count else { return nil }
    self.patches = patches
    var headers = ByteBuffer()
    var next = 0
    func shift(_ place: Int) -> (octets: Int, lines: Int) {
      var low = 0
      var high = patches.count
      while low < high {
        let middle = (low + high) / 2
        if patches[middle].place.upperBound <= place { low = middle + 1 } else { high = middle }
      }
      return low == 0 ? (0, 0) : (patches[low - 1].growth, patches[low - 1].lines)
    }
    func shifted(_ range: Range<Int>) -> Range<Int> {
      range.lowerBound + shift(range.lowerBound).octets..<range.upperBound + shift(range.upperBound).octets
    }
    /// The part in the surrogate, and the part as `headers` has it.
    func made(_ part: Part, isRoot: Bool) -> (Part, Part) {
      let header = isRoot ? 0..<trace + part.headerRange.upperBound : places[next]
      let body = part.bodyRange.lowerBound + trace..<part.bodyRange.upperBound + trace
      let block = shown[next]
      next += 1
      var new = part
      new.headerRange = shifted(header)
      new.bodyRange = shifted(body)
      new.lineCount += shift(body.upperBound).lines - shift(body.lowerBound).lines
      new.fields = MessageIndex.parse(block.readableBytesSpan).root.fields
      var small = new
      small.headerRange = headers.writerIndex..<headers.writerIndex + block.readableBytes
      small.bodyRange = small.headerRange.upperBound..<small.headerRange.upperBound + new.bodyRange.count
      headers.writeImmutableBuffer(block)
      let children = part.children.map { made($0, isRoot: false) }
      new.children = children.map(\.0)
      small.children = children.map(\.1)
      return (new, small)
    }
    let (root, small) = made(index.root, isRoot: true)
    let size = index.size + trace + (patches.last?.growth ?? 0)
    self.index = MessageIndex(root: root, size: size)
    compact = MessageIndex(root: small, size: size)
    self.headers = headers
  }

  private static func lines(_ bytes: ByteBuffer) -> Int {
    bytes.readableBytesView.reduce(0) { $1 == .lf ? $0 + 1 : $0 }
  }

  /// The beginning of the surrogate's octets `range`: no more than one piece of it.
  public func piece(at range: Range<Int>) -> Piece {
    var grown = 0
    for patch in patches {
      let start = patch.place.lowerBound + grown
      if range.lowerBound < start {
        let end = min(range.upperBound, start)
        return .body(range.lowerBound - grown..<end - grown)
      }
      let end = start + patch.bytes.readableBytes
      if range.lowerBound < end {
        let length = min(range.upperBound, end) - range.lowerBound
        let from = patch.bytes.readerIndex + range.lowerBound - start
        return .header(patch.bytes.getSlice(at: from, length: length) ?? ByteBuffer())
      }
      grown = patch.growth
    }
    return .body(range.lowerBound - grown..<range.upperBound - grown)
  }

  // MARK: In the form that goes on the wire

  public func appendEnvelope(to buffer: inout ByteBuffer) {
    Envelope.write(headers.readableBytesSpan, header: compact.root.headerRange, into: &buffer)
  }

  /// BODYSTRUCTURE, or BODY if it is not `extensible`.
  public func appendBody(extensible: Bool, to buffer: inout ByteBuffer) {
    BodyStructureWriter.writeBody(compact, headers.readableBytesSpan, extensible: extensible, into: &buffer)
  }
}
