import IMAPCore
import MailFormat
import MailNet
import MailStore
import NIOCore

/// The octets that `BODY[section]` of a message would give, read a piece at a time (RFC 4469 §3, RFC 4467 §7).
struct SectionSource: Sendable {
  private let reader: any MessageReader
  private let place: Range<Int>
  /// Nil: all of `place` is meant.
  private let fields: HeaderFieldFilter?
  /// Which octets of the section are meant.
  private let wanted: Range<Int>

  /// Nil: the message has no such section.
  init?(_ reader: any MessageReader, _ section: BodySection, _ partial: IMAPURL.Octets?) {
    let item = FetchItem.bodySection(section, partial: nil, peek: true)
    let trace = reader.trace.readableBytes
    switch FetchPlan.section(item)?.kind {
    case .stored(let path):
      guard let place = reader.index.place(of: path, trace: trace) else { return nil }
      self.place = place
      fields = nil
      wanted = Self.wanted(partial, upTo: place.count)
    case .fields(let path, let names, let not):
      guard let place = reader.index.place(of: path, trace: trace) else { return nil }
      self.place = place
      fields = HeaderFieldFilter(names, not: not)
      wanted = Self.wanted(partial, upTo: .max)
    default: return nil
    }
    self.reader = reader
  }

  private static func wanted(_ partial: IMAPURL.Octets?, upTo end: Int) -> Range<Int> {
    guard let partial else { return 0..<end }
    let start = Int(min(partial.offset, Int64(end)))
    return start..<(start + Int(min(partial.count ?? .max, Int64(end - start))))
  }

  /// Octets there will be; nil: header fields are only picked out as they are read.
  var knownSize: Int? { fields == nil ? wanted.count : nil }

  func pieces() -> Pieces { Pieces(reader, place, fields, wanted) }

  struct Pieces: Sendable {
    /// One read.
    private static let piece = 64 << 10

    private let reader: any MessageReader
    private let wanted: Range<Int>
    private var filter: HeaderFieldFilter?
    private var position: Int
    private let end: Int
    /// Octets of the section that are done with; only where fields are picked out.
    private var passed = 0

    fileprivate init(
      _ reader: any MessageReader, _ place: Range<Int>, _ filter: HeaderFieldFilter?, _ wanted: Range<Int>
    ) {
      self.reader = reader
      self.wanted = wanted
      self.filter = filter
      let isWhole = filter == nil
      position = isWhole ? place.lowerBound + wanted.lowerBound : place.lowerBound
      end = isWhole ? place.lowerBound + wanted.upperBound : place.upperBound
    }

    /// Nil: that was all.
    mutating func next() async throws(StoreError) -> ByteBuffer? {
      while position < end {
        let upTo = min(position + Self.piece, end)
        let bytes = try await reader.read(position..<upTo)
        guard bytes.readableBytes == upTo - position else { throw .corrupt(what: "message shorter than its size") }
        position = upTo
        guard let before = filter else { return bytes }
        let picked: ByteBuffer
        (filter, picked) = await offLoop {
          var (filter, picked) = (before, ByteBuffer())
          filter.filter(bytes.readableBytesSpan, into: &picked)
          return (filter, picked)
        }
        if let cut = clipped(picked) { return cut }
      }
      guard filter != nil else { return nil }
      var rest = ByteBuffer()
      filter?.finish(into: &rest)
      filter = nil
      return clipped(rest)
    }

    private mutating func clipped(_ bytes: ByteBuffer) -> ByteBuffer? {
      let from = max(wanted.lowerBound - passed, 0)
      let to = min(wanted.upperBound - passed, bytes.readableBytes)
      passed += bytes.readableBytes
      guard from < to else { return nil }
      return bytes.getSlice(at: bytes.readerIndex + from, length: to - from)
    }
  }
}
